# SPDX-License-Identifier: BSD-3-Clause
"""Offloads frame by frame: what guests ask for, honestly or not, and a NIC with checksums and TSO
of its own (tests/simnic) beside one without. Frames are built and taken apart by scapy."""
import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrHopByHop, PadN
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.packet import Raw

from lib import guest as G
from simsetup import SimSetup
from support import EXTERNAL, NOBODY, at_rest, balance, mac

# o1, o2: guests with offloads; p1: without.
PORTS = {name: {"mode": "bridge", "mac": mac(i + 1)} for i, name in enumerate(["o1", "o2", "p1"])}
M = {name: keys["mac"] for name, keys in PORTS.items()}
NIC = {"offloads": {"offloads": True}, "plain": {}, "few buffers": {"offloads": True, "buffers": 1}}


class OffloadSetup(SimSetup):
    def __init__(self, **devargs):
        super().__init__(PORTS, **devargs)
        self.guest_fields = {name: {"offloads": 1} for name in ("o1", "o2")}


@pytest.fixture(scope="module", params=NIC)
def switch(request):
    with OffloadSetup(**NIC[request.param]) as s:
        s.kind = request.param
        yield s


@pytest.fixture(scope="module")
def one():
    with OffloadSetup(offloads=True) as s:
        yield s


def payload(n):
    return Raw(bytes(i * 7 % 251 for i in range(n)))


def build(dst, src, v6=False, tags=0, extension=False, udp=False, length=1000, flags="PA"):
    """A frame with right checksums, as scapy has it."""
    packet = Ether(dst=dst, src=src)
    if tags == 2:
        packet /= Dot1AD(vlan=7)
    if tags > 0:
        packet /= Dot1Q(vlan=9)
    packet /= IPv6(src="fd00::1", dst="fd00::2") if v6 else IP(src="10.0.0.1", dst="10.0.0.2",
                                                              id=0xfffe)
    if extension:
        packet /= IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)])
    packet /= UDP(sport=7, dport=9) if udp else TCP(sport=7, dport=9, seq=0xffffff00, flags=flags,
                                                    options=[("NOP", None)] * 4)
    return Ether(bytes(packet / payload(length)))


def lengths(packet):
    """Of the headers, in bytes."""
    ip = packet.getlayer(IPv6 if IPv6 in packet else IP)
    l4 = packet.getlayer(UDP if UDP in packet else TCP)
    l2 = len(packet) - len(ip)
    return l2, len(ip) - len(l4), len(l4) - len(l4.payload)


def unfinished(packet):
    """The frame without its checksum, and what to ask of the switch."""
    frame, (l2, l3, l4) = bytearray(bytes(packet)), lengths(packet)
    at = l2 + l3 + (6 if UDP in packet else 16)
    frame[at:at + 2] = b"\0\0"
    if IPv6ExtHdrHopByHop in packet:  # then the sum of the pseudo header counts
        rest = bytes(frame[l2 + l3:])
        rest += b"\0" * (len(rest) % 2)
        want = int.from_bytes(bytes(packet)[at:at + 2], "big")
        frame[at:at + 2] = ((0xffff - want - int.from_bytes(rest, "big")) % 0xffff).to_bytes(2,
                                                                                          "big")
    what = G.UDP_CHECKSUM if UDP in packet else G.TCP_CHECKSUM
    return bytes(frame), (l2, l3, l4, 0, what | (G.IPV6 if IPv6 in packet else 0))


def large(packet, segment):
    frame, asks = unfinished(packet)
    return frame, (*asks[:3], segment, asks[4] | G.SEGMENTS)


def segments(packet, size):
    """What a large frame is to become."""
    data, result = bytes(packet[TCP].payload), []
    for at in range(0, len(data), size):
        part = packet.copy()
        tcp = part[TCP]
        tcp.remove_payload()
        part = part / Raw(data[at:at + size])
        tcp = part[TCP]
        tcp.seq = (packet[TCP].seq + at) & 0xffffffff
        if at > 0:
            tcp.flags &= ~0x80
        if at + size < len(data):
            tcp.flags &= ~0x09
        if IPv6 in part:
            del part[IPv6].plen
        else:
            part[IP].id = (packet[IP].id + at // size) & 0xffff
            del part[IP].len, part[IP].chksum
        del tcp.chksum
        result.append(bytes(part))
    return result


FRAMES = [{}, {"v6": True}, {"udp": True}, {"udp": True, "v6": True, "length": 333},
          {"tags": 1}, {"tags": 2, "v6": True}, {"v6": True, "extension": True}, {"length": 0}]


@pytest.mark.parametrize("keys", FRAMES, ids=str)
def test_checksums_are_completed_for_who_does_not(switch, keys):
    for to, end in ("p1", switch.guests["p1"]), ("wire", switch.wire):
        packet = build(M["p1"] if to == "p1" else NOBODY, M["o1"], **keys)
        frame, asks = unfinished(packet)
        assert frame != bytes(packet)
        switch.guests["o1"].send(frame, asks=asks)
        assert end.collect(3, count=1) == [bytes(packet)], to


@pytest.mark.parametrize("keys", FRAMES[:6], ids=str)
def test_a_guest_with_offloads_gets_it_as_it_is(one, keys):
    packet = build(M["o2"], M["o1"], **keys)
    frame, asks = unfinished(packet)
    one.guests["o1"].send(frame, asks=asks)
    got, _, flags = one.guests["o2"].recv(3)
    assert flags & G.UNFINISHED and not flags & G.LARGE
    at = sum(lengths(packet)[:2]) + (6 if UDP in packet else 16)
    assert got[:at] + got[at + 2:] == frame[:at] + frame[at + 2:]
    assert got[at:at + 2] != bytes(packet)[at:at + 2]


LARGE_FRAMES = [{}, {"v6": True}, {"flags": "FPACE"}, {"v6": True, "tags": 1, "flags": "FPACE"},
                {"tags": 1}, {"v6": True, "extension": True}]


@pytest.mark.parametrize("keys", LARGE_FRAMES, ids=str)
def test_large_frames_are_cut_for_who_does_not(switch, keys):
    before = switch.counters()
    for to, end in ("p1", switch.guests["p1"]), ("wire", switch.wire):
        packet = build(M["p1"] if to == "p1" else NOBODY, M["o1"], length=9000, **keys)
        frame, asks = large(packet, 1400)
        switch.guests["o1"].send(frame, asks=asks)
        assert end.collect(3, count=7) == segments(packet, 1400), to
    after = at_rest(switch.daemon)
    assert after["o1"]["from_packets"] == before["o1"]["from_packets"] + 2
    assert after["p1"]["to_packets"] == before["p1"]["to_packets"] + 7
    assert after["p1"]["copies"] == before["p1"]["copies"] + 6
    assert balance(after) == 0


def test_the_nic_does_what_it_can(switch):
    """And what its driver refuses, for its many buffers, is done for it."""
    before = switch.nic.state()["tx"]
    frame, asks = large(build(NOBODY, M["o1"], length=9000), 1400)
    switch.guests["o1"].send(frame, asks=asks)
    assert len(switch.wire.collect(3, count=7)) == 7
    after = switch.nic.state()["tx"]
    assert after["cut"] - before["cut"] == (switch.kind == "offloads")
    assert after["completed"] - before["completed"] == (switch.kind == "offloads")
    assert switch.shown()["offloads"] == (
        ["chains"] if switch.kind == "plain" else
        ["tcp_csum", "udp_csum", "ipv4_csum", "tso", "chains", "rx_tcp_csum", "rx_udp_csum"])


@pytest.mark.parametrize("v6", [False, True])
def test_a_guest_with_offloads_gets_large_frames_whole(one, v6):
    packet = build(M["o2"], M["o1"], length=9000, v6=v6)
    frame, asks = large(packet, 1400)
    one.guests["o1"].send(frame, asks=asks)
    got, _, flags = one.guests["o2"].recv(3)
    assert flags & (G.UNFINISHED | G.LARGE) == G.UNFINISHED | G.LARGE
    assert len(got) == len(frame) and got[-9000:] == frame[-9000:]


def test_a_flood_is_right_for_everybody(switch):
    """Guests with and without offloads and the wire get the same frame."""
    packet = build("ff:ff:ff:ff:ff:ff", M["o1"], udp=True, length=700)
    frame, asks = unfinished(packet)
    for _ in range(5):
        switch.guests["o1"].send(frame, asks=asks)
    assert switch.guests["p1"].collect(3, count=5) == [bytes(packet)] * 5
    assert switch.wire.collect(3, count=5) == [bytes(packet)] * 5
    assert len(switch.guests["o2"].collect(3, count=5)) == 5


def test_large_broadcast(switch):
    """Nobody sends that; but who does gets it cut for each that needs it."""
    packet = build("ff:ff:ff:ff:ff:ff", M["o1"], length=4000)
    frame, asks = large(packet, 1400)
    switch.guests["o1"].send(frame, asks=asks)
    assert switch.guests["p1"].collect(3, count=3) == segments(packet, 1400)
    assert switch.wire.collect(3, count=3) == segments(packet, 1400)
    assert len(switch.guests["o2"].collect(3, count=1)[0]) == len(frame)
    assert balance(at_rest(switch.daemon)) == 0


def _bad_rows():
    tcp, udp = build(NOBODY, M["o1"], length=9000), build(NOBODY, M["o1"], length=9000, udp=True)
    frame, asks = large(tcp, 1400)
    cut = bytearray(bytes(tcp))
    cut[20:22] = b"\x20\x00"  # more fragments
    short = bytearray(frame)
    short[14 + 20 + 12] = 0x40  # a TCP header of 16 bytes
    longer = bytearray(unfinished(build(NOBODY, M["o1"]))[0])
    longer[16:18] = b"\x05\xdc"
    return {
        "a segment of 1 byte": (frame, (*asks[:3], 1, asks[4]), "bad_offload"),
        "too many segments": (frame, (*asks[:3], 30, asks[4]), "bad_offload"),
        "no segment size": (frame, (*asks[:3], 0, asks[4]), "too_big"),
        "segments larger than the MTU": (frame, (*asks[:3], 1500, asks[4]), "too_big"),
        "one segment larger than the frame": (frame, (*asks[:3], 65535, asks[4]), "too_big"),
        "UDP": (large(udp, 1400)[0], asks, "too_big"),
        "no IP": (frame[:12] + b"\x88\xb5" + frame[14:], asks, "too_big"),
        "a fragment": (bytes(cut), asks, "too_big"),
        "half a TCP header": (bytes(short), asks, "bad_offload"),
        "IP longer than the frame": (bytes(longer), (14, 20, 24, 0, G.TCP_CHECKSUM),
                                     "bad_offload"),
    }


@pytest.mark.parametrize("what", _bad_rows())
def test_nonsense_is_dropped_with_its_reason(switch, what):
    frame, asks, reason = _bad_rows()[what]
    before = switch.counters()["o1"]
    switch.guests["o1"].send(frame, asks=asks)
    good = build(NOBODY, M["o1"])
    switch.guests["o1"].send(*unfinished(good)[:1], asks=unfinished(good)[1])
    assert switch.wire.collect(3, count=1) == [bytes(good)]
    after = at_rest(switch.daemon)["o1"]
    drops = {r: n - before["drops"][r] for r, n in after["drops"].items()
             if n != before["drops"][r]}
    assert drops == {reason: 1}
    assert after["from_packets"] - before["from_packets"] == 2
    assert switch.wire.poll() == []


@pytest.mark.parametrize("v6", [False, True])
def test_the_nics_verdict_reaches_the_guest(one, v6):
    def flags_of(frame, to):
        one.wire.send(frame)
        got, _, flags = one.guests[to].recv(3)
        return got, flags
    good = build(M["o2"], EXTERNAL, v6=v6)
    got, flags = flags_of(bytes(good), "o2")
    assert flags == G.UNFINISHED and got[-1000:] == bytes(good)[-1000:]
    bad = bytearray(bytes(good))
    bad[-1] ^= 1  # the guest finds out itself
    assert flags_of(bytes(bad), "o2") == (bytes(bad), 0)
    small = bytes(build(M["o2"], EXTERNAL, v6=v6, length=100))
    assert flags_of(small, "o2") == (small, 0)
    plain = bytes(build(M["p1"], EXTERNAL, v6=v6))
    assert flags_of(plain, "p1") == (plain, 0)


@pytest.mark.parametrize("v6", [False, True])
def test_many_large_frames(switch, v6):
    """More segments than there are buffers for: none of them gets lost on the way back."""
    packet = build(NOBODY, M["o1"], length=9000, v6=v6)
    frame, asks = large(packet, 1400)
    wanted, before = segments(packet, 1400), switch.counters()
    for _ in range(100):
        for _ in range(20):
            switch.guests["o1"].send(frame, asks=asks)
        got = switch.wire.collect(3, count=140)
        assert got == wanted * 20
    after = at_rest(switch.daemon)
    assert after["up0"]["to_packets"] - before["up0"]["to_packets"] >= 2000
    assert balance(after) == 0
