# SPDX-License-Identifier: BSD-3-Clause
"""64 ports on one uplink, all with guests."""
import pytest

from lib import frames as F
from support import EXTERNAL, WIRE, Setup, balance, mac, sunk

COUNT = 64
NAMES = [f"vm{i}" for i in range(COUNT)]


@pytest.fixture(scope="module")
def many():
    ports = {name: {"mode": "bridge", "mac": mac(i)} for i, name in enumerate(NAMES)}
    with Setup(ports) as s:
        yield s


@pytest.mark.timeout(90)
def test_all_are_up(many):
    shown = many.rpc("port.show")
    assert [p["name"] for p in shown] == NAMES
    assert {p["link"] for p in shown} == {"up"}
    assert len(many.rpc("fdb.show")) == COUNT


def test_unicast_from_each_to_the_next(many):
    for i, name in enumerate(NAMES):
        to = (i + 1) % COUNT
        assert many.gives(name, F.build(mac(to), mac(i))) == [NAMES[to]]


def test_unicast_from_the_wire_to_each(many):
    got = many.gives(WIRE, *[F.build(mac(i), EXTERNAL) for i in range(COUNT)])
    assert got == [[name] for name in NAMES]


def test_broadcast_reaches_all(many):
    assert many.gives(WIRE, F.build(F.BROADCAST, EXTERNAL)) == sorted(NAMES)
    assert many.gives("vm7", F.build(F.BROADCAST, mac(7))) == \
        sorted([WIRE, *(n for n in NAMES if n != "vm7")])
    c = many.counters()
    assert balance(c) == 0
    assert c["vm7"]["copies"] == COUNT - 1 and c["up0"]["copies"] == COUNT - 1


@pytest.mark.timeout(60)
def test_all_at_once(many):
    """Each guest sends 200 frames to the next: every one arrives, in order."""
    for name in NAMES:
        many.guests.sink(name)
    for i, name in enumerate(NAMES):
        many.guests.blast(name, 200, F.build(mac((i + 1) % COUNT), mac(i)), 400)
    for name in NAMES:
        many.guests.wait_blast(name)
    got = {name: sunk(many, name, 200) for name in NAMES}
    assert {name: (got[name]["received"], got[name]["gaps"], got[name]["reorders"])
            for name in NAMES} == {name: (200, 0, 0) for name in NAMES}
    assert balance(many.counters()) == 0
