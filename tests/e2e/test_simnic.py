# SPDX-License-Identifier: BSD-3-Clause
"""The uplink is a NIC that truly filters (tests/simnic): what no port wants stays outside, and what
ports want comes in by the mildest means that the NIC has."""
import pytest

from lib import frames as F
from lib.daemon import poll_until
from simsetup import PORTS, SimSetup, lost
from support import ALL_HOSTS, ALL_HOSTS6, EXTERNAL, GROUP, NOBODY, OTHER_GROUP, UPLINK_MAC, WIRE, \
    mac

M = {name: port["mac"] for name, port in PORTS.items()}


def _unicast(name):
    return F.build(M[name], EXTERNAL)


def test_passes_what_is_wanted_and_nothing_else():
    with SimSetup() as s:
        state = s.nic.state()
        assert state["mac"] == UPLINK_MAC and set(state["macs"]) == set(M.values())
        assert set(state["mcs"]) == {ALL_HOSTS, ALL_HOSTS6}
        assert not state["promisc"] and not state["allmulti"]
        for name in PORTS:
            assert s.gives(WIRE, _unicast(name)) == [name]
        assert s.gives(WIRE, F.build(F.BROADCAST, EXTERNAL)) == sorted(PORTS)
        assert s.gives(WIRE, F.build(ALL_HOSTS, EXTERNAL)) == sorted(PORTS)
        s.filtered(F.build(NOBODY, EXTERNAL), F.build(GROUP, EXTERNAL))
        assert s.gives("v1", F.build(NOBODY, M["v1"])) == [WIRE]

        s.daemon.ctl("maddr", "add", GROUP, "port", "v1")
        assert s.gives(WIRE, F.build(GROUP, EXTERNAL)) == ["v1"]
        s.filtered(F.build(OTHER_GROUP, EXTERNAL))
        s.daemon.ctl("maddr", "del", GROUP, "port", "v1")
        s.filtered(F.build(GROUP, EXTERNAL))

        assert s.nic.state()["rx"]["filtered_dst"] == {NOBODY: 1, GROUP: 2, OTHER_GROUP: 1}
        s.daemon.ctl("port", "del", "v1")
        s.filtered(_unicast("v1"))


def test_a_full_address_table_makes_it_promiscuous_and_back():
    with SimSetup(macs=3) as s:
        assert s.nic.state()["promisc"] is True
        assert s.shown()["promiscuous"] is True
        left_out = [a for a, tier in s.tiers().items() if tier == "promiscuous"]
        assert len(left_out) == 1 and "full" in s.why(left_out[0])
        assert len(s.nic.state()["macs"]) == 2
        for name in PORTS:
            assert s.gives(WIRE, _unicast(name)) == [name]
        assert s.drops(WIRE, F.build(NOBODY, EXTERNAL)) == {"no_port": 1}

        gone, *stay = sorted(PORTS, key=lambda name: M[name] in left_out)
        for name in stay:
            s.nic.ctl(f"watch {M[name]}")
        s.daemon.ctl("port", "del", gone)
        state = s.nic.wait_state(lambda state: not state["promisc"])
        assert set(state["macs"]) == {M[name] for name in stay}
        assert lost(state) == {}
        assert s.shown()["promiscuous"] is False
        assert set(s.tiers().values()) == {"mac-filter"}
        s.filtered(F.build(NOBODY, EXTERNAL))
        for name in stay:
            assert s.gives(WIRE, _unicast(name)) == [name]


def test_a_full_multicast_list_opens_it_to_all_multicast_and_back():
    with SimSetup(mcs=3) as s:
        s.daemon.ctl("maddr", "add", GROUP, "port", "b1")
        state = s.nic.state()
        assert GROUP in state["mcs"] and len(state["mcs"]) == 3 and not state["allmulti"]
        for address in (GROUP, ALL_HOSTS, *M.values()):
            s.nic.ctl(f"watch {address}")
        s.nic.ctl("fault mc_empties on")  # as several drivers do with a list that is too long
        s.daemon.ctl("maddr", "add", OTHER_GROUP, "port", "v1")
        assert s.nic.state()["allmulti"] is True and s.nic.state()["promisc"] is False
        assert s.shown()["allmulticast"] is True and "full" in s.why(GROUP)
        assert s.tiers()[OTHER_GROUP] == "allmulticast"
        assert s.gives(WIRE, F.build(OTHER_GROUP, EXTERNAL)) == ["v1"]
        assert s.gives(WIRE, F.build(GROUP, EXTERNAL)) == ["b1"]
        s.filtered(F.build(NOBODY, EXTERNAL))

        s.daemon.ctl("maddr", "del", OTHER_GROUP, "port", "v1")
        state = s.nic.wait_state(lambda state: not state["allmulti"])
        assert set(state["mcs"]) == {GROUP, ALL_HOSTS, ALL_HOSTS6}
        assert lost(state) == {}
        s.filtered(F.build(OTHER_GROUP, EXTERNAL))
        assert s.gives(WIRE, F.build(GROUP, EXTERNAL)) == ["b1"]


@pytest.mark.parametrize("devargs, state, tiers", [
    ({"macs": 1}, {"promisc": True}, {"b1": "promiscuous", GROUP: "mac-filter"}),
    ({"mcs": 0}, {"promisc": False, "allmulti": True}, {"b1": "mac-filter", GROUP: "allmulticast"}),
    ({"mcs": 0, "allmulti": 0}, {"promisc": True}, {"b1": "mac-filter", GROUP: "promiscuous"}),
], ids=["no-table", "no-list", "no-list-no-allmulticast"])
def test_a_nic_that_lacks_a_filter(devargs, state, tiers):
    with SimSetup({"b1": {**PORTS["b1"], "maddr": GROUP}}, **devargs) as s:
        assert s.nic.state().items() >= state.items()
        tiers_now = s.tiers()
        assert {key: tiers_now[M.get(key, key)] for key in tiers} == tiers
        assert s.gives(WIRE, _unicast("b1")) == ["b1"]
        assert s.gives(WIRE, F.build(GROUP, EXTERNAL)) == ["b1"]


def test_a_table_that_is_full_before_its_size():
    """The driver's -ENOSPC counts, whatever capacity it reported."""
    with SimSetup({"b1": PORTS["b1"]}) as s:
        s.nic.ctl("fault mac_add_enospc on")
        s.daemon.ctl("maddr", "add", NOBODY, "port", "b1")
        assert s.nic.state()["promisc"] is True and "full" in s.why(NOBODY)
        assert s.gives(WIRE, F.build(NOBODY, EXTERNAL)) == ["b1"]
        s.daemon.ctl("maddr", "del", NOBODY, "port", "b1")
        assert s.nic.state()["promisc"] is False
        s.filtered(F.build(NOBODY, EXTERNAL))


def test_link_down_and_up():
    with SimSetup() as s:
        s.nic.ctl("link down")
        poll_until(lambda: s.shown()["link"] == "down", 10, "the uplink's link goes down")
        s.nic.send(_unicast("b1"))
        assert s.nic.wait_state(lambda state: state["rx"]["link_down"] == 1)
        s.nic.ctl("link up")
        poll_until(lambda: s.shown()["link"] == "up", 10, "the uplink's link comes up")
        assert s.gives(WIRE, _unicast("b1")) == ["b1"]
        assert s.gives("v1", F.build(NOBODY, M["v1"])) == [WIRE]


def test_many_frames_and_long_ones():
    """More frames to the wire than its socket holds, and one of the greatest length."""
    with SimSetup() as s:
        frames = [F.build(NOBODY, M["b1"]) for _ in range(200)]
        assert s.gives("b1", *frames) == [[WIRE]] * 200
        frames = [_unicast("b1") for _ in range(200)]
        assert s.gives(WIRE, *frames) == [["b1"]] * 200
        assert s.gives(WIRE, F.build(M["b1"], EXTERNAL, length=1514)) == ["b1"]
        s.nic.send(F.build(M["b1"], EXTERNAL, length=1523))
        s.nic.wait_state(lambda state: state["rx"]["bad_length"] == 1)


def test_one_queue_of_a_nic_with_rss():
    with SimSetup({"b1": PORTS["b1"]}, rss=1) as s:
        assert s.gives(WIRE, _unicast("b1")) == ["b1"]


def test_two_workers():
    with SimSetup(daemon={"workers": 2}, rss=1) as s:
        frames = [F.build(M["b1"], mac(0x400 + i)) for i in range(64)]
        assert s.gives(WIRE, *frames) == [["b1"]] * 64
        state = s.nic.state()
        assert state["rss_queues"] == [0, 1] and all(state["rx"]["queues"])
        s.filtered(F.build(NOBODY, EXTERNAL))
