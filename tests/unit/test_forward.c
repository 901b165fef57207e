/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 macvswitch authors
 *
 * The truth table of the design's section 2, cell by cell, on the topology on which kernel macvtap
 * was measured: two vepa, two bridge and two private ports. Modes, reflection and passthru are
 * here; filters, options and segments in test_forward_more.c.
 */
#include "tests/unit/forward_fixture.h"

/* v0, b0 and p0 are members of GJ, v1 alone of G1; nobody is of GU. */
static const struct topo_port six_ports[] = {
	{"v0", MODE_VEPA, 0x020000000001, 0x020000000011, {GROUP_JOINED}},
	{"v1", MODE_VEPA, 0x020000000002, 0, {GROUP_OF_ONE}},
	{"b0", MODE_BRIDGE, 0x020000000003, 0x020000000013, {GROUP_JOINED}},
	{"b1", MODE_BRIDGE, 0x020000000004, 0x020000000014},
	{"p0", MODE_PRIVATE, 0x020000000005, 0x020000000015, {GROUP_JOINED}},
	{"p1", MODE_PRIVATE, 0x020000000006},
};
static const struct topology six = {six_ports, 6, {false}};

static void
from_guests(void **state)
{
	static const char only_wire[] = "from guest: vepa, private, passthru | wire only";
	static const char bridge_flood[] =
		"from guest: bridge | the other bridge ports that accept D, and the wire";
	static const char bridge_other[] = "from guest: bridge | any other unicast: wire only";
	static const char never_direct[] =
		"A local vepa or private port is never reached directly, not even from a bridge "
		"port: the frame goes to the wire.";
	static const char to_own[] =
		"A guest's frame to its own address, or to the uplink's, goes to the wire.";
	static const char bridge_one[] =
		"from guest: bridge | belongs to another bridge port: that port only";
	static const char every_address[] =
		"A port is reached by every unicast address of its filter, not only by its first";
	static const struct row rows[] = {
		ROW("v0", "", "v1 b0 b1 p0 p1 b1+", "wire", only_wire),
		ROW("v0", "", "v0 v0+ uplink", "wire", to_own),
		ROW("v0", "", "unknown zero", "wire", only_wire),
		ROW("v0", "", "bcast GJ G1 GU hosts4 hosts6 lldp stp pause", "wire", only_wire),
		ROW("p0", "", "v0 v1 b0 b1 p1 unknown zero", "wire", only_wire),
		ROW("p0", "", "p0 p0+ uplink", "wire", to_own),
		ROW("p0", "", "bcast GJ G1 GU hosts4 hosts6 lldp stp pause", "wire", only_wire),
		ROW("b0", "", "b1", "b1", bridge_one),
		ROW("b1", "", "b0", "b0", bridge_one),
		ROW("b0", "", "b1+", "b1", every_address),
		ROW("b0", "", "v0 v1 p0 p1 v0+ p0+", "wire", never_direct),
		ROW("b0", "", "b0 b0+ uplink", "wire", to_own),
		ROW("b0", "", "unknown zero ext", "wire", bridge_other),
		ROW("b0", "", "bcast hosts4 hosts6", "b1 wire", bridge_flood),
		ROW("b1", "", "bcast hosts4 hosts6", "b0 wire", bridge_flood),
		ROW("b0", "", "GJ G1 GU lldp stp solicited pause", "wire", bridge_flood),
		ROW("b1", "", "GJ", "b0 wire", bridge_flood),
	};

	(void)state;
	CHECK(&six, rows);
}

static void
from_wire_external(void **state)
{
	static const char owner[] = "from the wire: no R (external) | port Q owns D: Q";
	static const char nobody[] =
		"from the wire: no R | nobody owns D: promisc ports, else drop no_port";
	static const char every[] =
		"from the wire: no R | broadcast / multicast: every port that accepts D, any mode";
	static const char host[] =
		"Frames for the uplink's own MAC go to the host port if there is one, else they "
		"are dropped as no_port.";
	static const char group_source[] =
		"R is the local port that owns S: nobody owns a group address";
	static const char filter[] = "other multicast only by its filter, matched exactly";
	static const struct row rows[] = {
		ROW("wire", "ext", "v0", "v0", owner),
		ROW("wire", "ext", "v0+", "v0", owner),
		ROW("wire", "ext", "v1", "v1", owner),
		ROW("wire", "ext", "b0 b0+", "b0", owner),
		ROW("wire", "ext", "b1 b1+", "b1", owner),
		ROW("wire", "ext", "p0 p0+", "p0", owner),
		ROW("wire", "ext", "p1", "p1", owner),
		ROW("wire", "ext", "unknown zero ext", "drop no_port", nobody),
		ROW("wire", "ext", "uplink", "drop no_port", host),
		ROW("wire", "ext", "bcast hosts4 hosts6", "v0 v1 b0 b1 p0 p1", every),
		ROW("wire", "ext", "GJ", "v0 b0 p0", every),
		ROW("wire", "ext", "G1", "v1", every),
		ROW("wire", "ext", "GU lldp stp pause solicited", "drop no_port", filter),
		/* one bit beside a joined group; the kernel's hash would let some of these in */
		ROW("wire", "ext", "01005e010100 01005e010103 01005e818101", "drop no_port",
		    filter),
		/* the source: the uplink's own, all zero, a group, even one that is joined */
		ROW("wire", "uplink", "bcast", "v0 v1 b0 b1 p0 p1", every),
		ROW("wire", "uplink", "v0", "v0", owner),
		ROW("wire", "zero", "bcast", "v0 v1 b0 b1 p0 p1", every),
		ROW("wire", "zero", "v0", "v0", owner),
		ROW("wire", "zero", "zero", "drop no_port", nobody),
		ROW("wire", "groupsrc", "bcast", "v0 v1 b0 b1 p0 p1", group_source),
		ROW("wire", "GJ", "bcast", "v0 v1 b0 b1 p0 p1", group_source),
		ROW("wire", "GJ", "p0", "p0", group_source),
		ROW("wire", "bcast", "GJ", "v0 b0 p0", group_source),
		ROW("wire", "G1", "G1", "v1", group_source),
	};

	(void)state;
	CHECK(&six, rows);
}

static void
reflected(void **state)
{
	static const char unicast[] =
		"from the wire: R is vepa or bridge | Q, unless Q is R or Q is private";
	static const char nobody[] = "from the wire: R is vepa or bridge | nobody owns D: no_port";
	static const char own[] = "No port receives a frame that it sent, in any mode.";
	static const char private_unicast[] =
		"Private is private for unicast too, also when the outside switch reflects it.";
	static const char vepa[] =
		"from the wire: R is vepa | every port that accepts D and is vepa or bridge, and "
		"is not R";
	static const char bridge[] =
		"from the wire: R is bridge | every port that accepts D and is vepa (bridge ports "
		"had it on the way out)";
	static const char isolated[] = "from the wire: R is private | drop isolated";
	static const struct row rows[] = {
		ROW("wire", "v0", "v1", "v1", unicast),
		ROW("wire", "v0", "b0 b0+", "b0", unicast),
		ROW("wire", "v0", "b1 b1+", "b1", unicast),
		ROW("wire", "v0", "p0 p0+ p1", "drop isolated", private_unicast),
		ROW("wire", "v0", "v0 v0+", "drop own_reflection", own),
		ROW("wire", "v0", "unknown zero uplink", "drop no_port", nobody),
		ROW("wire", "v0", "bcast hosts4 hosts6", "v1 b0 b1", vepa),
		ROW("wire", "v0", "GJ", "b0", vepa),
		ROW("wire", "v0", "GU lldp stp solicited", "drop no_port", vepa),
		ROW("wire", "v1", "bcast", "v0 b0 b1", vepa),
		ROW("wire", "v1", "GJ", "v0 b0", vepa),
		/* only the sender would accept it; the table does not name the reason */
		ROW("wire", "v1", "G1", "drop own_reflection", own),
		/* by its second address R is the same port */
		ROW("wire", "v0+", "v0 v0+", "drop own_reflection", own),
		ROW("wire", "v0+", "bcast", "v1 b0 b1", vepa),
		ROW("wire", "v0+", "p0", "drop isolated", private_unicast),
		ROW("wire", "b0", "v0 v0+", "v0", unicast),
		ROW("wire", "b0", "v1", "v1", unicast),
		ROW("wire", "b0", "b1 b1+", "b1", unicast),
		ROW("wire", "b0", "p0 p0+ p1", "drop isolated", private_unicast),
		ROW("wire", "b0", "b0 b0+", "drop own_reflection", own),
		ROW("wire", "b0", "unknown zero uplink", "drop no_port", nobody),
		ROW("wire", "b0", "bcast hosts4 hosts6", "v0 v1", bridge),
		ROW("wire", "b1", "bcast", "v0 v1", bridge),
		ROW("wire", "b0+", "bcast", "v0 v1", bridge),
		ROW("wire", "b0", "GJ", "v0", bridge),
		ROW("wire", "b1", "GJ", "v0", bridge),
		ROW("wire", "b1", "G1", "v1", bridge),
		ROW("wire", "b1", "GU lldp", "drop no_port", bridge),
		ROW("wire", "p0", "v0 v1 b0 b1 p1 p0 p0+", "drop isolated", isolated),
		ROW("wire", "p0", "unknown zero uplink", "drop isolated", isolated),
		ROW("wire", "p0", "bcast hosts4 hosts6 GJ G1 GU lldp", "drop isolated", isolated),
		ROW("wire", "p0+", "v0 bcast p0", "drop isolated", isolated),
		ROW("wire", "p1", "p0 bcast solicited", "drop isolated", isolated),
	};

	(void)state;
	CHECK(&six, rows);
}

static void
mac_control(void **state)
{
	static const char text[] =
		"MAC control frames (EtherType 0x8808, pause) are dropped everywhere as "
		"mac_control: a guest must not pause the link.";
#define PAUSE(origin, src, dst) \
	ROW_TYPE(TYPE_MAC_CONTROL, origin, src, dst, "drop mac_control", text)
	static const struct row rows[] = {
		PAUSE("v0", "v0", "pause bcast v1 b0 unknown uplink"),
		PAUSE("b0", "b0", "pause bcast b1 GJ v0 unknown"),
		PAUSE("p0", "p0", "pause bcast p1 unknown"),
		PAUSE("wire", "ext", "pause bcast v0 b0 p0 unknown uplink GJ"),
		PAUSE("wire", "v0", "pause b0 bcast v0"),
		PAUSE("wire", "p0", "pause bcast p0"),
		/* the address alone makes no MAC control frame */
		ROW_TYPE(0x88b5, "v0", "v0", "pause", "wire", "Other link-local multicast ..."),
	};
#undef PAUSE

	(void)state;
	CHECK(&six, rows);
}

static void
passthru(void **state)
{
	static const char wire[] = "from guest: vepa, private, passthru | wire only";
	static const char all[] = "from the wire: passthru | everything goes to the one port";
	static const char own[] =
		"passthru | a frame that it sent itself is dropped as own_reflection";
	static const struct row rows[] = {
		ROW("g0", "", "g0 unknown zero uplink bcast GJ GU hosts4 lldp", "wire", wire),
		ROW("wire", "ext", "g0 unknown zero uplink", "g0", all),
		ROW("wire", "ext", "bcast hosts4 hosts6 GJ GU lldp stp pause solicited", "g0", all),
		ROW("wire", "groupsrc", "bcast g0 GU", "g0", all),
		ROW("wire", "GJ", "bcast g0 GJ", "g0", all), /* nobody owns a group address */
		ROW("wire", "zero", "bcast g0 zero", "g0", all),
		ROW("wire", "g0", "g0 g0+ unknown bcast GJ GU solicited", "drop own_reflection",
		    own),
		ROW("wire", "g0+", "unknown bcast", "drop own_reflection", own),
		ROW_TYPE(TYPE_MAC_CONTROL, "g0", "g0", "pause bcast unknown", "drop mac_control",
			 "MAC control frames are dropped everywhere"),
		ROW_TYPE(TYPE_MAC_CONTROL, "wire", "ext", "pause g0 unknown", "drop mac_control",
			 "MAC control frames are dropped everywhere"),
	};
	static const struct row delivering[] = {
		ROW("wire", "g0", "g0 unknown bcast GU", "g0", "own_source = deliver on that port"),
		ROW("wire", "ext", "g0 unknown bcast GU", "g0", all),
	};
	static const struct row nics_own_mac[] = {
		ROW("wire", "ext", "uplink unknown bcast", "g0",
		    "the port's MAC may be the NIC's own"),
		ROW("wire", "uplink", "uplink unknown bcast", "drop own_reflection", own),
		ROW("g0", "", "uplink unknown bcast", "wire", wire),
	};
	static const struct row down[] = {
		ROW("wire", "ext", "g0 unknown bcast GU", "drop no_port",
		    "A port without a running guest owns nothing"),
		ROW("wire", "g0", "g0 bcast", "drop no_port",
		    "A port without a running guest owns nothing"),
	};
	struct topo_port g0 = {"g0", MODE_PASSTHRU, 0x020000000007, 0x020000000017, {GROUP_JOINED}};
	const struct topology t = {&g0, 1, {false}};

	(void)state;
	CHECK(&t, rows);
	/* its filter and flags change nothing of that, nor does the uplink's hairpin */
	g0.promisc = true;
	CHECK(&t, rows);
	g0.promisc = false;
	g0.allmulticast = true;
	CHECK(&((struct topology){&g0, 1, {true}}), rows);
	g0.deliver = true;
	CHECK(&t, delivering);
	g0.deliver = false;
	g0.mac = UPLINK_MAC;
	CHECK(&t, nics_own_mac);
	g0.mac = 0x020000000007;
	g0.down = true;
	CHECK(&t, down);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_guests), cmocka_unit_test(from_wire_external),
		cmocka_unit_test(reflected),   cmocka_unit_test(mac_control),
		cmocka_unit_test(passthru),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
