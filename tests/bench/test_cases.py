# SPDX-License-Identifier: BSD-3-Clause
"""Cases: what they set up, and which are chosen."""
import struct

import pytest

from bench.cases import IMIX, Case, all_cases, select
from bench.main import PEERS, parse, steps
from bench.topology import BROADCAST, OUTSIDE, spread_addresses, udp_frame, write_pcap


def test_imix_is_seven_four_one():
    assert sorted(IMIX) == [64] * 7 + [594] * 4 + [1518]


def test_names_are_unique():
    names = [str(c) for c in all_cases()]
    assert len(names) == len(set(names))


def test_select_by_name_part_and_size():
    cases = all_cases()
    assert [str(c) for c in select(cases, ["guest-wire"], ["64"])] == ["guest-wire 64"]
    assert {c.ports for c in select(cases, ["250"], None)} == {250}
    assert {c.size for c in select(cases, None, ["imix"])} == {"imix"}
    assert len(select(cases)) == len(cases)
    assert select(cases, ["no such"]) == []


@pytest.mark.parametrize("total, guests", [(1, 1), (4096, 64), (4096, 250), (2, 5)])
def test_addresses_are_spread(total, guests):
    lists = spread_addresses(total, guests)
    flat = [a for l in lists for a in l]
    assert len(lists) == guests and len(flat) == len(set(flat)) == max(total, guests)
    assert max(map(len, lists)) - min(map(len, lists)) <= 1


def test_roles(tmp_path):
    def roles(case, paced=False, **more):
        t = case.topology(tmp_path, paced, **more)
        return t.wire, case.sender(t), case.receivers_of(t), case.destinations(t)
    first, second = "52:54:00:00:00:01", "52:54:00:00:00:02"
    assert roles(Case("wire-guest")) == ("pcap", None, ["vm0"], [first])
    assert roles(Case("wire-guest"), True) == ("guest", ("wire", OUTSIDE), ["vm0"], [first])
    assert roles(Case("wire-guest"), own_wire=False)[0] == "guest"
    assert roles(Case("guest-wire")) == ("null", ("vm0", first), [], [OUTSIDE])
    assert roles(Case("guest-wire"), True)[2] == ["wire"]
    assert roles(Case("guest-guest"), True) == (None, ("vm0", first), ["vm1"], [second])
    wire, sender, receivers, to = roles(Case("broadcast", receivers=8))
    assert (wire, sender[0], receivers, to) == ("null", "vm0", [f"vm{i}" for i in range(1, 9)],
                                                [BROADCAST])


def test_a_flood_is_a_third_guest_that_all_hear(tmp_path):
    case = Case("guest-guest", flooded=True)
    t = case.topology(tmp_path, True)
    assert case.name == "guest-guest/flooded"
    assert case.sender(t)[0] == "vm0" and case.flooder(t) == ("vm2", "52:54:00:00:00:03")
    assert case.receivers_of(t) == ["vm1", "vm0"] and case.destinations(t) == ["52:54:00:00:00:02"]
    assert Case("guest-guest").flooder(t) is None


def test_idle_ports_and_many_addresses(tmp_path):
    t = Case("guest-guest", ports=250).topology(tmp_path, False)
    assert len(t.addresses) == 250 and len(t.guests) == 2
    case = Case("wire-guest", ports=64, addresses=4096, wire="generated")
    t = case.topology(tmp_path, False)
    assert t.idle == 0 and [len(g) for g in t.guests] == [64] * 64 and t.wire == "guest"
    in_turn = case.destinations(t)
    assert in_turn[:64] == t.guests[0]
    mixed = Case("wire-guest", ports=64, addresses=4096, wire="generated", mixed=True)
    assert mixed.destinations(t)[:64] == [g[0] for g in t.guests]
    assert sorted(mixed.destinations(t)) == sorted(in_turn)
    sender = Case("guest-guest", ports=64, addresses=4096).topology(tmp_path, False).guests[0]
    assert len(sender) == 1 and sender[0] not in in_turn


def test_who_takes_part():
    def who(case):
        return [name for name, peer in PEERS.items() if case.fits(peer)]
    assert who(Case("guest-guest")) == list(PEERS)
    assert "testpmd" not in who(Case("broadcast", receivers=8))
    assert "testpmd" not in who(Case("guest-guest", ports=64))
    assert "macvtap" not in who(Case("guest-guest", ports=64, addresses=4096))
    assert who(Case("wire-guest", wire="flow-queue")) == ["macvswitch", "testpmd"]


def test_peers_take_turns():
    _, options = parse(["--rounds", "2"])
    plan = steps([Case("guest-guest")], ["macvswitch", "testpmd"], options)
    assert [(kind, peer) for kind, _, peer in plan] == [
        ("throughput", "macvswitch"), ("throughput", "testpmd")] * 2 + [
        ("paced", "macvswitch"), ("paced", "testpmd")]
    _, options = parse(["--rounds", "1", "--no-paced"])
    assert len(steps([Case("guest-guest")], list(PEERS), options)) == len(PEERS)


def test_quick_does_each_step_once_and_the_basic_ones_first():
    _, options = parse(["--quick"])
    assert options.budget == 300
    plan = steps(all_cases(), list(PEERS), options)
    basic = [str(c) for c in all_cases() if c.size == "64" and not c.ports and not c.wire]
    assert {str(c) for _, c, _ in plan[:30]} <= set(basic)
    everything = {(kind, str(c), peer) for kind, c, peer in plan}
    assert {(kind, str(c)) for kind, c, _ in everything} == {
        (kind, str(c)) for c in all_cases() for kind in ("throughput", "paced")
        if kind == "throughput" or c.paced_wire()}
    for kind, case, peer in plan:
        limit = options.rounds if kind == "throughput" and str(case) in basic else 1
        assert plan.count((kind, case, peer)) == limit


@pytest.mark.parametrize("arguments", [["--size", "63"], ["--peer", "me"], ["--seconds", "0"],
                                       ["--loss", "1"], ["--rounds", "0"]])
def test_bad_options_are_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        parse(arguments)
    assert "error" in capsys.readouterr().err


def test_frames_are_udp_with_a_good_checksum(tmp_path):
    frame = udp_frame("52:54:00:00:00:01", OUTSIDE, 256)
    assert len(frame) == 256 and frame[12:14] == b"\x08\x00"
    total = sum(struct.unpack(">10H", frame[14:34]))
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF
    assert struct.unpack(">H", frame[16:18])[0] == 256 - 14
    path = tmp_path / "wire.pcap"
    write_pcap(path, ["52:54:00:00:00:01", "52:54:00:00:00:02"], IMIX)
    data, at, lengths = path.read_bytes(), 24, []
    while at < len(data):
        lengths.append(struct.unpack_from("=I", data, at + 8)[0])
        at += 16 + lengths[-1]
    assert lengths == IMIX * 8
