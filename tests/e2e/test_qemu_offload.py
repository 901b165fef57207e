# SPDX-License-Identifier: BSD-3-Clause
"""Offloads between real Linux guests, and between them and the outside: TCP over IPv4 and IPv6 at
an MTU of 1500. What leaves the switch for somebody without offloads is in frames that fit, with
right checksums; what both sides negotiated makes them at least three times as fast between guests.

Each of two guests has an eth0 with offloads and an eth1 without: guest a's port does not offer
them, guest b's QEMU does not take them. The wire is a veth pair by net_af_packet, which has none.
"""
import contextlib
import socket
import struct
import subprocess
import tempfile
import time

import pytest

from lib.daemon import BUILD, Daemon
from lib.netns import Netns
from lib.qemu import QemuGuest, QemuPort
from support import UPLINK_MAC, at_rest, balance, mac

STREAM = BUILD / "tests/guest/stream"
NO_OFFLOADS = ("csum=off,gso=off,guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off,"
               "guest_ufo=off,host_tso4=off,host_tso6=off,host_ecn=off,host_ufo=off")
ALL = ["csum", "tso4", "tso6", "tso_ecn", "guest_csum", "guest_tso4", "guest_tso6", "guest_ecn"]
PORTS = {"a0": {"mac": mac(1)}, "a1": {"mac": mac(2), "offloads": "off"},
         "b0": {"mac": mac(3)}, "b1": {"mac": mac(4)}}
# Networks: 0 with offloads, 1 without, 2 from one to the other.
HOSTS = {"a": 1, "b": 2, "outside": 9}


def address(host, net, family):
    n = HOSTS[host]
    return f"10.0.{net}.{n}" if family == 4 else f"fd00:{net}::{n}"


def checksum_is_right(frame):
    """Of the TCP or UDP in a frame; None: there is none. All checksums are sums modulo 65535."""
    at = 12
    while frame[at:at + 2] in (b"\x81\x00", b"\x88\xa8"):
        at += 4
    kind, ip = frame[at:at + 2], frame[at + 2:]
    if kind == b"\x08\x00":
        length, l3, proto = struct.unpack_from("!H", ip, 2)[0], (ip[0] & 15) * 4, ip[9]
        addresses = ip[12:20]
        if int.from_bytes(ip[:l3], "big") % 0xffff != 0:
            return False
    elif kind == b"\x86\xdd":
        length, l3, proto = struct.unpack_from("!H", ip, 4)[0] + 40, 40, ip[6]
        addresses = ip[8:40]
    else:
        return None
    if proto not in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
        return None
    data = ip[l3:length]
    data += b"\0" * (len(data) % 2)
    return (int.from_bytes(addresses, "big") + proto + length - l3 +
            int.from_bytes(data, "big")) % 0xffff == 0


def pcap_frames(path):
    with open(path, "rb") as file:
        data = file.read()
    assert struct.unpack_from("<I", data)[0] == 0xa1b2c3d4
    at = 24
    while at + 16 <= len(data):
        kept, length = struct.unpack_from("<II", data, at + 8)
        assert kept == length
        yield data[at + 16:at + 16 + kept]
        at += 16 + kept


class Lab:
    def __init__(self, stack):
        self.ns = stack.enter_context(Netns("offload", ipv6=True))
        self.ns.veth("up0", "wire0", mac=UPLINK_MAC)
        for net in 0, 1:
            self.ns.ip("addr", "add", address("outside", net, 4) + "/24", "dev", "wire0")
            self.ns.ip("addr", "add", address("outside", net, 6) + "/64", "dev", "wire0", "nodad")
        self.folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mvsw-o"))
        ports = {name: {"mode": "bridge", "allmulticast": "on", **keys}
                 for name, keys in PORTS.items()}
        self.daemon = stack.enter_context(Daemon(
            self.ns, {"up0": {"device": "net_af_packet0,iface=up0"}}, ports))
        self.vm = {}
        for host in "a", "b":
            nics = [QemuPort(f"{host}{i}", self.daemon.socket_path(f"{host}{i}"),
                             PORTS[f"{host}{i}"]["mac"],
                             properties=NO_OFFLOADS if f"{host}{i}" == "b1" else "")
                    for i in (0, 1)]
            self.vm[host] = stack.enter_context(QemuGuest(nics, wait=False))
        for host in "a", "b":
            self.vm[host].boot()
            self.configure(host)
        self.daemon.wait_links(PORTS)

    def configure(self, host):
        commands = ["cd /proc/sys/net/ipv4/conf/all", "echo 1 >arp_ignore", "echo 2 >arp_announce"]
        for interface, nets in ("eth0", [0]), ("eth1", [1]):
            commands.append(f"ip link set {interface} up")
            # network 2: a's eth0, b's eth1
            for net in nets + [2] * ((host == "a") == (interface == "eth0")):
                commands += [f"ip addr add {address(host, net, 4)}/24 dev {interface}",
                             f"ip addr add {address(host, net, 6)}/64 dev {interface} nodad"]
        self.vm[host].sh("; ".join(commands))

    def receive_together(self, on):
        """The outside as it is elsewhere: a NIC that waits 100 us for more, and GRO, so that not
        every other frame of a stream is acknowledged."""
        self.ns.run("ethtool", "-K", "wire0", "gro", "on" if on else "off")
        self.ns.run("sh", "-c", "cd /sys/class/net/wire0 && "
                                f"echo {100000 * on} >gro_flush_timeout && "
                                f"echo {2 * on} >napi_defer_hard_irqs")

    def stream(self, sender, receiver, net, family, seconds, ends=("source", "sink")):
        """Bytes in a second; the receiver has checked each, if it is "sink"."""
        sink = self.start(receiver, f"{ends[1]} 5001")
        time.sleep(0.3)
        source = self.start(sender, f"{ends[0]} {address(receiver, net, family)} 5001 "
                                    f"{int(seconds * 1000)}")
        sent, _ = self.finish(source, seconds + 30)
        got, micros = self.finish(sink, 10)
        assert got == sent > 0
        return got / micros * 1e6

    def start(self, host, what):
        if host == "outside":
            return host, subprocess.Popen(
                ["ip", "netns", "exec", self.ns.name, str(STREAM), *what.split()], text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        name = what.split()[0]
        self.vm[host].sh(f"rm -f /tmp/{name}.done; (stream {what} >/tmp/{name} 2>&1; "
                         f"echo $? >/tmp/{name}.done) >/dev/null 2>&1 &")
        return host, name

    def finish(self, started, timeout):
        host, what = started
        if host == "outside":
            output, error = what.communicate(timeout=timeout)
            assert what.returncode == 0, error
        else:
            output = self.vm[host].sh(
                f"for i in $(seq {int(timeout * 10)}); do [ -e /tmp/{what}.done ] && break; "
                f"usleep 100000; done; cat /tmp/{what}; exit $(cat /tmp/{what}.done)",
                timeout=timeout + 10)
        return map(int, output.split())

    @contextlib.contextmanager
    def capture(self):
        """A list, filled with the frames on the wire at the end."""
        path, frames = f"{self.folder}/wire.pcap", []
        dump = subprocess.Popen(
            ["ip", "netns", "exec", self.ns.name, "tcpdump", "-i", "wire0", "-w", path, "-s0", "-U",
             "-B", "65536", "-Z", "root", "tcp"], stderr=subprocess.PIPE, text=True)
        try:
            assert "listening" in dump.stderr.readline()
            yield frames
        finally:
            dump.terminate()
            dump.wait(10)
        frames.extend(pcap_frames(path))


@pytest.fixture(scope="module")
def lab():
    with contextlib.ExitStack() as stack:
        yield Lab(stack)


def test_what_is_negotiated_is_shown(lab):
    shown = {name: lab.daemon.port(name)["guest"]["offloads"] for name in PORTS}
    assert shown == {"a0": ALL, "b0": ALL, "a1": [], "b1": []}
    assert lab.daemon.rpc("uplink.show")[0]["offloads"] == ["chains"]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("sender, receiver", [("a", "outside"), ("outside", "a")])
def test_the_wire_has_frames_that_fit_with_right_checksums(lab, sender, receiver, family):
    with lab.capture() as frames:
        lab.stream(sender, receiver, 0, family, 1)
    assert len(frames) > 1000
    assert max(map(len, frames)) == 1514
    assert all(checksum_is_right(frame) for frame in frames)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("family", [4, 6])
def test_to_a_guest_without_offloads(lab, family):
    lab.vm["b"].sh("stream nogro eth1")
    tap = lab.vm["b"].tap("eth1")
    lab.stream("a", "b", 2, family, 0.3)
    frames = [frame for frame in tap.collect(10) if checksum_is_right(frame) is not None]
    assert len(frames) > 100 and max(map(len, frames)) == 1514
    assert all(checksum_is_right(frame) for frame in frames)
    lab.vm["b"].untap("eth1")
    assert lab.daemon.port("b1")["counters"]["copies"] > 0


@pytest.mark.timeout(120)
@pytest.mark.parametrize("family", [4, 6])
def test_from_a_guest_without_offloads(lab, family):
    lab.stream("b", "a", 2, family, 0.3)


@pytest.mark.timeout(250)
@pytest.mark.parametrize("sender, receiver", [("a", "b"), ("a", "outside")])
def test_three_times_as_fast(lab, sender, receiver):
    """With neither end copying: that is what limits a guest without KVM."""
    lab.receive_together(True)
    try:
        rates = {family: [lab.stream(sender, receiver, net, family, 3, ("file", "discard"))
                              for net in (0, 1)]
                 for family in (4, 6)}
    finally:
        lab.receive_together(False)
    print(*(f"{sender} to {receiver}, IPv{family}: {on / 1e6:.1f} MB/s, without offloads "
            f"{off / 1e6:.1f}: {on / off:.1f} times" for family, (on, off) in rates.items()),
          sep="\n")
    for on, off in rates.values():
        assert on >= 3 * off


def test_the_book_balances(lab):
    assert balance(at_rest(lab.daemon)) == 0
