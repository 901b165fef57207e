/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * The rest of the forwarding truth table: promisc and allmulticast, ports that are down, the host
 * port, own_source, hairpin, segments; and laws that hold for any topology (random, seed printed).
 */
#include <time.h>

#include "tests/unit/forward_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
filters(void **state)
{
	static const struct topo_port ports[] = {
		{"v0", MODE_VEPA, 0x020000000001, .groups = {GROUP_JOINED, LLDP}},
		{"v1", MODE_VEPA, 0x020000000002, .promisc = true},
		{"b0", MODE_BRIDGE, 0x020000000003, .allmulticast = true},
		{"b1", MODE_BRIDGE, 0x020000000004, .promisc = true},
		{"b2", MODE_BRIDGE, 0x020000000007, .groups = {LLDP}},
		{"p0", MODE_PRIVATE, 0x020000000005},
		{"p1", MODE_PRIVATE, 0x020000000006, .promisc = true},
	};
	static const char promisc[] =
		"no R (external) | nobody owns D: promisc ports, else drop no_port";
	static const char reflected[] = "R is vepa or bridge | nobody owns D: drop no_port";
	static const char accepts[] = "every port that accepts D; receive filter: its multicast "
				      "addresses and the flags promisc, allmulticast";
	static const char link_local[] = "Other link-local multicast (LLDP, LACP, ...) is ordinary "
					 "multicast: who accepts it gets it.";
	static const struct row rows[] = {
		ROW("wire", "ext", "unknown zero ext", "v1 b1 p1", promisc),
		ROW("wire", "groupsrc", "unknown", "v1 b1 p1", promisc),
		ROW("wire", "ext", "uplink", "drop no_port",
		    "Frames for the uplink's own MAC go to the host port if there is one, else "
		    "they are dropped as no_port."),
		ROW("wire", "ext", "v0", "v0", "no R | port Q owns D: Q"),
		ROW("wire", "ext", "p0", "p0", "no R | port Q owns D: Q"),
		ROW("wire", "v0", "unknown zero uplink", "drop no_port", reflected),
		ROW("wire", "b0", "unknown zero uplink", "drop no_port", reflected),
		ROW("wire", "p0", "unknown", "drop isolated", "R is private | drop isolated"),
		ROW("b0", "", "unknown zero", "wire", "bridge | any other unicast: wire only"),
		ROW("wire", "ext", "GU stp pause solicited", "v1 b0 b1 p1", accepts),
		ROW("wire", "ext", "GJ", "v0 v1 b0 b1 p1", accepts),
		ROW("wire", "v0", "GU", "v1 b0 b1", accepts),
		ROW("wire", "b2", "GU", "v1", accepts),
		ROW("b2", "", "GU", "b0 b1 wire", accepts),
		ROW("b0", "", "GJ", "b1 wire", accepts),
		ROW("wire", "ext", "lldp", "v0 v1 b0 b1 b2 p1", link_local),
		ROW("b0", "", "lldp", "b1 b2 wire", link_local),
		ROW("wire", "v1", "lldp", "v0 b0 b1 b2", link_local),
		ROW("v0", "", "lldp", "wire", link_local),
	};

	(void)state;
	CHECK(&((struct topology){ports, COUNT(ports), {false}}), rows);
}

static void
ports_that_are_down(void **state)
{
	static const struct topo_port ports[] = {
		{"v0", MODE_VEPA, 0x020000000001, .groups = {GROUP_JOINED}, .down = true},
		{"v1", MODE_VEPA, 0x020000000002},
		{"b0", MODE_BRIDGE, 0x020000000003},
		{"b1", MODE_BRIDGE, 0x020000000004, .down = true, .promisc = true},
		{"p0", MODE_PRIVATE, 0x020000000005, .down = true},
		{"p1", MODE_PRIVATE, 0x020000000006},
	};
	static const char nothing[] =
		"A port without a running guest owns nothing: frames for its address go where an "
		"unknown address goes (the guest may already run on another host).";
	static const struct row rows[] = {
		ROW("wire", "ext", "v0 b1 p0 unknown", "drop no_port", nothing),
		ROW("wire", "ext", "bcast hosts4", "v1 b0 p1", nothing),
		ROW("wire", "ext", "GJ GU", "drop no_port", nothing),
		ROW("b0", "", "b1 v0 p0", "wire", nothing),
		ROW("b0", "", "bcast", "wire", nothing),
		/* its source address is a stranger's: the guest speaks from another host */
		ROW("wire", "v0", "bcast", "v1 b0 p1", nothing),
		ROW("wire", "b1", "b0", "b0", nothing),
		ROW("wire", "p0", "p1", "p1", nothing),
		ROW("wire", "p0", "bcast", "v1 b0 p1", nothing),
		ROW("wire", "b0", "b1", "drop no_port", nothing),
	};
	/* and with a promiscuous port an unknown address goes there */
	static const struct topo_port with_promisc[] = {
		{"v0", MODE_VEPA, 0x020000000001, .down = true},
		{"v1", MODE_VEPA, 0x020000000002, .promisc = true},
	};
	static const struct row promisc_rows[] = {
		ROW("wire", "ext", "v0 unknown", "v1", nothing),
		ROW("wire", "v0", "v0", "v1", nothing),
	};

	(void)state;
	CHECK(&((struct topology){ports, COUNT(ports), {true}}), rows);
	CHECK(&((struct topology){with_promisc, COUNT(with_promisc), {false}}), promisc_rows);
}

static void
host_port(void **state)
{
	static const char host[] =
		"Frames for the uplink's own MAC go to the host port if there is one";
	static const char to_wire[] =
		"A guest's frame to its own address, or to the uplink's, goes to the wire.";
	static const char flood[] = "broadcast / multicast: every port that accepts D and ...";
	static const struct row rows[] = {
		ROW("wire", "ext", "uplink", "h0", host),
		ROW("wire", "v0", "uplink", "h0", host),
		ROW("wire", "b0", "uplink", "h0", host),
		ROW("wire", "p0", "uplink", "drop isolated", "R is private | drop isolated"),
		ROW("wire", "ext", "unknown", "v1", "nobody owns D: promisc ports"),
		ROW("v0", "", "uplink", "wire", to_wire),
		ROW("b0", "", "uplink", "wire", to_wire),
		ROW("p0", "", "uplink", "wire", to_wire),
		ROW("h0", "", "uplink", "wire", to_wire),
		ROW("wire", "ext", "bcast", "v0 v1 b0 p0 h0", flood),
		ROW("wire", "v0", "bcast", "v1 b0 h0", flood),
		ROW("wire", "uplink", "uplink", "drop own_reflection",
		    "No port receives a frame that it sent, in any mode."),
	};
	static const struct row of_vepa[] = {
		ROW("b0", "", "bcast", "wire", flood),
		ROW("h0", "", "b0 v0 bcast", "wire", "vepa | wire only"),
		ROW("wire", "uplink", "bcast", "v0 v1 b0", flood),
	};
	static const struct row of_bridge[] = {
		ROW("b0", "", "bcast", "h0 wire", flood),
		ROW("h0", "", "b0", "b0", "bridge | that port only"),
		ROW("h0", "", "bcast", "b0 wire", flood),
		ROW("wire", "uplink", "bcast", "v0 v1", flood),
	};
	static const struct row in_passing[] = {
		ROW("wire", "ext", "uplink", "drop no_port", "else they are dropped as no_port"),
	};
	struct topo_port ports[] = {
		{"v0", MODE_VEPA, 0x020000000001},
		{"v1", MODE_VEPA, 0x020000000002, .promisc = true},
		{"b0", MODE_BRIDGE, 0x020000000003},
		{"p0", MODE_PRIVATE, 0x020000000005},
		{"h0", MODE_VEPA, UPLINK_MAC, .ethdev = true},
	};
	const struct topology t = {ports, COUNT(ports), {false}};

	(void)state;
	CHECK(&t, rows);
	CHECK(&t, of_vepa);
	ports[4].mode = MODE_BRIDGE;
	CHECK(&t, rows);
	CHECK(&t, of_bridge);
	ports[4].down = true;
	CHECK(&t, in_passing);
}

static void
own_source(void **state)
{
	static const struct topo_port ports[] = {
		{"v0",
		 MODE_VEPA,
		 0x020000000001,
		 0x00005e000101,
		 {0x01005e000012},
		 .deliver = true},
		{"v1", MODE_VEPA, 0x020000000002, 0, {0x01005e000012}},
		{"b0", MODE_BRIDGE, 0x020000000003, .deliver = true},
		{"b1", MODE_BRIDGE, 0x020000000004},
		{"p0", MODE_PRIVATE, 0x020000000005, 0, {0x01005e000012}, .deliver = true},
		{"p1", MODE_PRIVATE, 0x020000000006},
	};
	static const char deliver[] =
		"VRRP daemons that use one virtual MAC on several hosts need the opposite: "
		"own_source = deliver on that port";
	static const char dropped[] = "drop is the default";
	static const char isolated[] = "R is private | drop isolated";
	static const struct row rows[] = {
		ROW("wire", "v0", "bcast", "v0 v1 b0 b1", deliver),
		ROW("wire", "v0+", "01005e000012", "v0 v1", deliver),
		ROW("wire", "v0+", "v0 v0+", "v0", deliver),
		ROW("wire", "v0", "b1", "b1", deliver),
		ROW("wire", "v0", "GU", "drop no_port", "multicast only by its filter"),
		ROW("wire", "v0", "p1", "drop isolated", "Private is private for unicast too"),
		ROW("wire", "b0", "bcast", "v0 v1 b0", deliver),
		ROW("wire", "b0", "b0", "b0", deliver),
		ROW("wire", "b0", "01005e000012", "v0 v1", "multicast only by its filter"),
		ROW("wire", "p0", "bcast 01005e000012 hosts6 p0", "p0", deliver),
		ROW("wire", "p0", "GU v0 p1 unknown", "drop isolated", isolated),
		ROW("wire", "v1", "v1", "drop own_reflection", dropped),
		ROW("wire", "v1", "bcast", "v0 b0 b1", dropped),
		ROW("wire", "b1", "bcast", "v0 v1", dropped),
		ROW("wire", "p1", "bcast p1", "drop isolated", dropped),
		/* it is about what comes from the wire, not about what the guest sends to itself */
		ROW("v0", "", "v0 v0+ bcast", "wire", "A guest's frame to its own address ..."),
		ROW("b0", "", "b0", "wire", "A guest's frame to its own address ..."),
		ROW("b0", "", "bcast", "b1 wire", "the other bridge ports that accept D"),
	};

	(void)state;
	CHECK(&((struct topology){ports, COUNT(ports), {false}}), rows);
}

/*
 * The literal reading: only a vepa port's frames are reflected locally. One question is left out:
 * a vepa port's frame for the uplink's address with a host port that owns it ("to the uplink's,
 * goes to the wire" against "for a local address ... as if the wire had reflected it").
 */
static void
hairpin(void **state)
{
	static const struct topo_port ports[] = {
		{"v0", MODE_VEPA, 0x020000000001, 0x020000000011, {GROUP_JOINED}},
		{"v1", MODE_VEPA, 0x020000000002, .promisc = true},
		{"b0", MODE_BRIDGE, 0x020000000003, 0, {GROUP_JOINED}},
		{"b1", MODE_BRIDGE, 0x020000000004, 0x020000000014},
		{"p0", MODE_PRIVATE, 0x020000000005, 0, {GROUP_JOINED}},
		{"d0", MODE_VEPA, 0x020000000008, .down = true},
	};
	static const char local[] =
		"hairpin: a vepa port's frame for a local address of its segment is handled as if "
		"the wire had reflected it at once";
	static const char both[] = "hairpin: (and broadcast is both sent and reflected)";
	static const char own[] =
		"A guest's frame to its own address, or to the uplink's, goes to the wire.";
	static const char only_vepa[] = "hairpin: a vepa port's frame ... (nobody else's)";
	static const struct row rows[] = {
		ROW("v0", "", "v1", "v1", local),
		ROW("v0", "", "b0", "b0", local),
		ROW("v0", "", "b1 b1+", "b1", local),
		ROW("v1", "", "v0 v0+", "v0", local),
		ROW("v0", "", "p0", "drop isolated", "Private stays private."),
		ROW("v0", "", "v0 v0+ uplink", "wire", own),
		ROW("v0", "", "unknown zero", "wire", "D any other unicast | wire only"),
		ROW("v0", "", "d0", "wire", "A port without a running guest owns nothing"),
		ROW("v0", "", "bcast hosts4 hosts6", "v1 b0 b1 wire", both),
		ROW("v0", "", "GJ", "v1 b0 wire", both),
		ROW("v1", "", "GJ", "v0 b0 wire", both),
		ROW("v1", "", "GU lldp", "wire", both),
		ROW("b0", "", "v0 v1 p0", "wire", only_vepa),
		ROW("b0", "", "b1", "b1", only_vepa),
		ROW("b0", "", "bcast", "b1 wire", only_vepa),
		ROW("p0", "", "v0 b0 bcast GJ p0", "wire", only_vepa),
		ROW_TYPE(TYPE_MAC_CONTROL, "v0", "v0", "v1 bcast pause", "drop mac_control",
			 "MAC control frames are dropped everywhere"),
		/* what the outside switch reflects is as without hairpin */
		ROW("wire", "v0", "v1", "v1", "R is vepa | Q"),
		ROW("wire", "v0", "bcast", "v1 b0 b1", "R is vepa | is vepa or bridge, not R"),
		ROW("wire", "ext", "unknown", "v1", "no R | nobody owns D: promisc ports"),
	};
	static const struct row off[] = {
		ROW("v0", "", "v1 b0 b1 p0 bcast GJ", "wire", "hairpin ... Off by default."),
	};

	(void)state;
	CHECK(&((struct topology){ports, COUNT(ports), {true}}), rows);
	CHECK(&((struct topology){ports, COUNT(ports), {false, true, true}}), off);
}

static void
segments(void **state)
{
	/* the same addresses on two uplinks, a passthru port on the third */
	static const struct topo_port ports[] = {
		{"v0", MODE_VEPA, 0x020000000001, 0, {GROUP_JOINED}},
		{"b0", MODE_BRIDGE, 0x020000000003},
		{"b1", MODE_BRIDGE, 0x020000000004, .promisc = true},
		{"x0", MODE_BRIDGE, 0x020000000009, 0, {GROUP_OF_ONE}},
		{"w0", MODE_VEPA, 0x020000000001, .uplink = 1},
		{"c0", MODE_BRIDGE, 0x020000000003, 0, {GROUP_JOINED}, .uplink = 1},
		{"c1", MODE_BRIDGE, 0x020000000004, .uplink = 1},
		{"g0", MODE_PASSTHRU, 0x020000000003, .uplink = 2},
	};
	static const char text[] =
		"ports in different segments never see each other's frames locally";
	static const struct row rows[] = {
		ROW("b0", "", "b1", "b1", text),
		ROW("c0", "", "b1", "c1", text),
		ROW("b0", "", "bcast", "b1 x0 wire", text),
		ROW("c0", "", "bcast", "c1 wire", text),
		ROW("c0", "", "x0", "wire", text),
		ROW("b0", "", "GJ", "b1 wire", text),
		ROW("c1", "", "GJ", "c0 wire", text),
		ROW("c1", "", "G1", "wire", text),
		ROW("w0", "", "b1", "c1", "hairpin is on on this uplink"),
		ROW("w0", "", "x0 zero", "wire", text),
		ROW("w0", "", "bcast", "c0 c1 wire", text),
		ROW("v0", "", "b1 bcast", "wire", "hairpin is off on this uplink"),
		ROW("wire", "ext", "v0", "v0", text),
		ROW("wire1", "ext", "v0", "w0", text),
		ROW("wire", "ext", "bcast", "v0 b0 b1 x0", text),
		ROW("wire1", "ext", "bcast", "w0 c0 c1", text),
		ROW("wire1", "v0", "bcast", "c0 c1", text),
		ROW("wire1", "x0", "bcast", "w0 c0 c1", text),
		ROW("wire1", "x0", "v0", "w0", text),
		ROW("wire1", "ext", "GJ", "c0", text),
		ROW("wire1", "ext", "G1", "drop no_port", text),
		ROW("wire1", "ext", "x0 unknown uplink", "drop no_port", text),
		ROW("wire1", "ext", "zero", "drop no_port", "the address of no free slot"),
		ROW("wire1", "zero", "zero", "drop no_port", "the address of no free slot"),
		ROW("wire", "zero", "zero", "b1", "nobody owns D: promisc ports"),
		ROW("g0", "", "b1 b0 bcast", "wire", text),
		ROW("wire2", "ext", "v0 b1 bcast zero unknown", "g0", text),
		ROW("wire2", "v0", "b1 bcast", "g0", text),
		ROW("wire2", "b0", "b1 bcast", "drop own_reflection", text),
	};

	(void)state;
	CHECK(&((struct topology){ports, COUNT(ports), {false, true, false}}), rows);
}

/* Laws that hold for one verdict, whatever the topology. */
static void
check_laws(const struct view *v, bool from_wire, uint16_t origin, uint64_t src,
	   const struct verdict *verdict, struct portset receivers)
{
	uint16_t segment = from_wire ? origin : v->ports[origin].segment;
	uint16_t sender = from_wire ? view_owner(v, segment, src) : origin;
	bool to_wire = verdict->action == FORWARD_WIRE || verdict->to_wire;

	if (verdict->action == FORWARD_PORT)
		receivers = (struct portset){0}, portset_add(&receivers, verdict->port);
	else if (verdict->action != FORWARD_FLOOD)
		receivers = (struct portset){0};
	else
		assert_false(portset_empty(&receivers));
	if (verdict->action == FORWARD_DROP)
		assert_true(verdict->reason < DROP_REASON_COUNT && !to_wire);
	assert_false(from_wire && to_wire);
	while (!portset_empty(&receivers)) {
		uint16_t p = portset_take(&receivers);
		const struct view_port *to = &v->ports[p];

		assert_true(to->up && to->segment == segment);
		if (p == sender)
			assert_true(to->own_source_deliver);
		else if (sender != NO_PORT)
			assert_true(to->mode != MODE_PRIVATE &&
				    v->ports[sender].mode != MODE_PRIVATE);
	}
}

static void
laws(void **state)
{
	static const enum port_mode modes[] = {MODE_VEPA, MODE_BRIDGE, MODE_PRIVATE};
	static char names[24][8];
	unsigned int seed = (unsigned int)time(NULL);

	(void)state;
	if (getenv("SEED") != NULL)
		seed = (unsigned int)strtoul(getenv("SEED"), NULL, 10);
	print_message("seed %u (repeat with SEED=%u)\n", seed, seed);
	srand(seed);
	for (int round = 0; round < 300; round++) {
		struct topo_port ports[24] = {0};
		struct topology t = {ports, 24, {rand() & 1, rand() & 1, rand() & 1}};
		struct view *v;

		for (uint16_t i = 0; i < 24; i++) {
			snprintf(names[i], sizeof(names[i]), "n%u", i);
			ports[i] = (struct topo_port){.name = names[i],
						      .mode = modes[rand() % 3],
						      .mac = 0x020000000000 + i / 2U + 1,
						      .groups = {0x01005e000100 + rand() % 8U},
						      .uplink = i % 2,
						      .promisc = rand() % 8 == 0,
						      .allmulticast = rand() % 8 == 0,
						      .deliver = rand() % 8 == 0,
						      .down = rand() % 4 == 0};
		}
		v = make_view(&t);
		for (int i = 0; i < 2000; i++) {
			const uint64_t to[] = {0x020000000000 + rand() % 16U, MAC_BROADCAST,
					       0x01005e000100 + rand() % 8U, UPLINK_MAC};
			uint64_t src = 0x020000000000 + rand() % 16U;
			bool from_wire = rand() & 1;
			uint16_t origin = (uint16_t)(rand() % (from_wire ? 2 : 24));
			struct rte_ether_hdr hdr = {.ether_type = RTE_BE16(0x0800)};
			struct portset receivers = {0};
			struct verdict verdict;

			if (!from_wire && ports[origin].down)
				continue;
			put_mac(&hdr.src_addr, src);
			put_mac(&hdr.dst_addr, to[rand() % 4]);
			verdict = from_wire ? forward_from_wire(v, origin, &hdr, &receivers)
					    : forward_from_guest(v, origin, &hdr, &receivers);
			check_laws(v, from_wire, origin, src, &verdict, receivers);
		}
		view_free(v);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters),   cmocka_unit_test(ports_that_are_down),
		cmocka_unit_test(host_port), cmocka_unit_test(own_source),
		cmocka_unit_test(hairpin),   cmocka_unit_test(segments),
		cmocka_unit_test(laws),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
