/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
/*
 * The harness' commands, one object a line (tests/bench/generator.py):
 *   {"command": "open", "port": NAME, "path": SOCKET | "fd": N, "ring": 1024, "idle": false}
 *   {"command": "run", "seconds": S, "warmup": S, "receivers": [NAME...], "senders":
 *      [{"port": NAME, "src": MAC, "dst": [MAC...], "sizes": [BYTES...], "rate": FRAMES/S or 0}]}
 *      the latency of senders with a rate is measured
 *   {"command": "distance", "cpu": N}
 * A command that cannot be done is answered by {"error": why}.
 */
#include <errno.h>
#include <netinet/ether.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/pktgen/pktgen.h"

static json_t *
refuse(const char *what, const char *culprit)
{
	return json_pack("{s:o}", "error", json_sprintf("%s: %s", culprit, what));
}

static struct port *
find_port(struct pktgen *g, const char *name)
{
	for (unsigned int i = 0; i < g->n_ports; i++)
		if (strcmp(g->ports[i].name, name) == 0)
			return &g->ports[i];
	return NULL;
}

static int
open_guest(struct pktgen *g, struct port *p, const char *path, int ring_size)
{
	int memory_fd;
	int rc = memory_make(g, p, (uint16_t)ring_size, &memory_fd);

	if (rc != 0)
		return rc;
	rc = vhost_attach(p, path, memory_fd);
	close(memory_fd); /* the switch and the mapping have it */
	return rc;
}

static json_t *
command_open(struct pktgen *g, json_t *args)
{
	struct port *p = &g->ports[g->n_ports];
	const char *name, *path = NULL;
	int fd = -1, ring_size = 1024, idle = 0, rc = 0;
	json_error_t error;

	if (json_unpack_ex(args, &error, 0, "{s:s s?s s?i s?i s?b}", "port", &name, "path", &path,
			   "fd", &fd, "ring", &ring_size, "idle", &idle) != 0)
		return refuse(error.text, "open");
	if (g->n_ports == MAX_PORTS)
		return refuse("there are as many ports as pktgen can have", name);
	if (strlen(name) >= sizeof(p->name) || find_port(g, name) != NULL)
		return refuse("not a new name of at most 31 characters", name);
	if (ring_size < 64 || ring_size > 32768 || (ring_size & (ring_size - 1)) != 0)
		return refuse("ring is a power of two from 64 to 32768", name);
	if ((path == NULL) == (fd < 0))
		return refuse("needs a path or an fd", name);
	*p = (struct port){.fd = fd, .tap = fd >= 0, .idle = idle};
	memcpy(p->name, name, strlen(name) + 1);
	if (p->tap) {
		p->slots = calloc(MAX_SIZES + 1, SLOT_SIZE);
		rc = p->slots == NULL ? -ENOMEM : 0;
	} else {
		rc = open_guest(g, p, path, ring_size);
	}
	if (rc != 0)
		return refuse(strerror(-rc), name);
	g->n_ports++;
	return json_pack("{s:b}", "hugepages", g->hugepages);
}

/* The sender's destinations, to be freed. 0 or -EINVAL. */
static int
parse_addresses(struct sender *s, json_t *list)
{
	size_t n = json_array_size(list);

	s->dst = calloc(n > 0 ? n : 1, sizeof(*s->dst));
	if (s->dst == NULL || n == 0)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (text == NULL || ether_aton_r(text, &s->dst[i]) == NULL)
			return -EINVAL;
	}
	s->n_dst = (uint32_t)n;
	return 0;
}

static int
parse_sizes(struct sender *s, json_t *list)
{
	s->n_sizes = (uint16_t)json_array_size(list);
	if (s->n_sizes == 0 || s->n_sizes > MAX_SIZES)
		return -EINVAL;
	for (uint16_t i = 0; i < s->n_sizes; i++) {
		json_int_t size = json_integer_value(json_array_get(list, i));

		if (size < (json_int_t)MIN_FRAME || size > MAX_FRAME)
			return -EINVAL;
		s->sizes[i] = (uint16_t)size;
	}
	return 0;
}

/* NULL, or the refusal. */
static json_t *
parse_sender(struct pktgen *g, struct run *r, json_t *args)
{
	struct sender *s = &r->senders[r->n_senders];
	const char *name, *src;
	json_t *dst, *sizes;
	json_error_t error;
	double rate = 0;

	if (r->n_senders == MAX_SENDERS)
		return refuse("too many", "senders");
	if (json_unpack_ex(args, &error, 0, "{s:s s:s s:o s:o s?F}", "port", &name, "src", &src,
			   "dst", &dst, "sizes", &sizes, "rate", &rate) != 0)
		return refuse(error.text, "senders");
	s->id = (uint16_t)r->n_senders++;
	s->port = find_port(g, name);
	if (s->port == NULL || s->port->idle)
		return refuse("no such port, or an idle one", name);
	if (ether_aton_r(src, &s->src) == NULL || parse_addresses(s, dst) != 0)
		return refuse("src is an address, dst a list of them", name);
	if (parse_sizes(s, sizes) != 0)
		return refuse("sizes: 1 to 16 of 64 to 2048 bytes", name);
	if (rate < 0)
		return refuse("rate is 0 or above", name);
	s->per_tick = rate / g->hz;
	r->paced |= rate > 0;
	return NULL;
}

static json_t *
parse_run(struct pktgen *g, struct run *r, json_t *args)
{
	json_t *senders = NULL, *receivers = NULL, *item, *refusal;
	json_error_t error;
	size_t i;

	if (json_unpack_ex(args, &error, 0, "{s:F s?F s?o s?o}", "seconds", &r->seconds, "warmup",
			   &r->warmup, "senders", &senders, "receivers", &receivers) != 0)
		return refuse(error.text, "run");
	if (!(r->seconds > 0) || r->seconds > 3600 || r->warmup < 0 || r->warmup > 3600)
		return refuse("seconds and warmup are at most 3600", "run");
	json_array_foreach (receivers, i, item) {
		const char *name = json_string_value(item);
		struct port *p = name != NULL ? find_port(g, name) : NULL;

		if (p == NULL || p->idle || r->n_receivers == MAX_PORTS)
			return refuse("no such port, or an idle one", name != NULL ? name : "?");
		r->receivers[r->n_receivers++] = p;
	}
	json_array_foreach (senders, i, item) {
		refusal = parse_sender(g, r, item);
		if (refusal != NULL)
			return refusal;
	}
	return NULL;
}

static json_t *
command_run(struct pktgen *g, json_t *args)
{
	struct run *r = calloc(1, sizeof(*r));
	json_t *answer;

	if (r == NULL)
		return refuse(strerror(ENOMEM), "run");
	answer = parse_run(g, r, args);
	if (answer == NULL)
		answer = run_execute(g, r);
	for (unsigned int i = 0; i < r->n_senders; i++)
		free(r->senders[i].dst);
	free(r);
	return answer;
}

static json_t *
command_distance(struct pktgen *g, json_t *args)
{
	json_error_t error;
	double ns;
	int cpu, rc;

	if (json_unpack_ex(args, &error, 0, "{s:i}", "cpu", &cpu) != 0)
		return refuse(error.text, "distance");
	rc = cpu < 0 || cpu >= CPU_SETSIZE ? -EINVAL : distance_measure(g, cpu, &ns);
	return rc == 0 ? json_pack("{s:f}", "ns", ns) : refuse(strerror(-rc), "distance");
}

json_t *
command_execute(struct pktgen *g, const char *line)
{
	json_error_t error;
	json_t *args = json_loads(line, 0, &error);
	const char *command = json_string_value(json_object_get(args, "command"));
	json_t *answer;

	if (args == NULL)
		answer = refuse(error.text, "a command");
	else if (command != NULL && strcmp(command, "open") == 0)
		answer = command_open(g, args);
	else if (command != NULL && strcmp(command, "run") == 0)
		answer = command_run(g, args);
	else if (command != NULL && strcmp(command, "distance") == 0)
		answer = command_distance(g, args);
	else
		answer = refuse("the commands are open, run and distance", command ? command : "?");
	json_decref(args);
	return answer;
}
