# SPDX-License-Identifier: BSD-3-Clause
"""Changes while guests run: mode, MAC; and what a port owns whose guest is down."""
import pytest

from lib import frames as F
from lib.daemon import CtlError
from support import EXTERNAL, MODES, NOBODY, UPLINK_MAC, WIRE, Setup, changed, mac

M = {name: p["mac"] for name, p in MODES.items()}


def test_modes_change_at_run_time(switch):
    """v1 becomes each mode in turn; its guest never notices."""
    to_b1 = F.build(M["b1"], M["v1"])
    for mode in "bridge", "private", "vepa", "private", "bridge", "vepa":
        switch.daemon.ctl("port", "set", "v1", "mode", mode)
        port = switch.daemon.port("v1")
        assert (port["mode"], port["link"]) == (mode, "up")
        local = mode == "bridge"
        assert switch.gives("v1", F.build(M["b1"], M["v1"])) == (["b1"] if local else [WIRE])
        assert switch.gives("b1", F.build(M["v1"], M["b1"])) == (["v1"] if local else [WIRE])
        assert switch.gives(WIRE, F.build(M["v1"], M["v2"])) == \
            ([] if mode == "private" else ["v1"])
        assert switch.gives(WIRE, F.build(F.BROADCAST, M["b1"])) == \
            (["v1", "v2"] if mode == "vepa" else ["v2"])
    assert switch.gives("v1", to_b1) == [WIRE]


def test_passthru_is_not_entered(switch):
    before = switch.settings()
    with pytest.raises(CtlError) as refused:
        switch.daemon.ctl("port", "set", "v1", "mode", "passthru")
    assert refused.value.status == 2 and "passthru" in refused.value.stderr
    assert switch.settings() == before


def test_mac_changes_at_run_time(switch):
    new = mac(0x111)
    with changed(switch, "b2", mac=new):
        assert switch.daemon.port("b2")["link"] == "up"
        assert switch.gives(WIRE, F.build(new, EXTERNAL)) == ["b2"]
        assert switch.drops(WIRE, F.build(M["b2"], EXTERNAL)) == {"no_port": 1}
        assert switch.gives("b1", F.build(new, M["b1"])) == ["b2"]
        assert switch.gives("b1", F.build(M["b2"], M["b1"])) == [WIRE]
        # a reflected frame is recognised by the new address, no longer by the old one
        assert switch.drops(WIRE, F.build(M["b2"], new)) == {"no_port": 1}
        assert switch.gives(WIRE, F.build(M["p1"], M["b2"])) == ["p1"]
        assert switch.rpc("fdb.show")[1]["address"] == new
    assert switch.gives(WIRE, F.build(M["b2"], EXTERNAL)) == ["b2"]


@pytest.mark.parametrize("bad, says", [
    (M["b2"], "b2"), (UPLINK_MAC, "own address"), ("01:00:5e:00:00:05", "multicast"),
    ("00:00:00:00:00:00", "zero"), ("ff:ff:ff:ff:ff:ff", "multicast"), ("1:2:3", "1:2:3")])
def test_macs_that_nobody_may_take(switch, bad, says):
    before = switch.settings()
    with pytest.raises(CtlError, match=says) as refused:
        switch.daemon.ctl("port", "set", "b1", "mac", bad)
    assert refused.value.status == 2
    assert switch.settings() == before


def test_a_refused_change_changes_nothing_of_it(switch):
    """Several keys in one request: all or none."""
    before = switch.settings()
    with pytest.raises(CtlError, match="b2"):
        switch.daemon.ctl("port", "set", "b1", "mode", "vepa", "promisc", "on", "mac", M["b2"])
    assert switch.settings() == before


def test_several_keys_at_once(switch):
    with changed(switch, "p2", mode="bridge", mac=mac(0x112), promisc="on"):
        assert switch.gives("b1", F.build(mac(0x112), M["b1"])) == ["p2"]
        assert switch.gives(WIRE, F.build(NOBODY, EXTERNAL)) == ["p2"]
    assert switch.gives(WIRE, F.build(NOBODY, EXTERNAL)) == []


def test_a_down_port_owns_nothing():
    """Its address goes where an unknown one goes: the guest may run elsewhere by now."""
    with Setup(MODES, guests=False) as s:
        assert {p["link"] for p in s.rpc("port.show")} == {"down"}
        assert s.rpc("fdb.show") == []
        assert s.drops(WIRE, F.build(M["b1"], EXTERNAL), F.build(F.BROADCAST, EXTERNAL)) == \
            {"no_port": 2}
        with s.attach("b1", "v1") as s.guests:
            assert sorted(row["port"] for row in s.rpc("fdb.show")) == ["b1", "v1"]
            assert s.gives("b1", F.build(M["b2"], M["b1"])) == [WIRE]
            assert s.gives("b1", F.build(F.BROADCAST, M["b1"])) == [WIRE]
            # the wire's frame from b2 is no reflection: b2 is elsewhere
            assert s.gives(WIRE, F.build(M["b1"], M["b2"])) == ["b1"]
            assert s.gives(WIRE, F.build(F.BROADCAST, M["b2"])) == ["b1", "v1"]
            assert s.gives(WIRE, F.build(M["b1"], M["p1"])) == ["b1"]
            with changed(s, "v1", promisc="on"):
                assert s.gives(WIRE, F.build(M["b2"], EXTERNAL)) == ["v1"]
            with s.attach("b2"):
                assert s.gives("b1", F.build(M["b2"], M["b1"])) == []  # b2's guest is not ours
                assert s.counters()["b2"]["to_packets"] == 1
            s.daemon.wait_links(["b2"], up=False)
            assert s.gives("b1", F.build(M["b2"], M["b1"])) == [WIRE]
        s.guests = None
        s.daemon.wait_links(["b1", "v1"], up=False)
        assert s.drops(WIRE, F.build(M["b1"], EXTERNAL)) == {"no_port": 1}


def test_a_generated_mac():
    """Reported, locally administered, and the same after a restart."""
    with Setup({"a": {}, "b": {}}, guests=False) as s:
        macs = [s.daemon.port(name)["mac"] for name in "ab"]
        assert macs[0] != macs[1]
        assert all(int(m[:2], 16) & 3 == 2 for m in macs)
        s.daemon.stop(remove=False)
        s.daemon.start()
        assert [s.daemon.port(name)["mac"] for name in "ab"] == macs
