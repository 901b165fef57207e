/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

#include "config/settings.h"

/*
 * What holds where the user says nothing. config/macvswitch.conf shows the same values to people;
 * a unit test holds the two against each other.
 */

#define DEFAULT_CONFIG_FILE "/etc/macvswitch/macvswitch.conf"

/* [daemon] */
#define DEFAULT_CONTROL "/run/macvswitch/control.sock"
#define DEFAULT_WORKERS 1
#define DEFAULT_IDLE IDLE_SLEEP
#define DEFAULT_IDLE_AFTER 1000 /* us: at 10,000 frames a second a gap this long is rare */
#define DEFAULT_IDLE_STEP 40    /* us */

/* [uplink NAME] */
#define DEFAULT_UPLINK_MTU 0    /* the device's own */
#define DEFAULT_UPLINK_QUEUES 0 /* auto */
#define DEFAULT_DEMUX DEMUX_AUTO
#define DEFAULT_FLOOD_SHARE 10 /* percent */
#define DEFAULT_UPLINK_OFFLOADS true

/* [port NAME] */
#define DEFAULT_MODE MODE_VEPA /* as in `ip link add ... type macvtap` */
#define DEFAULT_SOCKET_ROLE ROLE_SERVER
#define DEFAULT_PORT_QUEUES 1
#define DEFAULT_PORT_OFFLOADS true
#define DEFAULT_TRUST TRUST_OFF /* as in libvirt */
#define DEFAULT_OWN_SOURCE OWN_SOURCE_DROP
#define DEFAULT_LINK_FOLLOW true
#define DEFAULT_MAX_ADDRESSES 64
#define MAX_GUEST_ADDRESSES 64 /* QEMU's MAC_TABLE_ENTRIES: no guest has more */
#define DEFAULT_MAX_FILTER_CHANGES 10

/* The EAL's memory where the user chooses none. */
#define MIN_FREE_HUGEPAGE_BYTES (256ULL << 20) /* fewer: do without hugepages */
#define NO_HUGE_MEMORY_MB "512"
#define EAL_FILE_PREFIX "macvswitch"
