# SPDX-License-Identifier: BSD-3-Clause
"""Guests' rings: several queues, split and packed, mergeable buffers or not, small and large."""
import collections
import struct

import pytest

from lib import frames as F
from support import EXTERNAL, NOBODY, WIRE, Setup, mac

QUEUES = 4
FLOWS = 64
PER_FLOW = 8
Q, ONE = mac(1), mac(2)


def udp(dst, src, sport, dport=4789, ipv6=False, length=100):
    """A frame of a UDP flow, numbered as F.build() does it."""
    l4 = struct.pack("!HHHH", sport, dport, length - 34, 0)
    if ipv6:
        ip = struct.pack("!IHBB", 6 << 28, length - 54, 17, 64) + bytes(15) + b"\1" + \
            bytes(15) + b"\2"
    else:
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length - 14, 0, 0, 64, 17, 0,
                         b"\x0a\0\0\1", b"\x0a\0\0\2")
    frame = F.build(dst, src, ethertype=0x86DD if ipv6 else 0x0800, length=length)
    at = 14 + len(ip) + len(l4)
    return frame[:14] + ip + l4 + frame[14:22] + frame[at + 8:]


@pytest.fixture(scope="module")
def queues():
    ports = {"q": {"mode": "bridge", "mac": Q, "queues": QUEUES},
             "one": {"mode": "bridge", "mac": ONE}}
    with Setup(ports, guests={"q": {"queues": QUEUES}}) as s:
        s.rpc("port.set", name="q", mode="bridge")
        yield s


def test_the_guests_queues_are_seen(queues):
    port = queues.daemon.port("q")
    assert (port["queues"], port["guest"]["queue_pairs"]) == (QUEUES, QUEUES)
    assert queues.daemon.port("one")["guest"]["queue_pairs"] == 1


@pytest.mark.parametrize("source", [WIRE, "one"])
@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_each_flow_has_one_queue_and_its_order(queues, source, ipv6):
    src = EXTERNAL if source == WIRE else ONE
    sent = [udp(Q, src, 1000 + flow, ipv6=ipv6)
            for _ in range(PER_FLOW) for flow in range(FLOWS)]
    for frame in sent:
        queues.endpoint(source).send(frame)
    came = collections.defaultdict(list)
    for _ in sent:
        got = queues.guests["q"].recv(3)
        assert got, f"only {sum(map(len, came.values()))} of {len(sent)} frames came"
        sport = struct.unpack_from("!H", got[0], 54 if ipv6 else 34)[0]
        came[sport].append((got[0], got[1]))
    assert len(came) == FLOWS
    used = set()
    for sport, frames in came.items():
        assert len({queue for _, queue in frames}) == 1, "a flow on several queues"
        assert [f for f, _ in frames] == [f for f in sent if f in dict(frames)], "out of order"
        assert len(frames) == PER_FLOW
        used.add(frames[0][1])
    assert used == set(range(QUEUES))


def test_the_guest_sends_on_each_queue(queues):
    for queue in range(QUEUES):
        assert queues.gives("q", udp(ONE, Q, 1), queue=queue) == ["one"]
        assert queues.gives("q", udp(NOBODY, Q, 1), queue=queue) == [WIRE]
        assert queues.gives("q", F.build(F.BROADCAST, Q), queue=queue) == ["one", WIRE]


def test_no_frame_comes_with_offloads(queues):
    """Off means negotiated off: complete checksums, no segments to be merged."""
    features = queues.daemon.port("q")["guest"]["features"]
    for bit in 0, 1, 7, 8, 11, 12:  # CSUM, GUEST_CSUM, GUEST_TSO4/6, HOST_TSO4/6
        assert not features >> bit & 1
    queues.wire.send(udp(Q, EXTERNAL, 5))
    frame, _, flags = queues.guests["q"].recv(3)
    assert flags == 0 and len(frame) == 100


RINGS = [dict(packed=p, mrg_rxbuf=m, queues=q, queue_size=n)
         for p in (0, 1) for m in (0, 1) for q, n in ((1, 256), (4, 64))]


@pytest.mark.parametrize("ring", RINGS, ids=lambda r: "-".join(map(str, r.values())))
def test_kinds_of_rings(ring):
    """Packed or split, mergeable or not, one queue or four: several times around each ring."""
    ports = {n: {"mode": "bridge", "mac": m, "queues": ring["queues"]}
             for n, m in (("q", Q), ("one", ONE))}
    with Setup(ports, guests={"q": ring, "one": ring}) as s:
        guest = s.daemon.port("q")["guest"]
        assert guest["ring"] == ("packed" if ring["packed"] else "split")
        assert guest["mergeable_buffers"] == bool(ring["mrg_rxbuf"])
        assert guest["queue_pairs"] == ring["queues"]
        for i in range(12):
            batch = [udp(ONE, Q, 50 * i + n, length=60 + (i * 131 + 97 * n) % 1455)
                     for n in range(50)]
            assert s.gives("q", *batch) == [["one"]] * 50
            batch = [udp(Q, EXTERNAL, 50 * i + n, length=1514 - n) for n in range(50)]
            assert s.gives(WIRE, *batch) == [["q"]] * 50
        assert s.gives("q", F.build(F.BROADCAST, Q, length=1514)) == ["one", WIRE]


def test_a_guest_with_fewer_queues_than_its_port():
    ports = {"q": {"mode": "bridge", "mac": Q, "queues": 4}, "one": {"mode": "bridge", "mac": ONE}}
    with Setup(ports, guests={"q": {"queues": 2}}) as s:
        assert s.daemon.port("q")["guest"]["queue_pairs"] == 2
        batch = [udp(Q, EXTERNAL, n) for n in range(64)]
        assert s.gives(WIRE, *batch) == [["q"]] * 64
        assert s.gives("q", udp(ONE, Q, 1), queue=1) == ["one"]


def test_guests_with_packed_and_split_rings_talk():
    ports = {"q": {"mode": "bridge", "mac": Q}, "one": {"mode": "bridge", "mac": ONE}}
    with Setup(ports, guests={"q": {"packed": 1, "mrg_rxbuf": 0}}) as s:
        for length in 60, 1000, 1514:
            assert s.gives("q", F.build(ONE, Q, length=length)) == ["one"]
            assert s.gives("one", F.build(Q, ONE, length=length)) == ["q"]
