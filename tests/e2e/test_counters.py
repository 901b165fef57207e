# SPDX-License-Identifier: BSD-3-Clause
"""The book balances (dataplane/counters.h): whatever came in was delivered or dropped under one
reason, and nothing of it is forgotten when a port is removed."""
import pytest

from lib import frames as F
from lib.daemon import poll_until
from support import (EXTERNAL, GROUP, MODES, NOBODY, WIRE, Setup, at_rest, balance, drop_sums)

M = {name: p["mac"] for name, p in MODES.items()}


def _delta(before, after):
    return {name: {k: (v - before[name][k] if k != "drops" else
                       {r: n - before[name]["drops"][r] for r, n in v.items()
                        if n != before[name]["drops"][r]})
                   for k, v in c.items()} for name, c in after.items() if name in before}


def test_packets_and_bytes_of_unicast(switch):
    before = switch.counters()
    assert switch.gives("b1", *[F.build(M["b2"], M["b1"], length=100 + i) for i in range(10)]) == \
        [["b2"]] * 10
    assert switch.gives(WIRE, F.build(M["v1"], EXTERNAL, length=777)) == ["v1"]
    assert switch.gives("v1", F.build(NOBODY, M["v1"], length=555)) == [WIRE]
    d = _delta(before, switch.counters())
    assert d["b1"] == {"from_packets": 10, "from_bytes": 1045, "to_packets": 0, "to_bytes": 0,
                       "copies": 0, "drops": {}}
    assert (d["b2"]["to_packets"], d["b2"]["to_bytes"]) == (10, 1045)
    assert (d["up0"]["from_packets"], d["up0"]["from_bytes"]) == (1, 777)
    assert (d["up0"]["to_packets"], d["up0"]["to_bytes"]) == (1, 555)
    assert (d["v1"]["to_packets"], d["v1"]["to_bytes"], d["v1"]["from_packets"],
            d["v1"]["from_bytes"]) == (1, 777, 1, 555)
    assert all(d[name]["copies"] == 0 and d[name]["drops"] == {} for name in d)


def test_copies_of_floods(switch):
    before = switch.counters()
    switch.gives("b1", F.build(F.BROADCAST, M["b1"]))  # b2 and the wire: one more than one
    switch.gives(WIRE, F.build(F.BROADCAST, EXTERNAL))  # six ports
    d = _delta(before, switch.counters())
    assert (d["b1"]["copies"], d["up0"]["copies"]) == (1, 5)
    assert (d["up0"]["to_packets"], d["b2"]["to_packets"], d["b1"]["to_packets"]) == (1, 2, 1)


def test_drops_are_counted_where_they_happen(switch):
    before = switch.counters()
    for frame in (F.build(NOBODY, EXTERNAL), F.build(GROUP, EXTERNAL), F.build(M["p1"], M["v1"]),
                  F.build(M["b1"], M["b1"]), F.build(M["b1"], EXTERNAL, ethertype=0x8808)):
        assert switch.gives(WIRE, frame) == []
    assert switch.gives("v1", F.build(NOBODY, M["v1"], ethertype=0x8808)) == []
    assert switch.gives("v1", F.build(NOBODY, M["v1"], length=1519)) == []
    d = _delta(before, switch.counters())
    assert d["up0"]["drops"] == {"no_port": 2, "isolated": 1, "own_reflection": 1,
                                 "mac_control": 1}
    assert d["v1"]["drops"] == {"mac_control": 1, "too_big": 1}
    assert all(c["drops"] == {} for name, c in d.items() if name not in ("up0", "v1"))


def test_a_full_ring(switch):
    """b2's guest stops taking frames: what its ring has no room for is dropped at b2, others get
    their copies; when it goes on, it gets exactly what was counted as delivered."""
    before = switch.counters()
    switch.guests.pause("b2")
    try:
        for _ in range(600):
            switch.guests["b1"].send(F.build(M["b2"], M["b1"]))
        for _ in range(20):
            switch.guests["b1"].send(F.build(F.BROADCAST, M["b1"]))
        assert len(switch.wire.collect(5, count=20)) == 20
        d = _delta(before, at_rest(switch.daemon))
        assert d["b1"]["from_packets"] == 620 and d["b1"]["copies"] == 20
        assert d["b1"]["drops"] == {}
        delivered = d["b2"]["to_packets"]
        assert 200 < delivered < 600
        assert d["b2"]["drops"] == {"ring_full": 620 - delivered}
        assert d["up0"]["to_packets"] == 20
    finally:
        switch.guests.pause("b2", on=False)
    assert len(switch.guests["b2"].collect(5, count=delivered)) == delivered
    assert switch.gives("b1", F.build(M["b2"], M["b1"])) == ["b2"]
    assert switch.strays() == {}


def test_no_carrier(switch):
    before = switch.counters()
    switch.ns.ip("link", "set", "wire0", "down")
    try:
        _wait_link(switch, "down")
        switch.guests["b1"].send(F.build(NOBODY, M["b1"]))
        switch.guests["b1"].send(F.build(F.BROADCAST, M["b1"]))
        assert len(switch.guests["b2"].collect(3, count=1)) == 1
        d = _delta(before, at_rest(switch.daemon))
        assert d["up0"]["drops"] == {"no_carrier": 2}
        assert (d["b1"]["from_packets"], d["b1"]["copies"], d["b2"]["to_packets"]) == (2, 1, 1)
    finally:
        switch.ns.ip("link", "set", "wire0", "up")
        _wait_link(switch, "up")
    assert switch.gives("b1", F.build(NOBODY, M["b1"])) == [WIRE]


def _wait_link(s, want):
    from lib.daemon import poll_until
    poll_until(lambda: s.rpc("uplink.show")[0]["link"] == want, 5, f"the uplink is {want}")


@pytest.mark.timeout(60)
def test_the_book_after_everything():
    """Traffic of all kinds from all guests and the wire at once, a full ring, a killed port."""
    kinds = [M[n] for n in MODES] + [NOBODY, F.BROADCAST, GROUP]
    with Setup(MODES) as s:
        for name in MODES:
            s.guests.sink(name)
        s.guests.pause("b2")
        for i, name in enumerate(MODES):
            s.guests.blast(name, 4000, F.build(kinds[(i + 1) % 9 if i else 7], M[name]), 4000)
        for i in range(1500):
            src = [EXTERNAL, M["v1"], M["b1"], M["p1"]][i % 4]
            s.wire.send(F.build(kinds[i % 9], src, ethertype=0x8808 if i % 50 == 0 else 0x88B5))
            if i == 700:
                poll_until(lambda: s.daemon.port("v2")["counters"]["from_guest_packets"] > 0, 10,
                           "v2's first frame")
                s.rpc("port.del", name="v2")
            if i % 97 == 0:
                s.guests["b1"].send(F.build(NOBODY, M["b1"], length=1519))
        for name in MODES:
            if name != "v2":  # nobody takes its frames any more
                s.guests.wait_blast(name)
        c = at_rest(s.daemon)
        assert balance(c) == 0
        assert c["up0"]["from_packets"] == 1500
        assert c["removed up0"]["from_packets"] > 0 and "v2" not in c
        for name in "v1", "p1", "p2", "b2":
            assert c[name]["from_packets"] == 4000
        assert c["b1"]["from_packets"] == 4000 + 16
        drops = drop_sums(c)
        assert drops["mac_control"] == 30 and drops["too_big"] == 16
        for reason in "no_port", "isolated", "own_reflection", "ring_full":
            assert drops[reason] > 0, reason
        received = {n: v["rx"] for n, v in s.guests.stats().items()}
        for name in "b1", "v1", "p1", "p2":
            assert received[name] == c[name]["to_packets"]
        s.guests.kill()
        for name in MODES:
            if name != "v2":
                s.rpc("port.del", name=name)
        end = s.counters()
        assert balance(end) == 0
        assert end["removed up0"]["from_packets"] == \
            sum(x["from_packets"] for n, x in c.items() if n != "up0")
        s.guests = None
