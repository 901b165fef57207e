/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * What the user asked for, as plain data: one struct for each kind of section of the configuration
 * file, which is also what `macvctl OBJECT add|set` builds from its words. Nothing here knows of
 * DPDK, JSON or the running state. A struct settings owns its two arrays (settings_free).
 */

#define MAX_UPLINKS 16
#define MAX_PORTS 256
#define MAX_WORKERS 32
#define MAX_QUEUE_PAIRS 16
#define MAX_UPLINK_QUEUES 64   /* receive queues that all ports share */
#define MAX_PORT_NIC_QUEUES 32 /* receive queues that an uplink has for single ports, at most */
#define MAX_NIC_QUEUES (MAX_UPLINK_QUEUES + MAX_PORT_NIC_QUEUES)
#define MAX_STATIC_ADDRESSES 64 /* `maddr` entries of one port */
#define NAME_SIZE                                                                      \
	32 /* object names: 1 to 31 of [A-Za-z0-9._-], starting with a letter or digit \
	    */
#define SOCKET_PATH_SIZE 108 /* sun_path, with its NUL */
#define TEXT_SIZE 1280 /* devargs, EAL arguments, file paths; the text of a full `maddr` too */
#define MIN_MTU 68     /* RFC 791; as in the kernel's ETH_MIN_MTU */
#define MAX_MTU 9600

struct mac_addr {
	uint8_t b[6];
};

/* Values are bits, so that a set of modes is a mask (as in the kernel's MACVLAN_MODE_*). */
enum port_mode {
	MODE_PRIVATE = 1,
	MODE_VEPA = 2,
	MODE_BRIDGE = 4,
	MODE_PASSTHRU = 8,
};

enum socket_role { ROLE_SERVER, ROLE_CLIENT };
enum trust { TRUST_OFF, TRUST_MULTICAST, TRUST_ON };
enum own_source { OWN_SOURCE_DROP, OWN_SOURCE_DELIVER };
enum demux { DEMUX_AUTO, DEMUX_FLOW, DEMUX_FILTER, DEMUX_PROMISC };
enum idle_policy { IDLE_SLEEP, IDLE_POLL };

struct daemon_settings {
	char control[SOCKET_PATH_SIZE];
	char control_group[NAME_SIZE]; /* "": leave the group alone */
	uint32_t workers; /* 1 to MAX_WORKERS; the number of worker_cpus where those are given */
	char worker_cpus[TEXT_SIZE]; /* "": the daemon chooses; else a CPU list such as 2-5,7 */
	char eal[TEXT_SIZE];         /* "": chosen by what the machine has */
	enum idle_policy idle;       /* what a worker without frames does */
	uint32_t idle_after;         /* so long without frames, in microseconds */
	uint32_t idle_step; /* microseconds between looks at a device that cannot wake a worker */
	bool rebalance;     /* queues move to other workers by measured load */
};

struct uplink_settings {
	char name[NAME_SIZE];
	char device[TEXT_SIZE]; /* PCI address or vdev, with its devargs */
	uint32_t mtu;           /* bytes of payload; 0: leave the device's */
	bool hairpin;
	uint32_t queues;      /* receive queues; 0: auto */
	enum demux demux;     /* how addresses may reach their ports */
	uint32_t flood_share; /* percent of a worker's time, 1 to 100, for each source of floods */
	bool offloads;        /* the NIC's, for checksums and segmentation, are used */
	uint8_t queue_workers[MAX_NIC_QUEUES]; /* by queue: its worker + 1; 0: the daemon chooses */
};

struct port_settings {
	char name[NAME_SIZE];
	char uplink[NAME_SIZE];
	enum port_mode mode;
	struct mac_addr mac;           /* all zero: to be generated (passthru: the uplink's own) */
	char socket[SOCKET_PATH_SIZE]; /* exactly one of socket and device is set */
	char device[TEXT_SIZE];
	enum socket_role socket_role;
	char socket_owner[2 * NAME_SIZE]; /* "": leave; else user, user:group or :group */
	uint32_t queues;                  /* pairs, 1 to MAX_QUEUE_PAIRS */
	bool offloads;                    /* for checksums and segmentation are offered */
	enum trust trust_guest_rx_filters;
	enum own_source own_source;
	char qmp[SOCKET_PATH_SIZE]; /* "": none */
	char qmp_device[2 * NAME_SIZE];
	bool allmulticast;
	bool promisc;
	bool nopromisc;              /* passthru only */
	bool link_follow;            /* the guest's link is the uplink's, through qmp */
	uint32_t max_addresses;      /* that the guest may bring, unicast and multicast */
	uint32_t max_filter_changes; /* of the guest's, applied in a second */
	struct mac_addr maddr[MAX_STATIC_ADDRESSES];
	uint32_t n_maddr;
	uint8_t queue_workers[MAX_QUEUE_PAIRS]; /* by queue: its worker + 1; 0: the daemon chooses
						 */
};

struct settings {
	struct daemon_settings daemon;
	struct uplink_settings *uplinks;
	uint32_t n_uplinks;
	struct port_settings *ports;
	uint32_t n_ports;
};

static inline bool
mac_is_multicast(const struct mac_addr *m)
{
	return m->b[0] & 1;
}

static inline bool
mac_is_zero(const struct mac_addr *m)
{
	return (m->b[0] | m->b[1] | m->b[2] | m->b[3] | m->b[4] | m->b[5]) == 0;
}

/* A frame's addresses as numbers: the first byte on the wire is the highest of 48 bits. */
static inline uint64_t
mac_to_u64(const struct mac_addr *m)
{
	return (uint64_t)m->b[0] << 40 | (uint64_t)m->b[1] << 32 | (uint64_t)m->b[2] << 24 |
	       (uint64_t)m->b[3] << 16 | (uint64_t)m->b[4] << 8 | m->b[5];
}

/* The six bytes of a number made by mac_to_u64. */
static inline void
mac_bytes_from_u64(uint64_t number, uint8_t bytes[6])
{
	for (int i = 0; i < 6; i++)
		bytes[i] = (uint8_t)(number >> (8 * (5 - i)));
}
