/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * By which descriptors a device can wake a sleeping worker. Called by nic_start.c on the control
 * thread whenever a device starts. DPDK has an interface for that, which few drivers for kernel
 * interfaces serve; of net_af_packet we find the sockets that it reads from ourselves.
 */
#include "control/nic_wake.h"

#include <dirent.h>
#include <linux/if_packet.h>
#include <rte_log.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Asking a driver that has no events is no error of ours to be logged. */
static int
ask_driver(const struct nic *nic, uint16_t queue)
{
	int ethdev_log = rte_log_register("lib.ethdev"); /* as it is registered already */
	int ethdev_level = rte_log_get_level((uint32_t)ethdev_log);
	int eal_level = rte_log_get_level(RTE_LOGTYPE_EAL);
	int fd;

	rte_log_set_level((uint32_t)ethdev_log, RTE_LOG_CRIT);
	rte_log_set_level(RTE_LOGTYPE_EAL, RTE_LOG_CRIT);
	fd = rte_eth_dev_rx_intr_ctl_q_get_fd(nic->ethdev, queue);
	rte_log_set_level((uint32_t)ethdev_log, (uint32_t)ethdev_level);
	rte_log_set_level(RTE_LOGTYPE_EAL, (uint32_t)eal_level);
	return fd > 0 ? fd : -1; /* 0: an entry that the driver never filled */
}

/* Is it a packet socket on the device's interface? No two devices here have the same one. */
static bool
is_packet_socket(const struct nic *nic, int fd)
{
	struct sockaddr_ll address = {0};
	socklen_t size = sizeof(address);

	return getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
	       address.sll_family == AF_PACKET && address.sll_ifindex == (int)nic->if_index;
}

static int
by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* The driver opens one socket a queue, in their order, so their numbers ascend. */
static bool
find_packet_sockets(struct nic *nic)
{
	int fds[MAX_NIC_QUEUES];
	uint16_t n = 0;
	DIR *dir = opendir("/proc/self/fd");

	for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
		int fd = (int)strtol(entry->d_name, NULL, 10);

		if (entry->d_name[0] != '.' && is_packet_socket(nic, fd) && n < MAX_NIC_QUEUES)
			fds[n++] = fd;
	}
	if (dir != NULL)
		closedir(dir);
	if (n != nic->rx_queues)
		return false;
	qsort(fds, n, sizeof(fds[0]), by_number);
	memcpy(nic->wake_fds, fds, n * sizeof(fds[0]));
	return true;
}

void
nic_wake_find(struct nic *nic)
{
	bool all = true;

	for (uint16_t q = 0; q < MAX_NIC_QUEUES; q++)
		nic->wake_fds[q] = -1;
	for (uint16_t q = 0; nic->rx_events && q < nic->rx_queues; q++) {
		nic->wake_fds[q] = ask_driver(nic, q);
		all &= nic->wake_fds[q] >= 0;
	}
	if (all && nic->rx_events)
		return;
	if (strcmp(nic->driver, "net_af_packet") == 0 && nic->if_index != 0 &&
	    find_packet_sockets(nic))
		return;
	if (nic->may_sleep)
		nic_note(nic, "the driver does not wake a sleeping worker: the device is looked at "
			      "every idle_step microseconds");
}
