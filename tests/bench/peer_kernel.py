# SPDX-License-Identifier: BSD-3-Clause
"""The kernel's own: macvtap in bridge mode, and a bridge of taps. Frames are written to and read
from the taps' descriptors, as QEMU without vhost does. In a network namespace of its own, which
goes with it. Forwarding is steered to the switch's CPU (receive packet steering); the copies from
and to user space are in the generator's system calls, so these figures are not the kernel's
alone."""
import fcntl
import os
import struct
import tempfile

from lib.netns import Netns, run

from .topology import OUTSIDE

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
MTU = 1504  # a frame of 1518 bytes without FCS
QUEUE = 1024  # frames, as the others' rings


def attach(fd, name):
    """A tun or macvtap character device becomes that interface's."""
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return fd


class Kernel:
    fans_out = True
    wires = ()
    own_wire = False  # no device of its own sends or swallows frames: the wire is the generator's
    in_generator = True
    hugepage_mb = 0

    def __init__(self, topology, cpu):
        self.topology, self.sockets, self.all_taps = topology, {}, {}
        self.ns = Netns(self.name)
        try:
            self.all_taps["wire"] = self._open_tap("wire")
            self.ns.ip("link", "set", "wire", "mtu", MTU, "txqueuelen", QUEUE, "up")
            self._make()
            self.ns.run("sh", "-c", "for f in /sys/class/net/*/queues/rx-0/rps_cpus; do "
                        f"echo {1 << cpu:x} >$f; done")
        except BaseException:
            self.stop()
            raise
        # Nobody looks at the others: their queues are full, and stay so.
        self.taps = {n: fd for n, fd in self.all_taps.items() if not n.startswith("idle")
                     and (n != "wire" or topology.wire == "guest")}

    def _open_tap(self, name):
        with self.ns.entered():
            return attach(os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK), name)

    def wait_ready(self):
        pass

    def cycles(self):
        return None

    def drops(self):
        return {}

    def stop(self):
        for fd in self.all_taps.values():
            os.close(fd)
        self.all_taps = {}
        self.ns.delete()


class Macvtap(Kernel):
    name = "macvtap"
    one_address = True  # a macvtap device is reached by its first alone

    def _make(self):
        names = list(self.topology.addresses)
        self.ns.ip(batch=[
            line for name in names for line in (
                f"link add link wire name {name} address {self.topology.addresses[name][0]} "
                f"mtu {MTU} txqueuelen {QUEUE} type macvtap mode bridge", f"link set {name} up")])
        numbers = self.ns.run("sh", "-c", "for i; do cat /sys/class/net/$i/macvtap/tap*/dev; done",
                              "sh", *names).split()
        with tempfile.TemporaryDirectory(prefix="mvsw-tap") as folder, self.ns.entered():
            for name, number in zip(names, numbers):
                path = os.path.join(folder, name)
                os.mknod(path, 0o20600, os.makedev(*map(int, number.split(":"))))
                self.all_taps[name] = os.open(path, os.O_RDWR | os.O_NONBLOCK)
                attach(self.all_taps[name], name)


class Bridge(Kernel):
    name = "bridge"

    def _make(self):
        addresses = self.topology.addresses
        for name in addresses:
            self.all_taps[name] = self._open_tap(name)
        self.ns.ip(batch=[f"link add br0 mtu {MTU} type bridge stp_state 0 mcast_snooping 0",
                          "link set br0 up", "link set wire master br0"]
                   + [f"link set {name} mtu {MTU} txqueuelen {QUEUE} master br0 up"
                      for name in addresses])
        # What the bridge would learn from the first frames: nothing is flooded for lack of it.
        where = [(a, name) for name, those in addresses.items() for a in those]
        run("bridge", "-n", self.ns.name, "-batch", "-", input="".join(
            f"fdb replace {a} dev {name} master static\n" for a, name in [*where,
                                                                         (OUTSIDE, "wire")]))
