# SPDX-License-Identifier: BSD-3-Clause
"""Ports and uplinks come, change and go while two other ports talk: not one of their frames is
lost, doubled or reordered.

The rate cannot overflow a ring by itself: the sender's transmit ring holds 256 frames, the
receiver's ring 1024, and the one loop of vguest takes as many as it sends.
"""
import contextlib
import itertools
import os

import pytest

from lib import frames as F
from lib.daemon import RpcError
from support import EXTERNAL, GROUP, MODES, WIRE, Setup, at_rest, balance, counters, mac, sunk

B1, B2 = MODES["b1"]["mac"], MODES["b2"]["mac"]
RATE = 20000
CHUNK = RATE  # frames of one blast: a second
CYCLES = 1000


@pytest.fixture(scope="module")
def talk():
    """b1 and b2 in one vguest with c, whose guest is the server: it survives c's removals."""
    ports = {"b1": MODES["b1"], "b2": MODES["b2"],
             "c": {"mode": "bridge", "mac": mac(0x50), "socket_role": "client"}}
    fields = {"b2": {"queue_size": 1024}, "c": {"role": "server"}}
    with Setup(ports, guests=fields) as s:
        s.guests.sink("b2")
        yield s


def _add_again(s, name, keys, tries=4):
    """Adds a port whose guest is the server, until it is up. virtio-user in server mode, the guest,
    now and then closes a new connection while it still cleans up after the last one ("Expected
    valid Vhost FD") and then sits there deaf until the next one; returns how often that was."""
    for again in range(tries):
        s.rpc("port.add", name=name, **keys)
        with contextlib.suppress(TimeoutError):
            s.daemon.wait_links([name], timeout=4)
            return again
        assert s.daemon.port(name)["state"] == "connected", "no connection to the guest"
        s.rpc("port.del", name=name)
    raise AssertionError(f"{name}'s guest does not come back: {s.guests.log()}")


class Traffic:
    """Blasts from b1 to b2, one after the other, until enough was done meanwhile."""

    def __init__(self, s):
        self.s = s
        self.frame = F.build(B2, B1, length=100)

    def during(self, steps):
        """Runs the steps (an iterator), traffic beside them all the time."""
        rounds = 0
        more = True
        while more:
            self.s.guests.sink("b2")
            self.s.guests.blast("b1", CHUNK, self.frame, RATE)
            while self.s.guests.stats("b1")["blast_left"] > 0 and more:
                for _ in range(5):
                    more = next(steps, None) is not None
            rounds += 1
            self.s.guests.wait_blast("b1")
            self.check()
        return rounds

    def check(self):
        got = sunk(self.s, "b2", CHUNK)
        assert {k: got[k] for k in ("received", "gaps", "reorders", "duplicates")} == \
            {"received": CHUNK, "gaps": 0, "reorders": 0, "duplicates": 0}
        now = counters(self.s.daemon)
        assert not any(now["b1"]["drops"].values()) and not any(now["b2"]["drops"].values())
        assert balance(now) == 0


@pytest.mark.timeout(120)
def test_a_third_port_a_thousand_times(talk):
    """Added, changed (mode, MAC, filter) and removed 1,000 times; its guest is not there."""
    modes = itertools.cycle(["vepa", "private", "bridge"])
    done = []

    def steps():
        for i in range(CYCLES):
            talk.rpc("port.add", name="third", uplink="up0", mode="bridge", mac=mac(0x100 + i),
                     socket=talk.daemon.socket_path("third"))
            talk.rpc("port.set", name="third", mode=next(modes), mac=mac(0x1000 + i),
                     promisc="on", maddr=GROUP)
            talk.rpc("port.del", name="third")
            done.append(i)
            yield i
    Traffic(talk).during(steps())
    assert len(done) == CYCLES
    assert [p["name"] for p in talk.rpc("port.show")] == ["b1", "b2", "c"]


@pytest.mark.timeout(90)
def test_a_third_port_with_its_guest(talk):
    """The same with a running guest that is a member of the bridge: 40 times, and up each time."""
    port = next(p for p in talk.rpc("port.show") if p["name"] == "c")
    keys = {k: port[k] for k in ("uplink", "mode", "mac", "socket", "socket_role")}
    deaf = []

    def steps():
        for i in range(40):
            talk.rpc("port.set", name="c", mode="vepa", promisc="on", mac=mac(0x60 + i))
            yield i
            talk.rpc("port.del", name="c")
            yield i
            deaf.append(_add_again(talk, "c", keys))
            yield i
    Traffic(talk).during(steps())
    assert len(deaf) == 40 and sum(deaf) <= 3
    assert talk.gives("c", F.build(B2, keys["mac"])) == ["b2"]


@pytest.mark.timeout(60)
def test_a_port_goes_under_its_own_traffic(talk):
    """c's guest floods and receives while c is deleted and added: the others lose nothing, and
    c's counters end up in the uplink's removed_ports."""
    keys = {k: talk.daemon.port("c")[k] for k in ("uplink", "mode", "mac", "socket",
                                                 "socket_role")}

    def steps():
        for i in range(5):
            before = talk.guests.stats("c")["tx"]
            talk.guests.blast("c", 3000, F.build(F.BROADCAST, keys["mac"]), 6000)
            while talk.guests.stats("c")["tx"] < before + 200:
                yield i
            removed = counters(talk.daemon)["removed up0"]["from_packets"]
            talk.rpc("port.del", name="c")
            assert counters(talk.daemon)["removed up0"]["from_packets"] >= removed + 100
            yield i
            _add_again(talk, "c", keys)
            talk.guests.wait_blast("c")
            yield i
    traffic = Traffic(talk)
    traffic.check = lambda: _check_stream(talk)  # c's floods come to b2 as well
    traffic.during(steps())
    talk.wire.poll()  # c's floods
    talk.guests["b1"].poll()
    assert balance(at_rest(talk.daemon)) == 0


def _check_stream(s):
    got = sunk(s, "b2", CHUNK, source=B1)
    assert got == {"received": CHUNK, "gaps": 0, "reorders": 0, "duplicates": 0}


@pytest.mark.timeout(60)
def test_an_uplink_comes_and_goes(talk):
    talk.ns.veth("up9", "wire9")
    keys = {"device": "net_af_packet9,iface=up9"}

    def steps():
        for i in range(15):
            talk.rpc("uplink.add", name="nine", **keys)
            talk.rpc("port.add", name="on9", uplink="nine", socket=talk.daemon.socket_path("on9"))
            yield i
            talk.rpc("uplink.set", name="nine", hairpin="on", mtu="1400")
            with pytest.raises(RpcError, match="on9"):
                talk.rpc("uplink.del", name="nine")
            talk.rpc("port.del", name="on9")
            talk.rpc("uplink.del", name="nine")
            yield i
    Traffic(talk).during(steps())
    assert [u["name"] for u in talk.rpc("uplink.show")] == ["up0"]


def test_add_and_delete_by_macvctl(pair):
    """A guest gets frames as soon as its port is added, and none after it is deleted."""
    socket = pair.daemon.socket_path("new")
    pair.daemon.ctl("port", "add", "new", "uplink", "up0", "mode", "bridge", "mac", mac(9),
                    "socket", socket)
    with pair.attach("new") as new:
        pair.guests.guests["new"] = new["new"]
        assert pair.gives("b1", F.build(mac(9), B1)) == ["new"]
        assert pair.gives(WIRE, F.build(F.BROADCAST, EXTERNAL)) == ["b1", "b2", "new"]
        del pair.guests.guests["new"]
        pair.daemon.ctl("port", "del", "new")
        assert pair.gives("b1", F.build(mac(9), B1)) == [WIRE]
        new.kill()  # its switch is gone
    assert not os.path.exists(socket)
    assert pair.gives(WIRE, F.build(F.BROADCAST, EXTERNAL)) == ["b1", "b2"]
