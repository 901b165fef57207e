# SPDX-License-Identifier: BSD-3-Clause
"""A NIC and a driver that none of us wrote: an emulated Intel 82574. It has 15 places for unicast
addresses, its own among them, and passes groups by a hash of 12 bits, the last byte and half of the
one before it. QEMU 7.2 looks into the hash for unicast as well, so no unicast address here has the
same last byte as a group."""
import contextlib
import threading

import pytest

from lib import frames as F
from lib.daemon import CtlError, poll_until
from nicsetup import NicSetup
from support import (ALL_HOSTS, ALL_HOSTS6, EXTERNAL, GROUP, NOBODY, OTHER_GROUP,
                     UPLINK_MAC, WIRE, changed, mac)

pytestmark = pytest.mark.timeout(240)

PORTS = {"b1": {"mode": "bridge", "mac": mac(0x41)}, "v1": {"mode": "vepa", "mac": mac(0x43)}}
M = {name: port["mac"] for name, port in PORTS.items()}
PLACES = 15
ROOM = PLACES - 1 - len(PORTS)  # for further addresses
EXTRA = [mac(0x120 + i) for i in range(ROOM + 1)]
CHANGES = 30  # under load, each there and back
EVERYBODYS = {ALL_HOSTS, ALL_HOSTS6}  # groups that every port is in
FULL = "the device's address table is full"
SAME_HASH = "01:00:5e:7f:0d:03"  # as GROUP's


@pytest.fixture(scope="module")
def nic():
    with NicSetup(PORTS) as s:
        yield s
        log = s.stop()
    assert "stopping" in log and "removed" in log.splitlines()[-1], log


@contextlib.contextmanager
def joined(s, port, *addresses):
    for address in addresses:
        s.rpc("maddr.add", address=address, port=port)
    try:
        yield
    finally:
        for address in addresses:
            s.rpc("maddr.del", address=address, port=port)


def _closed(s):
    """Neither promiscuous nor open to all multicast, and everything is in the NIC's tables."""
    shown = s.shown()
    return not shown["promiscuous"] and not shown["allmulticast"] and \
        set(s.tiers().values()) == {"mac-filter"}


def _unicast(s):
    return {a: tier for a, tier in s.tiers().items() if not F.is_multicast(a)}


def test_how_it_is_shown(nic):
    shown = nic.shown()
    assert (shown["driver"], shown["mac"], shown["device"]) == \
        ("net_e1000_em", UPLINK_MAC, nic.vm.device)
    assert (shown["link"], shown["speed"], shown["mtu"]) == ("up", 1000, 1500)
    assert _closed(nic)
    assert nic.row(M["v1"])["why"] == "in the device's address table"
    text = nic.daemon.ctl("uplink", "show", "up0", raw=True)
    assert "net_e1000_em" in text and "mac-filter" in text


def test_the_right_frames_arrive(nic):
    nic.everyone_is_reached()
    for group in EVERYBODYS:
        assert nic.gives(WIRE, F.build(group, EXTERNAL)) == sorted(PORTS)
    assert nic.gives("v1", F.build(EXTERNAL, M["v1"])) == [WIRE]
    assert nic.gives("b1", F.build(F.BROADCAST, M["b1"], length=1514)) == [WIRE]
    assert nic.gives("v1", F.build(M["b1"], M["v1"])) == [WIRE]
    assert nic.gives(WIRE, F.build(M["b1"], M["v1"], length=1514)) == ["b1"]
    assert nic.gives(WIRE, F.build(M["v1"], EXTERNAL, vlans=[7])) == ["v1"]
    assert nic.drops(WIRE, F.build(F.BROADCAST, M["v1"], ethertype=0x8808)) == {"mac_control": 1}


def test_the_nic_keeps_foreign_frames_to_itself(nic):
    nic.filtered(F.build(NOBODY, EXTERNAL), F.build(GROUP, EXTERNAL),
                 F.build(mac(0x55), EXTERNAL), F.build(EXTERNAL, NOBODY))


def test_groups(nic):
    with joined(nic, "v1", GROUP):
        assert nic.row(GROUP)["why"] == "in the device's multicast list" and _closed(nic)
        assert nic.gives(WIRE, F.build(GROUP, EXTERNAL)) == ["v1"]
        nic.filtered(F.build(OTHER_GROUP, EXTERNAL))
        with joined(nic, "b1", GROUP, OTHER_GROUP):
            assert _closed(nic)
            assert nic.gives(WIRE, F.build(GROUP, EXTERNAL)) == ["b1", "v1"]
            assert nic.gives(WIRE, F.build(OTHER_GROUP, EXTERNAL)) == ["b1"]
        assert nic.gives(WIRE, F.build(GROUP, EXTERNAL)) == ["v1"]
        nic.filtered(F.build(OTHER_GROUP, EXTERNAL))
    nic.filtered(F.build(GROUP, EXTERNAL))
    nic.everyone_is_reached()


def test_what_the_hash_lets_in_goes_no_further(nic):
    with joined(nic, "v1", GROUP):
        assert nic.drops(WIRE, F.build(SAME_HASH, EXTERNAL)) == {"no_port": 1}
    nic.filtered(F.build(SAME_HASH, EXTERNAL))


def test_a_hundred_groups(nic):
    groups = [f"33:33:00:00:{i:02x}:07" for i in range(50)]
    with changed(nic, "v1", maddr=groups), changed(nic, "b1", maddr=groups[:1] + [
            f"01:00:5e:00:{i:02x}:09" for i in range(50)]):
        assert {*M.values(), *EVERYBODYS, *groups} < set(nic.tiers()) and _closed(nic)
        got = nic.gives(WIRE, *(F.build(group, EXTERNAL) for group in groups))
        assert got == [["b1", "v1"]] + [["v1"]] * 49
        nic.filtered(F.build("33:33:00:00:00:aa", EXTERNAL))
    nic.filtered(*(F.build(group, EXTERNAL) for group in groups))


def test_the_16th_address_makes_it_promiscuous(nic):
    with joined(nic, "v1", *EXTRA[:-1]):
        assert _closed(nic) and len(_unicast(nic)) == PLACES - 1
        got = nic.gives(WIRE, *(F.build(a, EXTERNAL) for a in EXTRA[:-1]))
        assert got == [["v1"]] * ROOM
        nic.filtered(F.build(NOBODY, EXTERNAL))
        nic.daemon.ctl("maddr", "add", EXTRA[-1], "port", "v1")
        shown, row = nic.shown(), nic.row(EXTRA[-1])
        assert shown["promiscuous"] is True and FULL in shown["promiscuous_why"]
        assert (row["tier"], row["why"]) == ("promiscuous", FULL)
        assert sorted(_unicast(nic).values()) == \
            ["mac-filter"] * (PLACES - 1) + ["promiscuous"]
        assert {nic.tiers()[group] for group in EVERYBODYS} == {"mac-filter"}
        assert FULL in nic.daemon.ctl("uplink", "show", "up0", raw=True)
        assert nic.gives(WIRE, F.build(EXTRA[-1], EXTERNAL)) == ["v1"]
        assert nic.drops(WIRE, F.build(NOBODY, EXTERNAL)) == {"no_port": 1}
        nic.everyone_is_reached()
        nic.daemon.ctl("maddr", "del", EXTRA[-1], "port", "v1")
        assert _closed(nic) and "promiscuous_why" not in nic.shown()
        nic.filtered(F.build(NOBODY, EXTERNAL), F.build(EXTRA[-1], EXTERNAL))
        nic.everyone_is_reached()
    nic.filtered(*(F.build(a, EXTERNAL) for a in EXTRA))


def test_room_is_used_by_who_had_none(nic):
    with joined(nic, "v1", *EXTRA):
        assert nic.shown()["promiscuous"] is True
        nic.daemon.ctl("maddr", "del", EXTRA[0], "port", "v1")
        assert _closed(nic)
        nic.filtered(F.build(EXTRA[0], EXTERNAL), F.build(NOBODY, EXTERNAL))
        assert nic.gives(WIRE, F.build(EXTRA[-1], EXTERNAL)) == ["v1"]
        nic.daemon.ctl("maddr", "add", EXTRA[0], "port", "v1")
    assert _closed(nic)


def test_an_allmulticast_port(nic):
    with changed(nic, "v1", allmulticast="on"):
        shown = nic.shown()
        assert (shown["promiscuous"], shown["allmulticast"]) == (False, True)
        assert shown["allmulticast_why"] == "a port asks for all multicast"
        assert nic.gives(WIRE, F.build(GROUP, EXTERNAL)) == ["v1"]
        nic.filtered(F.build(NOBODY, EXTERNAL))
        with joined(nic, "b1", GROUP):
            assert nic.gives(WIRE, F.build(GROUP, EXTERNAL)) == ["b1", "v1"]
    assert _closed(nic)
    nic.filtered(F.build(GROUP, EXTERNAL), F.build(NOBODY, EXTERNAL))


def test_a_promiscuous_port(nic):
    with changed(nic, "v1", promisc="on"):
        shown = nic.shown()
        assert shown["promiscuous"] is True
        assert shown["promiscuous_why"] == "a port is promiscuous or passthru"
        assert nic.gives(WIRE, F.build(NOBODY, EXTERNAL)) == ["v1"]
        assert nic.gives(WIRE, F.build(GROUP, EXTERNAL)) == ["v1"]
    assert _closed(nic)
    nic.filtered(F.build(GROUP, EXTERNAL), F.build(NOBODY, EXTERNAL))


def test_forced_tiers(nic):
    nic.daemon.ctl("uplink", "set", "up0", "demux", "promisc")
    assert nic.shown()["promiscuous"] is True and set(_unicast(nic).values()) == {"promiscuous"}
    assert nic.drops(WIRE, F.build(NOBODY, EXTERNAL)) == {"no_port": 1}
    nic.everyone_is_reached()
    with pytest.raises(CtlError, match="flow.*not possible"):
        nic.daemon.ctl("uplink", "set", "up0", "demux", "flow")
    for demux in "filter", "auto":
        nic.daemon.ctl("uplink", "set", "up0", "demux", demux)
        assert _closed(nic)
        nic.everyone_is_reached()
        nic.filtered(F.build(NOBODY, EXTERNAL))


def test_large_frames(nic):
    nic.daemon.ctl("uplink", "set", "up0", "mtu", 4000)
    assert nic.shown()["mtu"] == 4000 and _closed(nic)
    nic.everyone_is_reached()
    assert nic.gives(WIRE, F.build(M["v1"], EXTERNAL, length=4014)) == ["v1"]
    assert nic.gives("v1", F.build(EXTERNAL, M["v1"], length=4014)) == [WIRE]
    nic.filtered(F.build(NOBODY, EXTERNAL, length=4014))
    nic.daemon.ctl("uplink", "set", "up0", "mtu", 1500)
    nic.everyone_is_reached()
    nic.filtered(F.build(NOBODY, EXTERNAL))
    assert _closed(nic)


def test_a_port_that_changes_its_address(nic):
    with changed(nic, "v1", mac=mac(0x66)):
        assert nic.gives(WIRE, F.build(mac(0x66), EXTERNAL)) == ["v1"]
        nic.filtered(F.build(M["v1"], EXTERNAL))
    nic.filtered(F.build(mac(0x66), EXTERNAL))
    nic.everyone_is_reached()


def test_nothing_is_lost_while_others_come_and_go(nic):
    """As many frames as possible to b1 and to its group, while v1's addresses fill the table and
    leave it. What the NIC passes counts: the guest rests, as it could not take that many."""
    frames = [F.build(address, EXTERNAL) for address in (M["b1"], GROUP)]
    sent, ended = 0, threading.Event()

    def send():
        nonlocal sent
        while not ended.is_set():
            nic.wire.send(frames[sent % 2])
            sent += 1
    with joined(nic, "b1", GROUP):
        nic.guests.pause("b1")
        before = nic.from_wire()
        sender = threading.Thread(target=send)
        sender.start()
        try:
            for _ in range(CHANGES):
                with changed(nic, "v1", maddr=[*EXTRA, OTHER_GROUP]):
                    pass
        finally:
            ended.set()
            sender.join()
        poll_until(lambda: nic.from_wire() - before >= sent, 10, f"all {sent} frames pass")
        assert sent > 10 * CHANGES and nic.from_wire() - before == sent
        nic.guests.pause("b1", False)
        assert nic.guests["b1"].collect(5, quiet=0.5)
        nic.everyone_is_reached()
    assert _closed(nic)


def test_the_link_goes_down_and_up(nic):
    nic.vm.set_link(False)
    nic.wait_link("down")
    nic.vm.set_link(True)
    nic.wait_link("up")
    poll_until(lambda: nic.shown()["speed"] == 1000, 5, "the speed is known")
    nic.everyone_is_reached()
    nic.filtered(F.build(NOBODY, EXTERNAL))
    assert _closed(nic)


def test_removed_and_added_while_running(nic):
    nic.guests.stop()
    for name in PORTS:
        nic.daemon.ctl("port", "del", name)
    nic.daemon.ctl("uplink", "del", "up0")
    nic.daemon.ctl("uplink", "add", "up0", "device", nic.vm.device)
    for name, port in PORTS.items():
        nic.rpc("port.add", name=name, uplink="up0", socket=nic.daemon.socket_path(name), **port)
    nic.start_guests()
    nic.everyone_is_reached()
    nic.filtered(F.build(NOBODY, EXTERNAL))
    assert _closed(nic)


def test_a_second_daemon_takes_the_nic_over(nic):
    """The first one stops with the table full and the NIC promiscuous; nothing of that stays."""
    nic.rpc("port.set", name="v1", maddr=[*EXTRA, GROUP])
    assert nic.shown()["promiscuous"] is True
    log = nic.stop()
    assert log.splitlines()[-1].endswith("uplink up0: removed"), log
    nic.start()
    assert _closed(nic)
    nic.everyone_is_reached()
    nic.filtered(F.build(NOBODY, EXTERNAL), F.build(EXTRA[0], EXTERNAL), F.build(GROUP, EXTERNAL))
