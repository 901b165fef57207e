# SPDX-License-Identifier: BSD-3-Clause
"""Strangers on a vhost-user socket: garbage, half messages, absurd requests, sudden departures.
The daemon lives, other ports lose nothing, and a proper guest can attach afterwards."""
import array
import os
import random
import socket
import struct

import pytest

from lib import frames as F
from lib.daemon import poll_until
from support import MODES, WIRE, Setup, at_rest, balance, counters, mac, sunk

B1, B2 = MODES["b1"]["mac"], MODES["b2"]["mac"]
HEADER = struct.Struct("=III")  # request, flags, size
VERSION, REPLY, NEED_REPLY = 1, 4, 8
GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE = 1, 2, 3, 5
VRING_NUM, VRING_ADDR, VRING_BASE, VRING_KICK, VRING_CALL = 8, 9, 10, 12, 13
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, VRING_ENABLE, SET_CONFIG = 15, 16, 18, 25


@pytest.fixture(scope="module")
def s():
    """b1 and b2 have guests; c waits for one, and gets what this file sends."""
    ports = {"b1": MODES["b1"], "b2": MODES["b2"], "c": {"mode": "bridge", "mac": mac(0x50)}}
    with Setup(ports, guests=False) as s:
        s.guest_fields = {"b2": {"queue_size": 1024}}  # what b1's ring can send at once fits
        with s.attach("b1", "b2") as s.guests:
            yield s


@pytest.fixture
def undisturbed(s):
    """b1 talks to b2 all the time; then c takes a real guest."""
    s.guests.sink("b2")
    s.guests.blast("b1", 2000, F.build(B2, B1), 10000)
    yield
    s.guests.wait_blast("b1")
    assert balance(at_rest(s.daemon)) == 0
    got = sunk(s, "b2", 2000)
    assert (got["received"], got["gaps"], got["duplicates"]) == (2000, 0, 0)
    assert not any(counters(s.daemon)["b2"]["drops"].values())
    assert s.daemon.process.poll() is None
    poll_until(lambda: s.daemon.port("c")["state"] == "configured", 5, "c's stranger is gone")
    with s.attached("c"):
        assert s.gives("c", F.build(B1, mac(0x50))) == ["b1"]
        assert s.gives("b1", F.build(mac(0x50), B1)) == ["c"]
        assert s.gives("b1", F.build(F.BROADCAST, B1)) == ["b2", "c", WIRE]
    s.daemon.wait_links(["c"], up=False)


class Stranger:
    def __init__(self, s, port="c"):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        poll_until(lambda: self._connect(s.daemon.socket_path(port)), 10, "the socket takes us")

    def _connect(self, path):
        """False: too many wait to be accepted."""
        return self.sock.connect_ex(path) == 0

    def send(self, data, fds=()):
        """False: the daemon has hung up."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self.sock.sendmsg([data], rights)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def ask(self, request, payload=b"", fds=(), flags=VERSION):
        return self.send(HEADER.pack(request, flags, len(payload)) + payload, fds)

    def get(self, request):
        """The u64 of the answer."""
        assert self.ask(request)
        data = self.sock.recv(HEADER.size + 8, socket.MSG_WAITALL)
        assert HEADER.unpack_from(data)[0] == request
        return struct.unpack_from("=Q", data, HEADER.size)[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def _memory(size=1 << 20):
    fd = os.memfd_create("stranger")
    os.truncate(fd, size)
    return fd


def _table(size=1 << 20, regions=1, offset=0):
    return struct.pack("=II", regions, 0) + struct.pack("=QQQQ", 0, size, 0x10000, offset)


def test_connects_and_leaves(s, undisturbed):
    for _ in range(50):
        with Stranger(s):
            pass


@pytest.mark.parametrize("seed", range(4))
def test_noise(s, undisturbed, seed):
    noise = random.Random(seed)
    for _ in range(10):
        with Stranger(s) as x:
            x.send(noise.randbytes(noise.choice([1, 11, 12, 13, 100, 4096, 65536])))


@pytest.mark.parametrize("size", [0xffffffff, 0x7fffffff, 0x80000000, 4097, 100000])
def test_absurd_sizes(s, undisturbed, size):
    with Stranger(s) as x:
        x.send(HEADER.pack(SET_MEM_TABLE, VERSION, size) + bytes(5000))


@pytest.mark.parametrize("cut", [1, 4, 11, 12, 13, 19])
def test_leaves_amid_a_message(s, undisturbed, cut):
    message = HEADER.pack(SET_FEATURES, VERSION, 8) + struct.pack("=Q", 1 << 30)
    for before in False, True:
        with Stranger(s) as x:
            if before:
                assert x.get(GET_FEATURES) != 0
            x.send(message[:cut])


def test_halts_amid_a_message(s, undisturbed):
    """It stays, silent: the vhost thread must go on serving the others."""
    with Stranger(s) as x:
        x.send(HEADER.pack(SET_FEATURES, VERSION, 8)[:7])
        s.rpc("port.add", name="d", uplink="up0", mode="bridge", mac=mac(0x51),
              socket=s.daemon.socket_path("d"))
        with s.attached("d"):
            s.guests.wait_blast("b1")
            at_rest(s.daemon)
            assert s.gives("b1", F.build(mac(0x51), B1)) == ["d"]
        s.rpc("port.del", name="d")


def test_every_request_with_any_payload(s, undisturbed):
    noise = random.Random(7)
    for request in range(0, 64):
        for size, fds in (0, 0), (8, 0), (8, 1), (40, 8), (noise.randrange(300), 2):
            with Stranger(s) as x:
                memory = [_memory(4096) for _ in range(fds)]
                x.ask(request, noise.randbytes(size), memory,
                      flags=noise.choice([VERSION, VERSION | NEED_REPLY, VERSION | REPLY, 0, 3]))
                for fd in memory:
                    os.close(fd)


BAD = {
    "features nobody offered": [(SET_FEATURES, struct.pack("=Q", 2**64 - 1), 0)],
    "memory without a file": [(SET_MEM_TABLE, _table(), 0)],
    "255 regions": [(SET_MEM_TABLE, _table(regions=255), 1)],
    "no region": [(SET_MEM_TABLE, _table(regions=0), 0)],
    "a region of all": [(SET_MEM_TABLE, _table(size=2**64 - 1), 1)],
    "a region beyond all": [(SET_MEM_TABLE, _table(offset=2**64 - 4096), 1)],
    "two files for one region": [(SET_MEM_TABLE, _table(), 2)],
    "a ring of 65535": [(VRING_NUM, struct.pack("=II", 0, 65535), 0)],
    "a ring of 0": [(VRING_NUM, struct.pack("=II", 0, 0), 0)],
    "ring 4 billion": [(VRING_NUM, struct.pack("=II", 2**32 - 1, 256), 0)],
    "ring 255": [(VRING_KICK, struct.pack("=Q", 255), 1)],
    "ring 200 enabled": [(VRING_ENABLE, struct.pack("=II", 200, 1), 0)],
    "rings outside": [(SET_MEM_TABLE, _table(), 1), (VRING_NUM, struct.pack("=II", 0, 256), 0),
                      (VRING_ADDR, struct.pack("=IIQQQQ", 0, 0, 2**63, 2**62, 5, 0), 0),
                      (VRING_KICK, struct.pack("=Q", 0), 1),
                      (VRING_CALL, struct.pack("=Q", 0), 1)],
    "rings half outside": [(SET_MEM_TABLE, _table(), 1),
                           (VRING_NUM, struct.pack("=II", 1, 256), 0),
                           (VRING_ADDR, struct.pack("=IIQQQQ", 1, 0, 0x10000 + (1 << 20) - 16,
                                                    0x10000, 0x10000, 0), 0),
                           (VRING_KICK, struct.pack("=Q", 1), 1),
                           (VRING_ENABLE, struct.pack("=II", 1, 1), 0)],
    "a ring without memory": [(VRING_ADDR, struct.pack("=IIQQQQ", 0, 0, 1, 2, 3, 0), 0),
                              (VRING_KICK, struct.pack("=Q", 0), 1)],
    "enabled rings that were never set": [(VRING_ENABLE, struct.pack("=II", i, 1), 0)
                                          for i in range(4)],
    "rings started twice": [(VRING_KICK, struct.pack("=Q", i % 2), 1) for i in range(6)],
}


@pytest.mark.parametrize("kind", BAD)
def test_absurd_requests_of_a_proper_start(s, undisturbed, kind):
    with Stranger(s) as x:
        assert x.ask(SET_OWNER)
        features = x.get(GET_FEATURES)
        assert x.ask(SET_FEATURES, struct.pack("=Q", features))
        if features >> 30 & 1:
            x.ask(SET_PROTOCOL_FEATURES, struct.pack("=Q", x.get(GET_PROTOCOL_FEATURES)))
        for request, payload, n in BAD[kind]:
            fds = [_memory() for _ in range(n)]
            alive = x.ask(request, payload, fds)
            for fd in fds:
                os.close(fd)
            if not alive:
                break
        assert s.daemon.port("c")["link"] == "down"


def test_many_strangers_at_once(s, undisturbed):
    """More than one may use; whoever comes, the port is free again when all are gone."""
    strangers = [Stranger(s) for _ in range(20)]
    for i, x in enumerate(strangers):
        x.ask(SET_OWNER)
        if i % 3 == 0:
            x.send(b"\xff" * 40)
    for x in strangers:
        x.sock.close()


def test_no_file_descriptor_stays_behind(s, undisturbed):
    folder = f"/proc/{s.daemon.process.pid}/fd"
    poll_until(lambda: s.daemon.port("c")["state"] == "configured", 5, "c is free")
    before = len(os.listdir(folder))
    for _ in range(20):
        with Stranger(s) as x:
            fds = [_memory(4096) for _ in range(4)]
            x.ask(SET_OWNER)
            x.ask(SET_MEM_TABLE, _table(4096), fds[:1])
            x.ask(GET_FEATURES, b"", fds)
            for fd in fds:
                os.close(fd)
    poll_until(lambda: len(os.listdir(folder)) <= before, 5,
               f"as many open files as before ({before})")


def test_a_stranger_on_a_running_guests_socket(pair):
    """It must not throw out the guest that is there."""
    with Stranger(pair, "b2") as x:
        x.ask(SET_OWNER)
        x.send(b"\xff" * 40)
    with Stranger(pair, "b1") as x:
        x.ask(GET_FEATURES)
    assert pair.gives("b1", F.build(B2, B1)) == ["b2"]
    assert [pair.daemon.port(n)["link"] for n in ("b1", "b2")] == ["up", "up"]
