# SPDX-License-Identifier: BSD-3-Clause
"""Every mode: who gets a frame from a guest, from the wire, and from a port reflected by the wire
(section 2 of the design, each cell). b1, b2 are bridge ports, v1, v2 vepa, p1, p2 private."""
import pytest

from lib import frames as F
from support import (ALL_HOSTS, ALL_HOSTS6, EXTERNAL, GROUP, MODES, NOBODY, UPLINK_MAC, WIRE)

M = {name: p["mac"] for name, p in MODES.items()}
M.update(nobody=NOBODY, uplink=UPLINK_MAC, broadcast=F.BROADCAST, unjoined=GROUP,
         all_hosts=ALL_HOSTS, all_hosts6=ALL_HOSTS6)
WIRE_ONLY = [WIRE]

FROM_GUEST = {
    "b1": {"b2": ["b2"], "b1": WIRE_ONLY, "v1": WIRE_ONLY, "p1": WIRE_ONLY, "nobody": WIRE_ONLY,
           "uplink": WIRE_ONLY, "broadcast": ["b2", WIRE], "all_hosts": ["b2", WIRE],
           "all_hosts6": ["b2", WIRE], "unjoined": WIRE_ONLY},
    "v1": dict.fromkeys(["v2", "v1", "b1", "p1", "nobody", "uplink", "broadcast", "all_hosts",
                         "unjoined"], WIRE_ONLY),
    "p1": dict.fromkeys(["p2", "p1", "b1", "v1", "nobody", "uplink", "broadcast", "all_hosts",
                         "unjoined"], WIRE_ONLY),
}
ALL = sorted(MODES)
FROM_WIRE = {**{name: [name] for name in MODES}, "broadcast": ALL, "all_hosts": ALL,
             "all_hosts6": ALL}
REFLECTED = {  # a list of receivers, or the reason of the drop
    "v1": {"v2": ["v2"], "b1": ["b1"], "v1": "own_reflection", "p1": "isolated",
           "nobody": "no_port", "uplink": "no_port", "broadcast": ["b1", "b2", "v2"],
           "all_hosts": ["b1", "b2", "v2"], "unjoined": "no_port"},
    "b1": {"b2": ["b2"], "v1": ["v1"], "b1": "own_reflection", "p1": "isolated",
           "nobody": "no_port", "uplink": "no_port", "broadcast": ["v1", "v2"],
           "all_hosts": ["v1", "v2"], "unjoined": "no_port"},
    "p1": dict.fromkeys(["p2", "p1", "v1", "b1", "nobody", "uplink", "broadcast", "all_hosts",
                         "unjoined"], "isolated"),
}


def _rows(table):
    return [pytest.param(source, dst, want, id=f"{source}-{dst}")
            for source, row in table.items() for dst, want in row.items()]


@pytest.mark.parametrize("source, dst, want", _rows(FROM_GUEST))
def test_from_guest(switch, source, dst, want):
    assert switch.gives(source, F.build(M[dst], M[source])) == want


@pytest.mark.parametrize("dst", FROM_WIRE)
def test_from_wire(switch, dst):
    assert switch.gives(WIRE, F.build(M[dst], EXTERNAL)) == FROM_WIRE[dst]


@pytest.mark.parametrize("dst", ["nobody", "uplink", "unjoined"])
def test_from_wire_to_nobody(switch, dst):
    assert switch.drops(WIRE, F.build(M[dst], EXTERNAL)) == {"no_port": 1}


@pytest.mark.parametrize("source, dst, want", _rows(REFLECTED))
def test_reflected(switch, source, dst, want):
    frame = F.build(M[dst], M[source])
    if isinstance(want, str):
        assert switch.drops(WIRE, frame) == {want: 1}
    else:
        assert switch.gives(WIRE, frame) == want


def test_a_spoofed_source_changes_nothing_for_guests(switch):
    """What a guest puts into the source address does not decide where its frame goes."""
    assert switch.gives("v1", F.build(M["b2"], M["b1"])) == WIRE_ONLY
    assert switch.gives("b1", F.build(M["b2"], M["p1"])) == ["b2"]


def test_group_source_is_external(switch):
    """A frame whose source is a group address is no port's reflection."""
    assert switch.gives(WIRE, F.build(M["p1"], GROUP)) == ["p1"]


@pytest.mark.parametrize("vlans", [(5,), (0,), ((0x88A8, 7), 5)], ids=["tag", "priority", "qinq"])
def test_tags_do_not_matter(switch, vlans):
    assert switch.gives("b1", F.build(M["b2"], M["b1"], vlans=vlans)) == ["b2"]
    assert switch.gives("v1", F.build(M["v2"], M["v1"], vlans=vlans)) == WIRE_ONLY
    # DPDK's net_af_packet puts the outer tag back as 0x8100, whatever it was on the wire.
    vlans = [v[1] if isinstance(v, tuple) else v for v in vlans]
    assert switch.gives(WIRE, F.build(M["p2"], EXTERNAL, vlans=vlans)) == ["p2"]
    assert switch.gives(WIRE, F.build(F.BROADCAST, M["v1"], vlans=vlans)) == ["b1", "b2", "v2"]


@pytest.mark.parametrize("length", [60, 61, 128, 590, 1500, 1514])
def test_every_length_arrives_unchanged(switch, length):
    assert switch.gives("b1", F.build(M["b2"], M["b1"], length=length)) == ["b2"]
    assert switch.gives("b1", F.build(F.BROADCAST, M["b1"], length=length)) == ["b2", WIRE]
    assert switch.gives(WIRE, F.build(F.BROADCAST, EXTERNAL, length=length)) == ALL


def test_a_burst_keeps_its_order(switch):
    """500 frames to three kinds of receivers, each receiver's in the order they were sent."""
    sent = [F.build([M["b2"], NOBODY, F.BROADCAST][i % 3], M["b1"]) for i in range(500)]
    for frame in sent:
        switch.guests["b1"].send(frame)
    to_b2 = [f for i, f in enumerate(sent) if i % 3 != 1]
    to_wire = [f for i, f in enumerate(sent) if i % 3 != 0]
    assert switch.guests["b2"].collect(5, count=len(to_b2)) == to_b2
    assert switch.wire.collect(5, count=len(to_wire)) == to_wire
