# SPDX-License-Identifier: BSD-3-Clause
"""The wire: a raw socket on the far end of the uplink's veth, where the outside switch would be."""
import errno
import select
import socket
import struct
import time

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_IGNORE_OUTGOING = 23
PACKET_OUTGOING = 4
TP_STATUS_VLAN_VALID = 0x10
TP_STATUS_VLAN_TPID_VALID = 0x40
SO_RCVBUFFORCE = 33
AUXDATA = struct.Struct("=IIIHHHH")  # status, len, snaplen, mac, net, vlan_tci, vlan_tpid


class Wire:
    """Sees each frame that the uplink sends, as it was sent; and sends to the uplink."""

    def __init__(self, netns, ifname, buffer=64 << 20):
        with netns.entered():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, buffer)
        self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.sock.setblocking(False)
        with netns.entered():
            self.sock.bind((ifname, ETH_P_ALL))

    def fileno(self):
        return self.sock.fileno()

    def send(self, frame):
        """Waits while the device's queue is full."""
        for _ in range(1000):
            try:
                return self.sock.send(frame)
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.ENOBUFS):
                    raise
                time.sleep(0.001)
        raise TimeoutError("the wire takes no frame")

    def poll(self):
        """All frames that are here now."""
        frames = []
        while True:
            try:
                data, aux, _, addr = self.sock.recvmsg(65536, 64)
            except BlockingIOError:
                return frames
            except OSError as error:  # told once, when a test takes the device down
                if error.errno != errno.ENETDOWN:
                    raise
                continue
            if addr[2] != PACKET_OUTGOING:
                frames.append(_with_tag(data, aux))

    def collect(self, timeout=1.0, quiet=0.2, count=None):
        """Frames until count are here, nothing came for quiet seconds, or the timeout."""
        frames, end = [], time.monotonic() + timeout
        while count is None or len(frames) < count:
            wait = min(quiet if count is None else timeout, end - time.monotonic())
            if wait <= 0 or not select.select([self.sock], [], [], wait)[0]:
                break
            frames += self.poll()
        return frames

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _with_tag(data, aux):
    """The kernel takes the outer tag out of a received frame and tells it apart; put it back."""
    for level, kind, value in aux:
        if level != SOL_PACKET or kind != PACKET_AUXDATA:
            continue
        status, _, _, _, _, tci, tpid = AUXDATA.unpack(value[:AUXDATA.size])
        if status & TP_STATUS_VLAN_VALID:
            tpid = tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100
            return data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
    return data
