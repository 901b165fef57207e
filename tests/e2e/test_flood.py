# SPDX-License-Identifier: BSD-3-Clause
"""One guest's broadcast does not hold up the others' unicast: it has a share of the worker's time
(flood_share), and what is beyond is dropped under its own reason, as long as there is unicast."""
import pytest

from lib import frames as F
from support import Setup, at_rest, balance, sunk

MAC = {name: f"52:54:00:00:04:{i:02x}" for i, name in enumerate(("a", "b", "loud", *"cdefgh"))}
FLOOD = 300000


@pytest.fixture
def hall():
    """a and b talk, loud is loud, and six more hear it."""
    ports = {name: {"mode": "bridge", "mac": mac} for name, mac in MAC.items()}
    with Setup(ports, guests={"b": {"queue_size": 1024}},
               uplink={"device": "net_null0,no-rx=1", "flood_share": 1}) as s:
        yield s


def _blast(setup, name, to, count, rate=0):
    setup.guests.blast(name, count, F.build(to, MAC[name], length=64), rate)


@pytest.mark.timeout(120)
def test_beside_unicast_floods_have_a_share(hall):
    hall.guests.sink("b")
    _blast(hall, "a", MAC["b"], 5000, rate=2500)
    _blast(hall, "loud", F.BROADCAST, FLOOD)
    hall.guests.wait_blast("a")
    hall.guests.wait_blast("loud")
    stream = sunk(hall, "b", 5000, MAC["a"])
    # The floods of the first milliseconds fill b's ring: a few frames may find no room.
    assert stream["received"] > 4900 and stream["reorders"] == 0, "unicast beside a flood"
    counters = at_rest(hall.daemon)
    assert counters["loud"]["drops"]["flood_limit"] > FLOOD / 10
    assert counters["a"]["drops"].get("flood_limit", 0) == 0
    assert balance(counters) == 0


@pytest.mark.timeout(120)
def test_alone_floods_have_no_limit(hall):
    _blast(hall, "loud", F.BROADCAST, FLOOD)
    hall.guests.wait_blast("loud")
    counters = at_rest(hall.daemon)
    loud = counters["loud"]
    assert (loud["from_packets"], loud["drops"].get("flood_limit", 0)) == (FLOOD, 0)
    assert loud["copies"] == FLOOD * (len(MAC) - 1)  # the others and the wire, less one
    assert balance(counters) == 0


@pytest.mark.timeout(60)
def test_a_share_of_100_is_no_limit(hall):
    hall.rpc("uplink.set", name="up0", flood_share=100)
    _blast(hall, "a", MAC["b"], 2000, rate=2500)
    _blast(hall, "loud", F.BROADCAST, FLOOD // 3)
    hall.guests.wait_blast("a")
    hall.guests.wait_blast("loud")
    assert at_rest(hall.daemon)["loud"]["drops"].get("flood_limit", 0) == 0
