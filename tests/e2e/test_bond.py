# SPDX-License-Identifier: BSD-3-Clause
"""The uplink is a bond of two simulated NICs: what ports want passes on both members at all times,
and the failure of one loses no address, no group and no port. Modes 1 (active-backup) and 0 (round
robin), and 4 (LACP) with a partner on the wire that agrees to everything."""
import contextlib
import struct
import tempfile
import threading
import time

import pytest

from lib import frames as F
from lib.daemon import CtlError, Daemon, RpcError, poll_until
from lib.simnic import SimNic
from simsetup import PORTS, SimSetup, lost
from support import ALL_HOSTS, EXTERNAL, GROUP, NOBODY, OTHER_GROUP, UPLINK_MAC, WIRE, mac

M = {name: port["mac"] for name, port in PORTS.items()}
SECOND_MAC = "02:00:00:00:00:11"
MEMBERS = ["net_simnic0", "net_simnic1"]
WITH_GROUP = {**PORTS, "v1": {**PORTS["v1"], "maddr": GROUP}}
both_modes = pytest.mark.parametrize("mode", [1, 0], ids=["active-backup", "round-robin"])


class BondWire:
    """Both members' wires: frames go in by the one at feed, and come out of any."""

    def __init__(self, nics):
        self.nics, self.feed = nics, 0

    def send(self, frame):
        self.nics[self.feed].send(frame)

    def poll(self):
        return [frame for nic in self.nics for frame in nic.poll()]

    def collect(self, timeout=1.0, count=1):
        frames, end = [], time.monotonic() + timeout
        while len(frames) < count and time.monotonic() < end:
            frames += self.poll()
            time.sleep(0.002)
        return frames


class BondSetup(SimSetup):
    """A SimSetup whose uplink is a bond; first, second: devargs of only that member."""

    def __init__(self, ports=None, mode=1, first=None, second=None, daemon=None, **devargs):
        super().__init__(ports, daemon=daemon)
        self.mode = mode
        self.devargs = [{"mac": UPLINK_MAC, **devargs, **(first or {})},
                        {"mac": SECOND_MAC, **devargs, **(second or {})}]

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mvsw-n"))
            self.nics = [stack.enter_context(SimNic(folder, name, **devargs))
                         for name, devargs in zip(MEMBERS, self.devargs)]
            self.wire = BondWire(self.nics)
            self.device = f"net_bonding0,mode={self.mode}" + "".join(f",slave={m}" for m in MEMBERS)
            eal = " ".join([self.nics[0].eal, *(f"--vdev {nic.device}" for nic in self.nics)])
            self.daemon = stack.enter_context(Daemon(
                None, {"up0": {**self.uplink, "device": self.device}}, self.ports, eal=eal,
                daemon=self.daemon_keys))
            self.rpc = self.daemon.rpc
            self.guests = stack.enter_context(self.attach(*self.ports))
            self.stack = stack.pop_all()
        return self

    @property
    def nic(self):
        return self.nics[self.wire.feed]

    def states(self):
        return [nic.state() for nic in self.nics]

    def members(self):
        return {m["name"]: (m["link"], m["active"]) for m in self.shown()["members"]}

    def active(self):
        return [name for name, (_, active) in self.members().items() if active]

    def fail_over(self, to):
        """The other member's link goes down; from now on the wire is at member `to`. The seconds
        until a frame comes through."""
        start = time.monotonic()
        self.nics[1 - to].ctl("link down")
        self.wire.feed = to
        assert self.gives(WIRE, F.build(M["b1"], EXTERNAL)) == ["b1"]
        return time.monotonic() - start

    def everything_passes(self, *groups):
        """Both ways: each port's address, broadcast, all-hosts, and groups of v1's."""
        for name in PORTS:
            assert self.gives(WIRE, F.build(M[name], EXTERNAL)) == [name]
        for address in F.BROADCAST, ALL_HOSTS:
            assert self.gives(WIRE, F.build(address, EXTERNAL)) == sorted(PORTS)
        for group in groups:
            assert self.gives(WIRE, F.build(group, EXTERNAL)) == ["v1"]
        for name in PORTS:
            assert self.gives(name, F.build(NOBODY, M[name])) == [WIRE]

    def watch(self, *addresses):
        for nic in self.nics:
            for address in addresses:
                nic.ctl(f"watch {address}")

    def nothing_was_lost(self):
        assert [lost(state) for state in self.states()] == [{}, {}]


@both_modes
def test_traffic_and_tiers(mode):
    with BondSetup(WITH_GROUP, mode=mode) as s:
        for state in s.states():
            assert set(state["macs"]) == set(M.values())
            # The bonding driver has no multicast list.
            assert state["allmulti"] and not state["promisc"] and not state["mcs"]
        shown = s.shown()
        assert shown["driver"] == "net_bonding" and shown["mac"] == UPLINK_MAC
        assert shown["allmulticast"] is True and shown["promiscuous"] is False
        assert {s.tiers()[m] for m in M.values()} == {"mac-filter"}
        assert s.tiers()[GROUP] == "allmulticast" and "no multicast list" in s.why(GROUP)
        assert s.members() == {MEMBERS[0]: ("up", True), MEMBERS[1]: ("up", mode == 0)}
        assert "members" in s.daemon.ctl("-d", "uplink", "show", raw=True)
        s.everything_passes(GROUP)
        s.filtered(F.build(NOBODY, EXTERNAL))
        assert s.drops(WIRE, F.build(OTHER_GROUP, EXTERNAL)) == {"no_port": 1}
        if mode == 0:
            s.wire.feed = 1
            s.everything_passes(GROUP)
            s.filtered(F.build(NOBODY, EXTERNAL))


@both_modes
def test_a_member_fails_and_comes_back(mode):
    with BondSetup(WITH_GROUP, mode=mode) as s:
        s.everything_passes(GROUP)
        s.watch(*M.values(), GROUP, ALL_HOSTS)
        before = s.shown()["demux"]
        assert s.fail_over(to=1) < 1
        s.everything_passes(GROUP)
        poll_until(lambda: s.members() == {MEMBERS[0]: ("down", False), MEMBERS[1]: ("up", True)},
                   1, "the second member is active")
        shown = s.shown()
        assert shown["link"] == "up" and shown["demux"] == before
        assert all(p["link"] == "up" for p in s.rpc("port.show"))
        s.filtered(F.build(NOBODY, EXTERNAL))
        s.daemon.ctl("maddr", "add", NOBODY, "port", "v1")  # while one is away

        s.nics[0].ctl("link up")
        poll_until(lambda: s.members()[MEMBERS[0]][0] == "up", 1, "the first member is back")
        assert s.fail_over(to=0) < 1
        s.everything_passes(GROUP, NOBODY)
        s.nothing_was_lost()
        assert s.shown()["link"] == "up"


def test_both_down_and_up_again():
    with BondSetup(WITH_GROUP) as s:
        for nic in s.nics:
            nic.ctl("link down")
        poll_until(lambda: s.shown()["link"] == "down", 1, "the uplink is down")
        assert s.active() == []
        s.nics[1].ctl("link up")
        poll_until(lambda: s.shown()["link"] == "up", 1, "the uplink is up")
        assert s.active() == [MEMBERS[1]]
        s.wire.feed = 1
        s.everything_passes(GROUP)
        s.nics[0].ctl("link up")
        poll_until(lambda: s.members()[MEMBERS[0]][0] == "up", 1, "the first member is up")
        s.everything_passes(GROUP)


@both_modes
def test_more_addresses_than_the_table_holds(mode):
    """The bonding driver has 16 places, one is its own: what is too much makes both members
    promiscuous, also the one that is not active."""
    extra = [mac(0x100 + i) for i in range(13)]
    with BondSetup(mode=mode, macs=32) as s:
        for address in extra[:-1]:
            s.rpc("maddr.add", address=address, port="v1")
        assert not any(state["promisc"] for state in s.states())
        s.watch(*M.values(), *extra[:5])
        s.rpc("maddr.add", address=extra[-1], port="v1")
        assert all(state["promisc"] for state in s.states())
        assert s.tiers()[extra[-1]] == "promiscuous" and "full" in s.why(extra[-1])
        assert s.gives(WIRE, F.build(extra[-1], EXTERNAL)) == ["v1"]
        s.fail_over(to=1)
        s.everything_passes(*extra)
        assert all(state["promisc"] for state in s.states())
        s.rpc("maddr.del", address=extra[-1], port="v1")
        assert not any(state["promisc"] for state in s.states())
        s.filtered(F.build(NOBODY, EXTERNAL))
        s.everything_passes(*extra[:-1])
        s.nothing_was_lost()


def test_a_member_with_a_smaller_table():
    with BondSetup(second={"macs": 3}) as s:
        assert all(state["promisc"] for state in s.states())
        s.everything_passes()
        s.fail_over(to=1)
        s.everything_passes()
        s.daemon.ctl("port", "del", "b2")
        assert not any(state["promisc"] for state in s.states())


@both_modes
def test_a_member_without_allmulticast(mode):
    """The driver is content with one member that opens itself; the frames come by the other."""
    with BondSetup(WITH_GROUP, mode=mode, second={"allmulti": 0}) as s:
        assert all(state["promisc"] for state in s.states())
        assert s.tiers()[GROUP] == "promiscuous"
        s.fail_over(to=1)
        s.everything_passes(GROUP)


def test_flow_rules_on_both_members():
    with BondSetup(WITH_GROUP, flows=8, queues=8) as s:
        poll_until(lambda: {s.tiers()[m] for m in M.values()} == {"flow-queue"}, 5, "rules")
        rules = [{r["dst"]: r["queue"] for r in state["flows"]} for state in s.states()]
        assert rules[0] == rules[1] and set(rules[0]) == set(M.values())
        s.watch(*M.values(), GROUP)
        s.everything_passes(GROUP)
        assert s.fail_over(to=1) < 1
        s.everything_passes(GROUP)
        queues = s.nics[1].state()["rx"]["queues"]
        assert all(queues[q] > 0 for q in rules[1].values())
        s.nothing_was_lost()


def test_flow_rules_of_one_member_only():
    with BondSetup(WITH_GROUP, first={"flows": 8}) as s:
        assert {s.tiers()[m] for m in M.values()} == {"mac-filter"}
        assert [state["flows"] for state in s.states()] == [[], []]
        s.fail_over(to=1)
        s.everything_passes(GROUP)


@pytest.mark.parametrize("which", [0, 1], ids=["active", "backup"])
@pytest.mark.parametrize("flows", [0, 8])
def test_a_member_asks_for_a_reset(which, flows):
    with BondSetup(WITH_GROUP, flows=flows) as s:
        s.nics[which].ctl("reset")
        s.nics[which].wait_state(lambda state: state["calls"]["reset"] == 1 and state["allmulti"] and
                                 len(state["macs"]) == len(PORTS), timeout=5)
        poll_until(lambda: s.shown()["link"] == "up" and len(s.active()) == 1, 2, "it runs again")
        assert s.nics[1 - which].state()["calls"]["reset"] == 0
        assert all(len(state["flows"]) == (len(PORTS) if flows else 0) for state in s.states())
        s.wire.feed = MEMBERS.index(s.active()[0])
        s.everything_passes(GROUP)
        s.fail_over(to=1 - s.wire.feed)
        s.everything_passes(GROUP)
        s.filtered(F.build(NOBODY, EXTERNAL))


def test_a_member_is_removed():
    with BondSetup(WITH_GROUP) as s:
        s.nics[0].ctl("remove")
        s.nics[0].ctl("link down")
        poll_until(lambda: s.active() == [MEMBERS[1]], 1, "the second member is active")
        s.wire.feed = 1
        s.everything_passes(GROUP)
        s.daemon.ctl("maddr", "add", OTHER_GROUP, "port", "v1")
        s.everything_passes(GROUP, OTHER_GROUP)


def test_a_port_with_the_second_members_address():
    ports = {**PORTS, "v1": {**PORTS["v1"], "mac": SECOND_MAC}}
    with BondSetup(ports) as s:
        assert s.shown()["promiscuous"] is True and "member's own" in s.why(SECOND_MAC)
        for to in 1, 0:
            s.nics[to].ctl("link up")
            s.fail_over(to)
            assert s.gives(WIRE, F.build(SECOND_MAC, EXTERNAL)) == ["v1"]


def test_mtu_goes_to_all_members():
    with BondSetup() as s:
        s.daemon.ctl("uplink", "set", "up0", "mtu", "1400")
        assert [state["mtu"] for state in s.states()] == [1400, 1400]
        s.everything_passes()
        with pytest.raises(CtlError):
            s.daemon.ctl("uplink", "set", "up0", "mtu", "65000")
        assert [state["mtu"] for state in s.states()] == [1400, 1400]
        s.nics[1].ctl("fault mtu_busy on")  # changed only while stopped: the bond is, for that
        s.daemon.ctl("uplink", "set", "up0", "mtu", "1300")
        assert [state["mtu"] for state in s.states()] == [1300, 1300]
        s.everything_passes()
        s.fail_over(to=1)
        s.everything_passes()


@both_modes
def test_two_workers(mode):
    with BondSetup(WITH_GROUP, mode=mode, daemon={"workers": 2}) as s:
        frames = [F.build(M["b1"], mac(0x400 + i)) for i in range(64)]
        assert s.gives(WIRE, *frames) == [["b1"]] * 64
        s.fail_over(to=1)
        s.everything_passes(GROUP)
        assert s.gives(WIRE, *frames) == [["b1"]] * 64


def test_deleted_and_added_again():
    with BondSetup({}) as s:
        for _ in range(2):
            s.rpc("uplink.set", name="up0", demux="promisc")
            s.daemon.ctl("uplink", "del", "up0")
            assert not any(state["started"] for state in s.states())
            assert not any(state["promisc"] or state["macs"] for state in s.states())
            s.rpc("uplink.add", name="up0", device=s.device)
            poll_until(lambda: s.shown()["link"] == "up", 2, "the uplink is up")
            assert list(s.members()) == MEMBERS


def test_members_that_cannot_be_had():
    with BondSetup({}) as s:
        other = "net_bonding1,mode=1,slave=net_simnic1"
        for device in "net_simnic0", other, other + ",slave=nothing", "net_bonding1,mode=1", \
                "net_bonding1,mode=1,slave=net_bonding0":
            with pytest.raises(RpcError, match="device"):
                s.rpc("uplink.add", name="up1", device=device)
        assert [u["name"] for u in s.rpc("uplink.show")] == ["up0"]
        assert s.members()[MEMBERS[0]] == ("up", True)
        s.rpc("uplink.add", name="up1", device="net_null0")
        with pytest.raises(RpcError, match="member"):
            s.rpc("uplink.add", name="up2", device="net_bonding1,mode=1,slave=net_null0")
        assert next(u for u in s.rpc("uplink.show") if u["name"] == "up1")["link"] == "up"


class Partner:
    """The outside switch's end of LACP: answers each LACPDU with one that mirrors its sender, and
    says that all is well. Frames that are no LACP stay."""
    SLOW = bytes.fromhex("0180c2000002")
    HAPPY = 0x3d  # active, aggregatable, in sync, collecting, distributing

    def __init__(self, nics):
        self.nics, self.heard, self.ends = nics, [0] * len(nics), False
        self.threads = [threading.Thread(target=self._talk, args=(i,)) for i in range(len(nics))]

    def _talk(self, i):
        nic = self.nics[i]
        while not self.ends:
            with nic.arrival:
                nic.arrival.wait_for(lambda: self.ends or any(map(self._is_lacp, nic.frames)), 0.1)
                pdus = [f for f in nic.frames if self._is_lacp(f)]
                for pdu in pdus:
                    nic.frames.remove(pdu)
            for pdu in pdus:
                self.heard[i] += 1
                nic.send(self._answer(pdu, i))

    def _is_lacp(self, frame):
        return frame[:6] == self.SLOW and frame[12:15] == b"\x88\x09\x01"

    def _answer(self, pdu, i):
        theirs = pdu[18:33]  # system priority, system, key, port priority, port, state
        ours = struct.pack("!H6sHHHB", 1, F.mac_bytes(EXTERNAL), *struct.unpack("!H", theirs[8:10]),
                           1, i + 1, self.HAPPY)
        body = b"\x01\x01" + b"\x01\x14" + ours + bytes(3) + b"\x02\x14" + theirs + bytes(3) + \
            b"\x03\x10" + bytes(14)
        return self.SLOW + F.mac_bytes(EXTERNAL) + b"\x88\x09" + body + bytes(52)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ends = True
        for thread in self.threads:
            thread.join()


def test_lacp_comes_up_without_traffic():
    with BondSetup(WITH_GROUP, mode=4) as s, Partner(s.nics) as partner:
        poll_until(lambda: all(n >= 3 for n in partner.heard), 20, "LACP speaks on both members")
        time.sleep(3)  # until the members collect and distribute, which nothing shows
        s.everything_passes(GROUP)
        s.wire.feed = 1
        s.everything_passes(GROUP)
        s.fail_over(to=0)
        s.everything_passes(GROUP)
