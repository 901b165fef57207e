/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 */
#pragma once

/*
 * The one list of drop reasons (name as in `drops {reason: n}`, explanation), and the one list of
 * forwarding rules (explanation as `macvctl trace` prints it). Names are interface: never reuse
 * one.
 */

#define DROP_REASONS(X)                                                                         \
	X(NO_PORT, "no_port", "nobody here owns or accepts the destination")                    \
	X(ISOLATED, "isolated", "a private port takes part: local ports never meet it")         \
	X(OWN_REFLECTION, "own_reflection", "the outside switch returned the port's own frame") \
	X(MAC_CONTROL, "mac_control", "MAC control (pause) frames never cross the switch")      \
	X(RUNT, "runt", "shorter than an Ethernet header")                                      \
	X(TOO_BIG, "too_big", "longer than the uplink's MTU allows")                            \
	X(RING_FULL, "ring_full", "the guest gave no room in its receive ring")                 \
	X(TX_FULL, "tx_full", "the device took no more frames")                                 \
	X(NO_CARRIER, "no_carrier", "the uplink's link is down")                                \
	X(FLOOD_LIMIT, "flood_limit", "beyond its source's flood_share while unicast waits")    \
	X(BAD_OFFLOAD, "bad_offload",                                                           \
	  "the guest asked for an offload that its frame does not fit")                         \
	X(NO_BUFFER, "no_buffer", "no packet buffers to cut a large frame")

enum drop_reason {
#define X(id, name, text) DROP_##id,
	DROP_REASONS(X)
#undef X
		DROP_REASON_COUNT
};

#define FORWARD_RULES(X)                                                                           \
	X(MAC_CONTROL, "MAC control frames are dropped everywhere")                                \
	X(WIRE_ONLY, "a vepa, private or passthru port sends to the wire only")                    \
	X(BRIDGE_LOCAL, "bridge to bridge: switched locally")                                      \
	X(BRIDGE_WIRE, "a bridge port's unicast to anything but a bridge port goes to the wire")   \
	X(BRIDGE_FLOOD, "a bridge port's multicast goes to the bridge ports that accept it, and "  \
			"to the wire")                                                             \
	X(TO_SELF, "a frame to the sender's own address goes to the wire")                         \
	X(TO_UPLINK, "a guest's frame to the uplink's own address goes to the wire")               \
	X(HAIRPIN, "hairpin: a vepa port's frame is handled as if the wire had reflected it")      \
	X(PASSTHRU, "passthru: everything from the wire goes to the one port")                     \
	X(OWNER, "from the wire to the port that owns the destination")                            \
	X(OWN_QUEUE, "the NIC put it into the queue of the port that owns the destination")        \
	X(UPLINK_MAC, "the uplink's own address has no host port")                                 \
	X(PROMISC, "nobody owns the destination: promiscuous ports get it")                        \
	X(NOBODY, "nobody owns the destination")                                                   \
	X(REFLECTED_OWNER, "reflected: to the port that owns the destination")                     \
	X(REFLECTED_SELF, "reflected: no port receives a frame that it sent")                      \
	X(REFLECTED_PRIVATE, "reflected: private is private")                                      \
	X(REFLECTED_NOBODY, "reflected: nobody owns the destination")                              \
	X(OWN_SOURCE, "own_source deliver: the port gets its own reflected frame")                 \
	X(FLOOD, "multicast from the wire goes to every port that accepts it")                     \
	X(REFLECTED_VEPA_FLOOD, "reflected from a vepa port: to other vepa and bridge ports")      \
	X(REFLECTED_BRIDGE_FLOOD, "reflected from a bridge port: to vepa ports, bridge ports had " \
				  "it on the way out")

enum forward_rule {
#define X(id, text) RULE_##id,
	FORWARD_RULES(X)
#undef X
		FORWARD_RULE_COUNT
};

/* "no_port" and the like; reason < DROP_REASON_COUNT. */
const char *drop_reason_name(enum drop_reason reason);
const char *drop_reason_text(enum drop_reason reason);
const char *forward_rule_text(enum forward_rule rule);
