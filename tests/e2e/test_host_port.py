# SPDX-License-Identifier: BSD-3-Clause
"""A port with a device (net_tap) attaches the stack of the daemon's own namespace: it pings and
exchanges frames with a guest and the wire, under a MAC of its own and under the uplink's."""
import pytest

from lib import frames as F
from lib.daemon import CtlError, poll_until
from lib.netns import Netns
from lib.wire import Wire
from support import EXTERNAL, MODES, NOBODY, UPLINK_MAC, WIRE, Setup, balance, mac

B1 = MODES["b1"]["mac"]
HOST = mac(0x70)


@pytest.fixture(scope="module", params=[HOST, UPLINK_MAC], ids=["own_mac", "uplinks_mac"])
def host(request):
    """s.tap: the host's end of the port, as a second wire."""
    ports = {"b1": MODES["b1"], "v1": MODES["v1"],
             "host": {"mode": "bridge", "mac": request.param,
                      "device": "net_tap0,iface=host0"}}
    with Setup(ports) as s:
        s.mac = request.param
        s.ns.ip("link", "set", "host0", "up")
        s.daemon.wait_links(["host"])
        with Wire(s.ns, "host0") as s.tap:
            s.guests.guests["host"] = s.tap
            yield s


def _host_sends(s, frame):
    """From the host's stack: out through host0. (Wire.send has no queue.)"""
    s.tap.send(frame)


def test_it_is_shown(host):
    port = host.daemon.port("host")
    assert (port["link"], port["device"], port["driver"]) == \
        ("up", "net_tap0,iface=host0", "net_tap")
    assert "socket" not in port
    assert f"link/ether {host.mac}" in host.ns.ip("link", "show", "host0")


def test_frames_to_the_host(host):
    assert host.gives("b1", F.build(host.mac, B1)) == \
        ([WIRE] if host.mac == UPLINK_MAC else ["host"])
    assert host.gives(WIRE, F.build(host.mac, EXTERNAL)) == ["host"]
    assert host.gives("v1", F.build(host.mac, MODES["v1"]["mac"])) == [WIRE]
    assert host.gives("b1", F.build(F.BROADCAST, B1)) == ["host", WIRE]
    assert host.gives(WIRE, F.build(F.BROADCAST, EXTERNAL)) == ["b1", "host", "v1"]


def test_frames_from_the_host(host):
    before = host.counters()["host"]["from_packets"]
    for dst, receivers in (B1, ["b1"]), (NOBODY, [WIRE]), (F.BROADCAST, ["b1", WIRE]), \
            (MODES["v1"]["mac"], [WIRE]):
        frame = F.build(dst, host.mac)
        _host_sends(host, frame)
        for name in receivers:
            assert host.endpoint(name).collect(3, count=1) == [frame]
    assert host.strays() == {}
    assert host.counters()["host"]["from_packets"] - before == 4
    assert balance(host.counters()) == 0


def test_ping():
    """The host's stack, a guest's stack (a tap in a namespace of its own), and the outside."""
    ports = {"b1": MODES["b1"], "host": {"mode": "bridge", "mac": HOST,
                                         "device": "net_tap0,iface=host0"}}
    with Netns("guest") as guest_ns, Netns("outside") as outside, Setup(ports, guests=False) as s:
        s.ns.ip("link", "set", "wire0", "netns", outside.name)
        outside.offloads_off("wire0")
        outside.ip(batch=["link set wire0 up", "addr add 192.0.2.1/24 dev wire0"])
        s.ns.ip(batch=["link set host0 up", "addr add 192.0.2.2/24 dev host0"])
        s.ns.offloads_off("host0")
        with s.attach("b1", tap="guest0", mac=B1) as guests:
            run_ip = s.ns.run  # guest0 appeared in the namespace of this test
            assert guests.processes
            from lib.netns import run
            run("ip", "link", "set", "guest0", "netns", guest_ns.name)
            guest_ns.ip(batch=["link set guest0 up", "addr add 192.0.2.3/24 dev guest0"])
            guest_ns.offloads_off("guest0")
            poll_until(lambda: s.rpc("uplink.show")[0]["link"] == "up", 5, "the uplink is up")
            for ns, to in ((s.ns, "192.0.2.3"), (guest_ns, "192.0.2.2"), (s.ns, "192.0.2.1"),
                           (outside, "192.0.2.2"), (outside, "192.0.2.3")):
                ns.run("ping", "-c", "3", "-i", "0.1", "-W", "2", "-s", "1400", to)
            assert "lladdr " + B1 in run_ip("ip", "neigh", "show", "192.0.2.3")
            assert "lladdr " + HOST in guest_ns.run("ip", "neigh", "show", "192.0.2.2")
        assert balance(s.counters()) == 0


def test_uplinks_mac_is_for_the_host_only(host):
    if host.mac == UPLINK_MAC:
        host.rpc("port.set", name="host", mac=HOST)
    try:
        before = host.settings()
        with pytest.raises(CtlError, match="own address"):
            host.daemon.ctl("port", "set", "b1", "mac", UPLINK_MAC)
        assert host.settings() == before
        assert host.drops(WIRE, F.build(UPLINK_MAC, EXTERNAL)) == {"no_port": 1}
    finally:
        if host.mac == UPLINK_MAC:
            host.rpc("port.set", name="host", mac=UPLINK_MAC)
    assert host.gives(WIRE, F.build(host.mac, EXTERNAL)) == ["host"]


def test_a_device_comes_and_goes(pair):
    for _ in range(3):
        pair.daemon.ctl("port", "add", "h", "uplink", "up0", "mode", "bridge", "mac", HOST,
                        "device", "net_tap7,iface=host7")
        pair.ns.ip("link", "set", "host7", "up")
        pair.daemon.wait_links(["h"])
        with Wire(pair.ns, "host7") as tap:
            pair.guests.guests["h"] = tap
            assert pair.gives("b1", F.build(HOST, B1)) == ["h"]
            del pair.guests.guests["h"]
        pair.daemon.ctl("port", "del", "h")
        assert "host7" not in pair.ns.ip("-br", "link")
    before = pair.settings()
    for device in "net_af_packet0,iface=up0", "net_nosuch0", "net_af_packet5,iface=nix":
        with pytest.raises(CtlError, match=device.split(",")[0]):
            pair.daemon.ctl("port", "add", "h", "uplink", "up0", "device", device)
    assert pair.settings() == before
