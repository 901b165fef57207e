# SPDX-License-Identifier: BSD-3-Clause
"""Jumbo frames: MTU 9000, guest to guest, guest to wire, wire to guest; and what is too big."""
import pytest

from lib import frames as F
from support import EXTERNAL, MODES, NOBODY, WIRE, Setup

B1, B2 = MODES["b1"]["mac"], MODES["b2"]["mac"]
DEVICE = "net_af_packet0,iface=up0,framesz=16384,blocksz=16384,framecnt=512"
FULL = 9014


@pytest.fixture(scope="module", params=[1, 0], ids=["mergeable", "one_buffer"])
def jumbo(request):
    ports = {"b1": MODES["b1"], "b2": MODES["b2"], "v1": MODES["v1"]}
    fields = {name: {"mrg_rxbuf": request.param} for name in ports}
    with Setup(ports, guests=fields, mtu=9000, uplink={"device": DEVICE}) as s:
        yield s


def test_the_mtu_is_the_devices(jumbo):
    assert jumbo.rpc("uplink.show")[0]["mtu"] == 9000


@pytest.mark.parametrize("length", [60, 1514, 2000, 2048, 4096, 8192, FULL])
def test_guest_to_guest(jumbo, length):
    assert jumbo.gives("b1", F.build(B2, B1, length=length)) == ["b2"]


@pytest.mark.parametrize("length", [60, 1514, 2000, 2048, 4096, 8192, FULL])
def test_wire_to_guest(jumbo, length):
    assert jumbo.gives(WIRE, F.build(B1, EXTERNAL, length=length)) == ["b1"]


@pytest.mark.parametrize("length", [60, 1514, 2000])
def test_guest_to_wire_in_one_buffer(jumbo, length):
    assert jumbo.gives("b1", F.build(NOBODY, B1, length=length)) == [WIRE]


@pytest.mark.parametrize("length", [2300, 4096, 8192, FULL])
def test_guest_to_wire(jumbo, length):
    assert jumbo.gives("b1", F.build(NOBODY, B1, length=length)) == [WIRE]


@pytest.mark.parametrize("length", [60, 1514, 4096, FULL])
def test_broadcast(jumbo, length):
    assert jumbo.gives(WIRE, F.build(F.BROADCAST, EXTERNAL, length=length)) == ["b1", "b2", "v1"]
    assert jumbo.gives("b1", F.build(F.BROADCAST, B1, length=length)) == ["b2", WIRE]


def test_many_full_frames(jumbo):
    """40 at a time: each takes five of the ring's 256 mergeable buffers."""
    for _ in range(5):
        to_guest = [F.build(B2, B1, length=FULL) for _ in range(40)]
        assert jumbo.gives("b1", *to_guest) == [["b2"]] * 40
        from_wire = [F.build(B1, EXTERNAL, length=FULL) for _ in range(40)]
        assert jumbo.gives(WIRE, *from_wire) == [["b1"]] * 40


def test_too_big(jumbo):
    """The MTU, the header and one tag: 9018 bytes; not one more."""
    assert jumbo.gives("b1", F.build(B2, B1, length=9018, vlans=(5,))) == ["b2"]
    for dst in B2, NOBODY, F.BROADCAST:
        assert jumbo.drops("b1", F.build(dst, B1, length=9019)) == {"too_big": 1}
    assert jumbo.drops("v1", F.build(NOBODY, MODES["v1"]["mac"], length=12000)) == {"too_big": 1}
