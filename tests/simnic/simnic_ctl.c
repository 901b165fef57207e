/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * The simulated NIC's control socket (unix, SOCK_SEQPACKET): a command as text, its answer as one
 * JSON object. `state` shows what the hardware holds and counts; the others are what can happen to
 * a NIC. Served by a thread of its own, one client's command at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_lcore.h>
#include <rte_string_fns.h>

#include "tests/simnic/simnic.h"

#define CLIENTS 8
#define MAC_FMT "\"%02x:%02x:%02x:%02x:%02x:%02x\""

const char *const simnic_fault_names[FAULTS] = {
	[FAULT_MAC_ADD_ENOSPC] = "mac_add_enospc",
	[FAULT_MAC_ADD_ENOTSUP] = "mac_add_enotsup",
	[FAULT_MAC_ADD_IGNORED] = "mac_add_ignored",
	[FAULT_MC_ENOSPC] = "mc_enospc",
	[FAULT_MC_EMPTIES] = "mc_empties",
	[FAULT_MC_IGNORED] = "mc_ignored",
	[FAULT_MTU_BUSY] = "mtu_busy",
	[FAULT_FLOW_CREATE_FAILS] = "flow_create_fails",
	[FAULT_FLOW_CREATE_ENOTSUP] = "flow_create_enotsup",
	[FAULT_FLOW_VALIDATE_FAILS] = "flow_validate_fails",
	[FAULT_FLOW_NO_STEER] = "flow_no_steer",
	[FAULT_FLOW_IGNORED] = "flow_ignored",
	[FAULT_FLOW_NO_COUNT] = "flow_no_count",
};

static void
put_mac(FILE *f, const char *before, const struct rte_ether_addr *a)
{
	fprintf(f, "%s" MAC_FMT, before, RTE_ETHER_ADDR_BYTES(a));
}

static const char *
boolean(bool b)
{
	return b ? "true" : "false";
}

static void
put_filters(FILE *f, struct simnic *s)
{
	const char *sep = "";
	struct rte_flow *flow;

	fprintf(f, "\"promisc\":%s,\"allmulti\":%s,\"mac\":", boolean(s->promisc),
		boolean(s->allmulti));
	put_mac(f, "", &s->macs[0]);
	fputs(",\"macs\":[", f);
	for (uint32_t i = 1; i < s->args.macs; i++) {
		if (!s->mac_used[i])
			continue;
		put_mac(f, sep, &s->macs[i]);
		sep = ",";
	}
	fputs("],\"mcs\":[", f);
	for (uint32_t i = 0; i < s->n_mcs; i++)
		put_mac(f, i > 0 ? "," : "", &s->mcs[i]);
	fputs("],\"flows\":[", f);
	sep = "";
	LIST_FOREACH (flow, &s->flows, entry) {
		if (flow->dead)
			continue;
		fprintf(f, "%s{\"dst\":", sep);
		put_mac(f, "", &flow->dst);
		fprintf(f, ",\"queue\":%u,\"hits\":%lu,\"count\":%s}", flow->queue, flow->hits,
			boolean(flow->count));
		sep = ",";
	}
	fputs("],", f);
}

static void
put_counts(FILE *f, const struct simnic *s)
{
	const struct simnic_counts *n = &s->n;
	const struct simnic_calls *c = &s->calls;

	fprintf(f,
		"\"rx\":{\"passed\":%lu,\"filtered\":%lu,\"missed\":%lu,\"no_mbuf\":%lu,"
		"\"bad_length\":%lu,\"link_down\":%lu,\"stopped\":%lu,\"max_filtered_run\":%lu,"
		"\"queues\":[",
		n->passed, n->filtered, n->missed, n->no_mbuf, n->too_long, n->link_down,
		n->stopped, n->max_filtered_run);
	for (uint32_t i = 0; i < s->dev->data->nb_rx_queues; i++)
		fprintf(f, "%s%lu", i > 0 ? "," : "", s->rxq[i] != NULL ? s->rxq[i]->packets : 0);
	fputs("],\"filtered_dst\":{", f);
	for (uint32_t i = 0; i < s->n_misses; i++) {
		put_mac(f, i > 0 ? "," : "", &s->misses[i].dst);
		fprintf(f, ":%lu", s->misses[i].frames);
	}
	fprintf(f,
		"}},\"tx\":{\"sent\":%lu,\"link_down\":%lu,\"no_peer\":%lu,"
		"\"completed\":%lu,\"cut\":%lu},",
		n->sent, n->lost_link_down, n->lost_no_peer, n->completed, n->cut);
	fprintf(f,
		"\"calls\":{\"mac_add\":%lu,\"mac_remove\":%lu,\"mac_set\":%lu,\"set_mc\":%lu,"
		"\"promisc_on\":%lu,\"promisc_off\":%lu,\"allmulti_on\":%lu,\"allmulti_off\":%lu,",
		c->mac_add, c->mac_remove, c->mac_set, c->set_mc, c->promisc_on, c->promisc_off,
		c->allmulti_on, c->allmulti_off);
	fprintf(f,
		"\"flow_create\":%lu,\"flow_destroy\":%lu,\"flow_query\":%lu,\"flow_stale\":%lu,"
		"\"reta_update\":%lu,\"start\":%lu,\"stop\":%lu,\"reset\":%lu},",
		c->flow_create, c->flow_destroy, c->flow_query, c->flow_stale, c->reta_update,
		c->start, c->stop, c->reset);
}

static void
put_rest(FILE *f, const struct simnic *s)
{
	const char *sep = "";
	uint64_t in_reta = 0;

	fprintf(f, "\"link\":\"%s\",\"started\":%s,\"removed\":%s,\"mtu\":%u,\"rss_queues\":[",
		s->link_up ? "up" : "down", boolean(s->started), boolean(s->removed),
		s->dev->data->mtu);
	for (uint32_t i = 0; s->rss && i < SIMNIC_RETA; i++)
		in_reta |= RTE_BIT64(s->reta[i] % SIMNIC_QUEUES);
	for (uint32_t q = 0; q < SIMNIC_QUEUES; q++) {
		if ((in_reta & RTE_BIT64(q)) == 0)
			continue;
		fprintf(f, "%s%u", sep, q);
		sep = ",";
	}
	fputs("],\"faults\":[", f);
	sep = "";
	for (uint32_t i = 0; i < FAULTS; i++) {
		if (!s->faults[i])
			continue;
		fprintf(f, "%s\"%s\"", sep, simnic_fault_names[i]);
		sep = ",";
	}
	fputs("],\"watches\":{", f);
	for (uint32_t i = 0; i < s->n_watches; i++) {
		put_mac(f, i > 0 ? "," : "", &s->watches[i].dst);
		fprintf(f, ":{\"passes\":%s,\"lost\":%lu}", boolean(s->watches[i].passes),
			s->watches[i].lost);
	}
	fputs("}", f);
}

static const char *
set_fault(struct simnic *s, const char *name, const char *value)
{
	if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
		return "fault NAME on|off";
	for (uint32_t i = 0; i < FAULTS; i++) {
		if (strcmp(simnic_fault_names[i], name) != 0)
			continue;
		s->faults[i] = strcmp(value, "on") == 0;
		simnic_changed(s);
		return NULL;
	}
	return "no such fault";
}

/* Under the lock; NULL or what is wrong. *event: what ethdev must be told afterwards. */
static const char *
change(struct simnic *s, const char *verb, const char *name, const char *value, int *event)
{
	const struct rte_eth_intr_conf *wanted = &s->dev->data->dev_conf.intr_conf;
	struct rte_ether_addr addr;

	if (strcmp(verb, "fault") == 0)
		return set_fault(s, name, value);
	if (strcmp(verb, "clear") == 0) {
		memset(&s->n, 0, sizeof(s->n));
		memset(&s->calls, 0, sizeof(s->calls));
		s->n_misses = s->n_watches = 0;
	} else if (strcmp(verb, "watch") == 0) {
		if (rte_ether_unformat_addr(name, &addr) != 0)
			return "watch ADDRESS";
		return simnic_watch(s, &addr) == 0 ? NULL : "too many watches";
	} else if (strcmp(verb, "reset") == 0) {
		simnic_forget(s);
		*event = RTE_ETH_EVENT_INTR_RESET;
	} else if (strcmp(verb, "remove") == 0) {
		s->removed = true;
		*event = wanted->rmv ? RTE_ETH_EVENT_INTR_RMV : -1;
	} else if (strcmp(verb, "link") == 0) {
		if (strcmp(name, "up") != 0 && strcmp(name, "down") != 0)
			return "link up|down";
		s->link_up = strcmp(name, "up") == 0;
		*event = wanted->lsc ? RTE_ETH_EVENT_INTR_LSC : -1;
	} else if (strcmp(verb, "replay") == 0) {
		s->replay = (uint32_t)strtoul(name, NULL, 10);
		s->replay_from = s->n.passed;
	} else {
		return "state, fault, reset, remove, link, watch, replay or clear";
	}
	return NULL;
}

/* Answers one command on f. */
static void
serve(struct simnic *s, char *command, FILE *f)
{
	char *rest = command, *verb = strsep(&rest, " \n");
	char *name = rest != NULL ? strsep(&rest, " \n") : NULL;
	char *value = rest != NULL ? strsep(&rest, " \n") : NULL;
	const char *wrong = NULL;
	int event = -1;

	pthread_mutex_lock(&s->lock);
	fputs("{", f);
	if (strcmp(verb, "state") == 0) {
		put_filters(f, s);
		put_counts(f, s);
		put_rest(f, s);
	} else {
		wrong = change(s, verb, name != NULL ? name : "", value != NULL ? value : "",
			       &event);
		fprintf(f, wrong == NULL ? "\"ok\":true" : "\"error\":\"%s\"", wrong);
	}
	fputs("}", f);
	pthread_mutex_unlock(&s->lock);
	if (strcmp(verb, "link") == 0 || strcmp(verb, "remove") == 0)
		s->ops.link_update(s->dev, 0);
	/* Without the lock: who listens may call the driver. */
	if (event >= 0)
		rte_eth_dev_callback_process(s->dev, (enum rte_eth_event_type)event, NULL);
}

/* false: the client is gone. */
static bool
serve_client(struct simnic *s, int fd)
{
	char command[256], *answer = NULL;
	ssize_t n = recv(fd, command, sizeof(command) - 1, MSG_DONTWAIT);
	size_t len = 0;
	FILE *f;

	if (n < 0)
		return errno == EAGAIN;
	if (n == 0)
		return false;
	command[n] = '\0';
	f = open_memstream(&answer, &len);
	if (f == NULL)
		return false;
	serve(s, command, f);
	fclose(f);
	n = send(fd, answer, len, MSG_NOSIGNAL);
	free(answer);
	return n == (ssize_t)len;
}

static void *
ctl_loop(void *opaque)
{
	struct simnic *s = opaque;
	struct pollfd fds[2 + CLIENTS] = {{.fd = s->ctl_wake[0], .events = POLLIN},
					  {.fd = s->ctl, .events = POLLIN}};
	nfds_t n = 2;

	while (poll(fds, n, -1) >= 0 || errno == EINTR) {
		if (fds[0].revents != 0)
			break;
		for (nfds_t i = n; i-- > 2;) {
			if (fds[i].revents == 0 || serve_client(s, fds[i].fd))
				continue;
			close(fds[i].fd);
			fds[i] = fds[--n];
		}
		if (fds[1].revents != 0 && n < RTE_DIM(fds)) {
			int fd = accept4(s->ctl, NULL, NULL, SOCK_CLOEXEC);

			if (fd >= 0)
				fds[n++] = (struct pollfd){.fd = fd, .events = POLLIN};
		}
	}
	while (n > 2)
		close(fds[--n].fd);
	return NULL;
}

int
simnic_bind(const char *path, int type)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	rte_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
	unlink(path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

int
simnic_ctl_open(struct simnic *s)
{
	int err;

	if (s->args.ctl[0] == '\0')
		return 0;
	s->ctl = simnic_bind(s->args.ctl, SOCK_SEQPACKET);
	if (s->ctl < 0)
		return s->ctl;
	if (listen(s->ctl, CLIENTS) != 0 || pipe2(s->ctl_wake, O_CLOEXEC) != 0)
		return -errno;
	err = rte_ctrl_thread_create(&s->ctl_thread, "simnic", NULL, ctl_loop, s);
	s->ctl_runs = err == 0;
	return err;
}

void
simnic_ctl_close(struct simnic *s)
{
	if (s->ctl_runs && write(s->ctl_wake[1], "", 1) == 1)
		pthread_join(s->ctl_thread, NULL);
	s->ctl_runs = false;
	for (int i = 0; i < 2; i++)
		if (s->ctl_wake[i] >= 0)
			close(s->ctl_wake[i]);
	if (s->ctl >= 0) {
		close(s->ctl);
		unlink(s->args.ctl);
	}
}
