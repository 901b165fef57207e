# SPDX-License-Identifier: BSD-3-Clause
"""Mode passthru: one port has the uplink for itself; with and without nopromisc, with the uplink's
MAC and with its own."""
import pytest

from lib import frames as F
from lib.daemon import CtlError
from support import EXTERNAL, GROUP, LLDP, NOBODY, UPLINK_MAC, WIRE, Setup, changed, mac

OWN = mac(1)


@pytest.fixture(scope="module", params=["off", "on"], ids=["promisc", "nopromisc"])
def passthru(request):
    with Setup({"vm": {"mode": "passthru", "mac": OWN, "nopromisc": request.param}}) as s:
        s.nopromisc = request.param == "on"
        yield s


@pytest.mark.parametrize("dst", [OWN, NOBODY, UPLINK_MAC, F.BROADCAST, GROUP, LLDP])
def test_everything_from_the_wire(passthru, dst):
    """The rule; which frames a NIC passes without promiscuous mode is the NIC's matter, and
    net_af_packet passes all."""
    assert passthru.gives(WIRE, F.build(dst, EXTERNAL)) == ["vm"]


@pytest.mark.parametrize("dst", [OWN, NOBODY, UPLINK_MAC, F.BROADCAST, GROUP, LLDP])
def test_everything_from_the_guest(passthru, dst):
    assert passthru.gives("vm", F.build(dst, OWN)) == [WIRE]


def test_own_reflection(passthru):
    for dst in NOBODY, F.BROADCAST, GROUP, OWN:
        assert passthru.drops(WIRE, F.build(dst, OWN)) == {"own_reflection": 1}
    with changed(passthru, "vm", own_source="deliver"):
        for dst in NOBODY, F.BROADCAST, OWN:
            assert passthru.gives(WIRE, F.build(dst, OWN)) == ["vm"]


def test_mac_control(passthru):
    frame = F.build("01:80:c2:00:00:01", EXTERNAL, ethertype=0x8808)
    assert passthru.drops(WIRE, frame) == {"mac_control": 1}
    assert passthru.drops("vm", frame) == {"mac_control": 1}


def test_uplink_promiscuous(passthru):
    """Without nopromisc for the port's sake; with it only where the NIC lacks an address table."""
    uplink = passthru.rpc("uplink.show")[0]
    if not passthru.nopromisc:
        assert uplink["promiscuous"] is True
        assert "table" not in uplink["promiscuous_why"]
    elif uplink["promiscuous"]:
        assert "table" in uplink["promiscuous_why"]


def test_second_port_refused(passthru):
    before = passthru.settings()
    for mode in "vepa", "passthru":
        with pytest.raises(CtlError, match="passthru.*for itself") as refused:
            passthru.daemon.ctl("port", "add", "other", "uplink", "up0", "mode", mode,
                                "socket", passthru.daemon.socket_path("other"))
        assert refused.value.status == 2
    assert passthru.settings() == before


def test_mode_is_not_left(passthru):
    before = passthru.settings()
    for mode in "vepa", "bridge", "private":
        with pytest.raises(CtlError, match="does not change from or to passthru"):
            passthru.daemon.ctl("port", "set", "vm", "mode", mode)
    assert passthru.settings() == before
    assert passthru.gives(WIRE, F.build(NOBODY, EXTERNAL)) == ["vm"]


def test_nopromisc_at_run_time(passthru):
    other = "off" if passthru.nopromisc else "on"
    with changed(passthru, "vm", nopromisc=other):
        assert passthru.daemon.port("vm")["nopromisc"] == other
        why = passthru.rpc("uplink.show")[0].get("promiscuous_why", "")
        assert ("table" in why) == (other == "on")
        assert passthru.gives(WIRE, F.build(OWN, EXTERNAL)) == ["vm"]


@pytest.mark.parametrize("given", [{}, {"mac": UPLINK_MAC}], ids=["absent", "given"])
def test_the_uplinks_own_mac(given):
    with Setup({"vm": {"mode": "passthru", **given}}) as s:
        assert s.daemon.port("vm")["mac"] == UPLINK_MAC
        assert s.gives(WIRE, F.build(UPLINK_MAC, EXTERNAL)) == ["vm"]
        assert s.gives(WIRE, F.build(NOBODY, EXTERNAL)) == ["vm"]
        assert s.gives("vm", F.build(NOBODY, UPLINK_MAC)) == [WIRE]
        assert s.drops(WIRE, F.build(F.BROADCAST, UPLINK_MAC)) == {"own_reflection": 1}


def test_passthru_comes_after_others_are_gone():
    """passthru beside others is refused, and accepted once they are deleted."""
    with Setup({"v1": {"mode": "vepa"}}) as s:
        before = s.settings()
        add = ["port", "add", "vm", "uplink", "up0", "mode", "passthru",
               "socket", s.daemon.socket_path("vm")]
        with pytest.raises(CtlError, match="v1"):
            s.daemon.ctl(*add)
        with pytest.raises(CtlError, match="does not change from or to passthru"):
            s.daemon.ctl("port", "set", "v1", "mode", "passthru")
        assert s.settings() == before
        s.daemon.ctl("port", "del", "v1")
        s.daemon.ctl(*add)
        assert [p["name"] for p in s.rpc("port.show")] == ["vm"]
