# SPDX-License-Identifier: BSD-3-Clause
"""A vhost-user front end in a few lines: two idle rings and whatever messages a test wants to send.
It never touches its rings, so it stands for a guest that is up and silent."""
import array
import mmap
import os
import socket
import struct

HEADER = struct.Struct("=III")  # request, flags, size
VERSION = 1
GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE = 1, 2, 3, 5
VRING_NUM, VRING_ADDR, VRING_BASE, VRING_KICK, VRING_CALL = 8, 9, 10, 12, 13
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, VRING_ENABLE, SEND_RARP = 15, 16, 18, 19
F_VERSION_1, F_PROTOCOL_FEATURES, PROTOCOL_F_RARP = 1 << 32, 1 << 30, 1 << 2
RING, BASE, SIZE = 256, 0x10000, 1 << 20


class Frontend:
    """Connects as a client and starts one pair of rings."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(path)
        self.memory = os.memfd_create("frontend")
        os.truncate(self.memory, SIZE)
        self.map = mmap.mmap(self.memory, SIZE)
        self.kicks = [os.eventfd(0) for _ in range(2)]
        self.calls = [os.eventfd(0) for _ in range(2)]
        self.send(SET_OWNER)
        features = self.get(GET_FEATURES) & (F_VERSION_1 | F_PROTOCOL_FEATURES)
        self.send(SET_FEATURES, "=Q", features)
        self.send(SET_PROTOCOL_FEATURES, "=Q", self.get(GET_PROTOCOL_FEATURES) & PROTOCOL_F_RARP)
        self.send(SET_MEM_TABLE, "=IIQQQQ", 1, 0, 0, SIZE, BASE, 0, fds=[self.memory])
        for ring in range(2):
            self._start(ring)

    def _start(self, ring):
        at = BASE + ring * 0x10000  # descriptors, then available, then used
        self.send(VRING_NUM, "=II", ring, RING)
        self.send(VRING_BASE, "=II", ring, 0)
        self.send(VRING_ADDR, "=IIQQQQ", ring, 0, at, at + 0x6000, at + 0x4000, 0)
        self.send(VRING_CALL, "=Q", ring, fds=[self.calls[ring]])
        self.send(VRING_KICK, "=Q", ring, fds=[self.kicks[ring]])
        self.send(VRING_ENABLE, "=II", ring, 1)

    def send(self, request, form="=", *values, fds=()):
        payload = struct.pack(form, *values)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.sock.sendmsg([HEADER.pack(request, VERSION, len(payload)) + payload], rights)

    def get(self, request):
        """The u64 of the answer."""
        self.send(request)
        data = self.sock.recv(HEADER.size + 8, socket.MSG_WAITALL)
        assert HEADER.unpack_from(data)[0] == request
        return struct.unpack_from("=Q", data, HEADER.size)[0]

    def send_rarp(self, mac):
        """As QEMU does where a guest arrives that cannot announce itself."""
        self.send(SEND_RARP, "=6s2x", bytes.fromhex(mac.replace(":", "")))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()
        self.map.close()
        for fd in [self.memory, *self.kicks, *self.calls]:
            os.close(fd)
