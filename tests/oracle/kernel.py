# SPDX-License-Identifier: BSD-3-Clause
"""The oracle: a topology of real macvtap devices on one end of a veth, in a namespace of its own."""
import fcntl
import os
import socket
import struct
import tempfile

from lib.frames import mac_bytes
from lib.netns import Netns
from lib.wire import Wire

from .exchange import Exchange
from .topology import WIRE

SIOCADDMULTI = 0x8931
TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000


class Tap:
    """A macvtap's character device: what QEMU would have open."""

    def __init__(self, fd):
        self.fd = fd

    def fileno(self):
        return self.fd

    def send(self, frame):
        os.write(self.fd, frame)

    def poll(self):
        got = []
        while True:
            try:
                got.append(os.read(self.fd, 65536))
            except BlockingIOError:
                return got

    def close(self):
        os.close(self.fd)


class Kernel:
    """with Kernel(topology) as k: k.run(frames)"""

    def __init__(self, topology):
        self.topology, self.taps = topology, {}
        self.ns = Netns("kernel")
        try:
            self.ns.veth("uplink", "wire", mac=topology.uplink_mac)
            self._make_devices()
            self.wire = Wire(self.ns, "wire")
            self._open_taps()
        except Exception:
            self.close()
            raise
        self.exchange = Exchange({WIRE: self.wire, **self.taps})
        self.exchange.sync()

    def _make_devices(self):
        lines = []
        for p in self.topology.ports:
            mac = "" if p.mode == "passthru" else f"address {p.mac} "
            flag = " nopromisc" if p.nopromisc else ""
            lines.append(f"link add link uplink name {p.name} {mac}txqueuelen 4096 "
                         f"type macvtap mode {p.mode}{flag}")
            lines += [f"link set {p.name} {flag} on" for flag in ("allmulticast", "promisc")
                      if getattr(p, flag)]
            lines.append(f"link set {p.name} up")
        self.ns.ip(batch=lines)
        with self.ns.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            for p in self.topology.ports:
                for group in p.groups:  # what `ip maddr add` does, which ends an `ip -batch`
                    fcntl.ioctl(control, SIOCADDMULTI, struct.pack(
                        "16sH6s16x", p.name.encode(), 0, mac_bytes(group)))

    def _open_taps(self):
        names = [p.name for p in self.topology.ports]
        numbers = self.ns.run("sh", "-c", 'for i; do cat /sys/class/net/$i/macvtap/tap*/dev; done',
                              "sh", *names).split()
        with tempfile.TemporaryDirectory(prefix="mvsw-tap") as folder, self.ns.entered():
            for name, number in zip(names, numbers):
                path = os.path.join(folder, name)
                os.mknod(path, 0o20600, os.makedev(*map(int, number.split(":"))))
                fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
                self.taps[name] = Tap(fd)
                fcntl.ioctl(fd, TUNSETIFF,
                            struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))

    def run(self, batch, substitute=None):
        return self.exchange.run(batch, substitute)

    def close(self):
        for tap in self.taps.values():
            tap.close()
        if hasattr(self, "wire"):
            self.wire.close()
        self.ns.delete()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
