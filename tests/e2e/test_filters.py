# SPDX-License-Identifier: BSD-3-Clause
"""What a port accepts: promisc, allmulticast, static addresses, link-local frames, MAC control,
own_source, and the uplink's hairpin; all set and taken back while guests run."""
import contextlib

import pytest

from lib import frames as F
from lib.daemon import RpcError
from support import (ALL_HOSTS, EXTERNAL, GROUP, LLDP, MODES, NOBODY, OTHER_GROUP, UPLINK_MAC,
                     WIRE, Setup, changed, mac)

M = {name: p["mac"] for name, p in MODES.items()}
SECOND = mac(0x200)  # a further unicast address
MAC_CONTROL = 0x8808


@contextlib.contextmanager
def joined(s, address, port):
    s.daemon.ctl("maddr", "add", address, "port", port)
    try:
        yield
    finally:
        s.daemon.ctl("maddr", "del", address, "port", port)


def _uplink(s):
    return s.rpc("uplink.show")[0]


def test_promisc(switch):
    with changed(switch, "v1", promisc="on"), changed(switch, "p1", promisc="on"):
        assert _uplink(switch)["promiscuous"] is True
        assert switch.gives(WIRE, F.build(NOBODY, EXTERNAL)) == ["p1", "v1"]
        assert switch.gives(WIRE, F.build(M["b1"], EXTERNAL)) == ["b1"]
        # what the local ports send is not the wire's: no promisc port sees it
        assert switch.gives("b1", F.build(M["b2"], M["b1"])) == ["b2"]
        assert switch.gives("b1", F.build(NOBODY, M["b1"])) == [WIRE]
        # nor what is reflected, nor frames for the uplink
        assert switch.drops(WIRE, F.build(NOBODY, M["b1"])) == {"no_port": 1}
        assert switch.drops(WIRE, F.build(UPLINK_MAC, EXTERNAL)) == {"no_port": 1}
        # but foreign multicast, as a macvtap device with IFF_PROMISC does
        assert switch.gives(WIRE, F.build(GROUP, EXTERNAL)) == ["p1", "v1"]
    assert switch.drops(WIRE, F.build(GROUP, EXTERNAL)) == {"no_port": 1}
    assert switch.drops(WIRE, F.build(NOBODY, EXTERNAL)) == {"no_port": 1}


def test_allmulticast(switch):
    with changed(switch, "v1", allmulticast="on"), changed(switch, "b1", allmulticast="on"):
        assert switch.gives(WIRE, F.build(GROUP, EXTERNAL)) == ["b1", "v1"]
        assert switch.gives(WIRE, F.build(LLDP, EXTERNAL)) == ["b1", "v1"]
        assert switch.gives("b2", F.build(GROUP, M["b2"])) == ["b1", WIRE]
        assert switch.gives(WIRE, F.build(GROUP, M["b2"])) == ["v1"]
        assert switch.gives(WIRE, F.build(GROUP, M["v2"])) == ["b1", "v1"]
        assert switch.drops(WIRE, F.build(NOBODY, EXTERNAL)) == {"no_port": 1}
    assert switch.drops(WIRE, F.build(GROUP, EXTERNAL)) == {"no_port": 1}


def test_maddr_multicast_is_exact(switch):
    with joined(switch, GROUP, "p1"), joined(switch, GROUP, "b2"):
        assert switch.gives(WIRE, F.build(GROUP, EXTERNAL)) == ["b2", "p1"]
        assert switch.gives("b1", F.build(GROUP, M["b1"])) == ["b2", WIRE]
        assert switch.gives(WIRE, F.build(GROUP, M["v1"])) == ["b2"]
        for bit in range(24):  # the kernel's hash of 256 buckets would let some of these in
            n = 0x010203 ^ 1 << bit
            other = f"01:00:5e:{n >> 16:02x}:{n >> 8 & 255:02x}:{n & 255:02x}"
            assert switch.drops(WIRE, F.build(other, EXTERNAL)) == {"no_port": 1}
    assert switch.drops(WIRE, F.build(GROUP, EXTERNAL)) == {"no_port": 1}


def test_maddr_unicast(switch):
    """A port is reached by every unicast address of its filter, also by those of other ports."""
    with joined(switch, SECOND, "b2"):
        assert switch.gives(WIRE, F.build(SECOND, EXTERNAL)) == ["b2"]
        assert switch.gives("b1", F.build(SECOND, M["b1"])) == ["b2"]
        assert switch.gives("v1", F.build(SECOND, M["v1"])) == [WIRE]
        # and a frame from it is the port's own when it is reflected
        assert switch.drops(WIRE, F.build(M["b2"], SECOND)) == {"own_reflection": 1}
        assert switch.gives(WIRE, F.build(F.BROADCAST, SECOND)) == ["v1", "v2"]
    assert switch.drops(WIRE, F.build(SECOND, EXTERNAL)) == {"no_port": 1}
    assert switch.gives("b1", F.build(SECOND, M["b1"])) == [WIRE]


def test_maddr_key(switch):
    with changed(switch, "v1", maddr=f"{GROUP} {SECOND}"):
        assert switch.gives(WIRE, F.build(GROUP, EXTERNAL),
                            F.build(SECOND, EXTERNAL)) == [["v1"], ["v1"]]
        rows = switch.rpc("maddr.show", port="v1")
        assert {r["address"] for r in rows} == {GROUP, SECOND} and len(rows) == 2
        shown = switch.daemon.port("v1")["filter"]
        assert shown["multicast"] == [{"address": GROUP, "source": "config"}]
        assert {"address": SECOND, "source": "config"} in shown["unicast"]
        switch.rpc("port.set", name="v1", maddr=[OTHER_GROUP])
        assert switch.gives(WIRE, F.build(OTHER_GROUP, EXTERNAL)) == ["v1"]
        assert switch.drops(WIRE, F.build(GROUP, EXTERNAL)) == {"no_port": 1}
    assert switch.rpc("maddr.show") == []


def test_maddr_refusals(switch):
    with joined(switch, SECOND, "b2"):
        for method, address, port, says in [
                ("maddr.add", SECOND, "b2", "already"), ("maddr.add", SECOND, "b1", "b2"),
                ("maddr.add", M["v1"], "b1", "v1"), ("maddr.add", UPLINK_MAC, "b1", "own address"),
                ("maddr.add", "00:00:00:00:00:00", "b1", "00:00:00:00:00:00"),
                ("maddr.del", GROUP, "b2", "no static address"),
                ("maddr.del", SECOND, "v1", "no static address"),
                ("maddr.add", GROUP, "nix", "nix")]:
            before = switch.settings()
            with pytest.raises(RpcError, match=says):
                switch.rpc(method, address=address, port=port)
            assert switch.settings() == before


def test_64_static_addresses(switch):
    addresses = [mac(0x300 + i) for i in range(63)] + [GROUP]
    with changed(switch, "p1", maddr=addresses):
        got = switch.gives(WIRE, *[F.build(a, EXTERNAL) for a in addresses])
        assert got == [["p1"]] * 64
        with pytest.raises(RpcError, match="64"):
            switch.rpc("maddr.add", address=OTHER_GROUP, port="p1")


def test_link_local_is_ordinary_multicast(switch):
    assert switch.drops(WIRE, F.build(LLDP, EXTERNAL, ethertype=0x88CC)) == {"no_port": 1}
    assert switch.gives("v1", F.build(LLDP, M["v1"], ethertype=0x88CC)) == [WIRE]
    with joined(switch, LLDP, "v2"), joined(switch, LLDP, "b2"):
        assert switch.gives(WIRE, F.build(LLDP, EXTERNAL, ethertype=0x88CC)) == ["b2", "v2"]
        assert switch.gives("b1", F.build(LLDP, M["b1"], ethertype=0x88CC)) == ["b2", WIRE]


@pytest.mark.parametrize("source", ["b1", "v1", "p1", WIRE])
@pytest.mark.parametrize("dst", ["01:80:c2:00:00:01", M["b2"], F.BROADCAST],
                         ids=["pause", "unicast", "broadcast"])
def test_mac_control_never_passes(switch, source, dst):
    src = EXTERNAL if source == WIRE else M[source]
    with changed(switch, "b2", allmulticast="on", promisc="on"):
        assert switch.drops(source, F.build(dst, src, ethertype=MAC_CONTROL)) == {"mac_control": 1}


@pytest.mark.parametrize("port", ["b1", "v1", "p1"])
def test_own_source_deliver(switch, port):
    """VRRP: another host sends with the port's own source address."""
    others = {"b1": ["v1", "v2"], "v1": ["b1", "b2", "v2"], "p1": []}[port]
    to_itself, to_all = F.build(M[port], M[port]), F.build(F.BROADCAST, M[port])
    with changed(switch, port, own_source="deliver"):
        assert switch.gives(WIRE, to_itself) == [port]
        assert switch.gives(WIRE, to_all) == sorted([*others, port])
        # a foreign group is still not accepted
        assert switch.gives(WIRE, F.build(GROUP, M[port])) == []
        # the guest's own frames do not come back by themselves
        assert switch.gives(port, F.build(M[port], M[port])) == [WIRE]
    assert port not in switch.gives(WIRE, F.build(F.BROADCAST, M[port]))
    assert switch.gives(WIRE, F.build(M[port], M[port])) == []


HAIRPIN = {"v2": ["v2"], "b1": ["b1"], "p1": "isolated", "v1": [WIRE], "nobody": [WIRE],
           "uplink": [WIRE], "broadcast": ["b1", "b2", "v2", WIRE], "unjoined": [WIRE]}


@pytest.fixture
def relay(switch):
    switch.rpc("uplink.set", name="up0", hairpin="on")
    yield switch
    switch.rpc("uplink.set", name="up0", hairpin="off")


@pytest.mark.parametrize("dst", HAIRPIN)
def test_hairpin_from_vepa(relay, dst):
    to = {**M, "nobody": NOBODY, "uplink": UPLINK_MAC, "broadcast": F.BROADCAST,
          "unjoined": GROUP}[dst]
    frame = F.build(to, M["v1"])
    if isinstance(HAIRPIN[dst], str):
        assert relay.drops("v1", frame) == {HAIRPIN[dst]: 1}
    else:
        assert relay.gives("v1", frame) == HAIRPIN[dst]


def test_hairpin_leaves_others_alone(relay):
    assert relay.gives("b1", F.build(M["v1"], M["b1"])) == [WIRE]
    assert relay.gives("b1", F.build(F.BROADCAST, M["b1"])) == ["b2", WIRE]
    assert relay.gives("p1", F.build(M["p2"], M["p1"])) == [WIRE]
    assert relay.gives("p1", F.build(F.BROADCAST, M["p1"])) == [WIRE]
    assert relay.gives(WIRE, F.build(M["p1"], EXTERNAL)) == ["p1"]
    assert relay.gives(WIRE, F.build(ALL_HOSTS, EXTERNAL)) == sorted(M)


def test_hairpin_off_again(switch):
    switch.rpc("uplink.set", name="up0", hairpin="on")
    assert switch.gives("v1", F.build(M["v2"], M["v1"])) == ["v2"]
    switch.daemon.ctl("uplink", "set", "up0", "hairpin", "off")
    assert switch.gives("v1", F.build(M["v2"], M["v1"])) == [WIRE]


def test_flags_from_the_file():
    """The same keys in the configuration file, from the start on."""
    ports = {"v1": {**MODES["v1"], "promisc": "on"}, "b1": {**MODES["b1"], "allmulticast": "on"},
             "p1": {**MODES["p1"], "maddr": [GROUP, SECOND], "own_source": "deliver"}}
    with Setup(ports, uplink={"hairpin": "on"}) as s:
        assert s.gives(WIRE, F.build(NOBODY, EXTERNAL)) == ["v1"]
        assert s.gives(WIRE, F.build(OTHER_GROUP, EXTERNAL)) == ["b1", "v1"]
        assert s.gives(WIRE, F.build(GROUP, EXTERNAL)) == ["b1", "p1", "v1"]
        assert s.gives(WIRE, F.build(SECOND, EXTERNAL)) == ["p1"]
        assert s.gives(WIRE, F.build(M["p1"], M["p1"])) == ["p1"]
        assert s.gives("v1", F.build(M["b1"], M["v1"])) == ["b1"]
