# SPDX-License-Identifier: BSD-3-Clause
"""`macvctl trace` says what then really happens."""
import itertools

import pytest

from lib import frames as F
from lib.daemon import CtlError
from support import (ALL_HOSTS, EXTERNAL, GROUP, MODES, NOBODY, UPLINK_MAC, WIRE, drop_sums,
                     changed)

M = {name: p["mac"] for name, p in MODES.items()}
DESTINATIONS = {**M, "nobody": NOBODY, "uplink": UPLINK_MAC, "broadcast": F.BROADCAST,
                "all_hosts": ALL_HOSTS, "unjoined": GROUP}


def _trace(s, source, src, dst, *more):
    return s.daemon.ctl("trace", "from", "up0" if source == WIRE else source, "src", src,
                        "dst", dst, *more)


def _agrees(s, source, src, dst, vlans=(), ethertype=F.TEST_TYPE, more=()):
    said = _trace(s, source, src, dst, *more)
    before = drop_sums(s.counters())
    got = s.gives(source, F.build(dst, src, vlans=vlans, ethertype=ethertype))
    after = drop_sums(s.counters())
    assert sorted([*said["receivers"], *([WIRE] if said["wire"] else [])]) == got
    dropped = [r for r in after if after[r] != before[r]]
    assert dropped == ([said["reason"]] if said["verdict"] == "drop" else [])
    assert said["rule"]
    return said


@pytest.mark.parametrize("source, src", [
    ("b1", "b1"), ("v1", "v1"), ("p1", "p1"), ("v2", "b1"),
    (WIRE, "nobody"), (WIRE, "b1"), (WIRE, "v1"), (WIRE, "p1")])
def test_agrees_with_what_happens(switch, source, src):
    for dst in DESTINATIONS.values():
        _agrees(switch, source, DESTINATIONS[src], dst)


def test_with_vlan_and_type(switch):
    for source, src in ("b1", M["b1"]), (WIRE, EXTERNAL):
        _agrees(switch, source, src, M["b2"], vlans=(7,), more=("vlan", 7))
        said = _agrees(switch, source, src, M["b2"], ethertype=0x8808, more=("type", "0x8808"))
        assert said["reason"] == "mac_control"


def test_follows_changes(switch):
    with changed(switch, "v1", promisc="on", own_source="deliver", maddr=GROUP):
        for src, dst in itertools.product((EXTERNAL, M["v1"]), (NOBODY, GROUP, M["v1"])):
            _agrees(switch, WIRE, src, dst)
    switch.rpc("uplink.set", name="up0", hairpin="on")
    for dst in DESTINATIONS.values():
        _agrees(switch, "v1", M["v1"], dst)
    switch.rpc("uplink.set", name="up0", hairpin="off")


def test_names_the_rule(switch):
    assert "locally" in _trace(switch, "b1", M["b1"], M["b2"])["rule"]
    assert "wire only" in _trace(switch, "v1", M["v1"], M["b2"])["rule"]
    assert "reflected" in _trace(switch, WIRE, M["v1"], M["b2"])["rule"]
    text = switch.daemon.ctl("trace", "from", "b1", "src", M["b1"], "dst", F.BROADCAST, raw=True)
    assert "b2" in text and "wire" in text and "rule: " in text


def test_changes_no_counter(switch):
    before = switch.counters()
    _trace(switch, "b1", M["b1"], M["b2"])
    assert switch.counters() == before


@pytest.mark.parametrize("words, says", [
    (["from", "nix", "src", EXTERNAL, "dst", NOBODY], "nix"),
    (["from", "b1", "src", "zz", "dst", NOBODY], "src: 'zz'"),
    (["from", "b1", "src", EXTERNAL, "dst", "1:2"], "dst: '1:2'"),
    (["from", "b1", "src", EXTERNAL, "dst", NOBODY, "vlan", "4096"], "vlan"),
    (["from", "b1", "src", EXTERNAL, "dst", NOBODY, "vlan", "-1"], "vlan"),
    (["from", "b1", "src", EXTERNAL, "dst", NOBODY, "vlan", "x"], "vlan"),
    (["from", "b1", "src", EXTERNAL, "dst", NOBODY, "vlan", ""], "vlan"),
    (["from", "b1", "src", EXTERNAL, "dst", NOBODY, "type", "65536"], "type")])
def test_bad_input(switch, words, says):
    before = switch.settings()
    with pytest.raises(CtlError, match=says) as refused:
        switch.daemon.ctl("trace", *words)
    assert refused.value.status == 2
    assert switch.settings() == before


def test_a_down_port(switch):
    """It sends nothing, and owns nothing as a destination."""
    switch.rpc("port.add", name="down", uplink="up0", mode="bridge", mac="52:54:00:00:0f:01",
               socket=switch.daemon.socket_path("down"))
    try:
        with pytest.raises(CtlError, match="down.*without a running guest"):
            _trace(switch, "down", EXTERNAL, M["b1"])
        said = _agrees(switch, "b1", M["b1"], "52:54:00:00:0f:01")
        assert said["wire"] and said["receivers"] == []
        assert _agrees(switch, WIRE, EXTERNAL, "52:54:00:00:0f:01")["reason"] == "no_port"
    finally:
        switch.rpc("port.del", name="down")
