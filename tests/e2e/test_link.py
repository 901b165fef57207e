# SPDX-License-Identifier: BSD-3-Clause
"""The uplink's link state and MTU are followed; several uplinks in one daemon never meet."""
import time

import pytest

from lib import frames as F
from lib.daemon import CtlError, poll_until
from lib.wire import Wire
from support import EXTERNAL, MODES, NOBODY, WIRE, Setup, at_rest, balance, counters, mac

B1, B2 = MODES["b1"]["mac"], MODES["b2"]["mac"]


def _uplink(s):
    return s.rpc("uplink.show")[0]


@pytest.fixture(scope="module")
def pair():
    with Setup({"b1": MODES["b1"], "b2": MODES["b2"]}) as s:
        yield s


@pytest.mark.parametrize("end", ["wire0", "up0"])
def test_link_is_followed_within_a_second(pair, end):
    for state in "down", "up", "down", "up":
        start = time.monotonic()
        pair.ns.ip("link", "set", end, state)
        poll_until(lambda: _uplink(pair)["link"] == state, 3, f"link {state}")
        assert time.monotonic() - start < 1
        # the guests do not need the wire to talk
        pair.guests["b1"].send(F.build(B2, B1))
        assert len(pair.guests["b2"].collect(3, count=1)) == 1
    assert pair.gives(WIRE, F.build(B1, EXTERNAL)) == ["b1"]
    # net_af_packet learns that its own interface was down by the next send, and its frame leaves
    # with the one after: so two, one after the other
    both = [F.build(NOBODY, B1), F.build(NOBODY, B1)]
    for frame in both:
        pair.guests["b1"].send(frame)
        at_rest(pair.daemon)
    assert pair.wire.collect(3, count=2) == both


def test_the_kernels_mtu_is_followed(pair):
    for mtu in 1400, 1500:
        for name in "up0", "wire0":
            pair.ns.ip("link", "set", name, "mtu", mtu)
        poll_until(lambda: _uplink(pair)["mtu"] == mtu, 1, f"mtu {mtu}")
        full = mtu + 18
        assert pair.gives("b1", F.build(B2, B1, length=full)) == ["b2"]
        assert pair.drops("b1", F.build(B2, B1, length=full + 1)) == {"too_big": 1}


def test_mtu_is_set(pair):
    try:
        pair.daemon.ctl("uplink", "set", "up0", "mtu", 1300)
        assert _uplink(pair)["mtu"] == 1300
        assert "mtu 1300" in pair.ns.ip("link", "show", "up0")
        assert pair.gives("b1", F.build(NOBODY, B1, length=1314)) == [WIRE]
        assert pair.drops("b1", F.build(NOBODY, B1, length=1319)) == {"too_big": 1}
    finally:
        pair.daemon.ctl("uplink", "set", "up0", "mtu", 1500)
    assert pair.gives("b1", F.build(NOBODY, B1, length=1514)) == [WIRE]


@pytest.mark.parametrize("mtu", [67, 0, 9601, 70000, -1, "big", 4000])
def test_mtus_that_are_refused(pair, mtu):
    """4000: more than net_af_packet's frames of 2048 bytes take."""
    before = pair.settings()
    with pytest.raises(CtlError, match=f"mtu.*{mtu}") as refused:
        pair.daemon.ctl("uplink", "set", "up0", "mtu", mtu)
    assert refused.value.status == 2
    assert pair.settings() == before


@pytest.mark.parametrize("workers", [1, 2])
def test_two_uplinks_never_meet(workers):
    """The same addresses on both; what is sent on one stays there."""
    uplinks = {"up0": {}, "up1": {"device": "net_af_packet1,iface=up1"}}
    ports = {"a1": ("up0", 1), "a2": ("up0", 2), "z1": ("up1", 1), "z2": ("up1", 2)}
    with Setup(guests=False, daemon={"workers": workers}) as s:
        s.ns.veth("up1", "wire1")
        s.rpc("uplink.add", name="up1", **uplinks["up1"])
        for name, (uplink, n) in ports.items():
            s.rpc("port.add", name=name, uplink=uplink, mode="bridge", mac=mac(n),
                  socket=s.daemon.socket_path(name))
        with s.attach(*ports) as guests, Wire(s.ns, "wire1") as wire1:
            ends = {**guests.guests, "wire0": s.wire, "wire1": wire1}

            def receivers(source, frame):
                before = counters(s.daemon)
                ends[source].send(frame)
                poll_until(lambda: counters(s.daemon) != before, 3, "the frame is counted")
                after = at_rest(s.daemon)
                assert balance(after) == 0
                n = sum(c["to_packets"] - before[k]["to_packets"] for k, c in after.items())
                got, end = [], time.monotonic() + 3
                while len(got) < n and time.monotonic() < end:
                    got += [k for k, v in ends.items() for f in v.poll() if f == frame]
                return sorted(got)

            for one, other, wire in ("a1", "a2", "wire0"), ("z1", "z2", "wire1"):
                assert receivers(one, F.build(mac(2), mac(1))) == [other]
                assert receivers(one, F.build(NOBODY, mac(1))) == [wire]
                assert receivers(one, F.build(F.BROADCAST, mac(1))) == sorted([other, wire])
                assert receivers(wire, F.build(F.BROADCAST, EXTERNAL)) == sorted([one, other])
                assert receivers(wire, F.build(mac(2), EXTERNAL)) == [other]
            s.rpc("port.set", name="a1", mac=mac(9), promisc="on")
            assert receivers("z2", F.build(mac(9), mac(2))) == ["wire1"]
            assert receivers("wire1", F.build(mac(9), EXTERNAL)) == []
            assert receivers("wire1", F.build(mac(2), mac(9))) == ["z2"]  # no reflection there
