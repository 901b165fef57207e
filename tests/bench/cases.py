# SPDX-License-Identifier: BSD-3-Clause
"""The cases: how the wire and the guest look, and who counts the frames."""
import dataclasses
import os
import signal
import struct
import tempfile
import time

from lib.guest import GuestPort, Guests

from .switches import MACS
from .testpmd import Testpmd, virtio_user

OUTSIDE = "02:00:00:00:00:99"
SWITCH_CPU, GUEST_CPU = 1, 0


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    size: int  # bytes, without FCS
    ports: int = 1
    wire: str = "null"  # null: sends nothing, swallows all; pcap: sends one file for ever
    guest_mode: str = "rxonly"
    # What takes turns: (label, switch, further ports whose guests are attached and idle). The first
    # is compared with the second.
    peers: tuple = (("macvswitch", "macvswitch", 0), ("testpmd", "testpmd", 0))

    def __str__(self):
        return f"{self.name} {self.size} B"


def cases(sizes):
    made = []
    for size in sizes:
        made += [Case("wire to guest", size, wire="pcap"),
                 Case("guest to wire", size, guest_mode="txonly"),
                 Case("guest to guest", size, ports=2, guest_mode="io")]
    made.append(Case("wire to guest, 64 ports for 2", sizes[0], wire="pcap",
                     peers=(("64 ports", "macvswitch", 63), ("2 ports", "macvswitch", 1))))
    return made


def write_pcap(path, size, frames=64):
    """Frames to the first guest from one outside station, one after another."""
    def mac(text):
        return bytes.fromhex(text.replace(":", ""))
    with open(path, "wb") as f:
        f.write(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for i in range(frames):
            frame = (mac(MACS[0]) + mac(OUTSIDE) + b"\x08\x00" + bytes([i])).ljust(size, b"\0")
            f.write(struct.pack("=IIII", 0, i, len(frame), len(frame)) + frame)


class Guest:
    """The case's guest: testpmd on virtio-user ports; and idle ones that only wait."""

    def __init__(self, case, switch):
        eal = []
        for i, path in enumerate(switch.sockets):
            eal += virtio_user(i, path, MACS[i])
        args = [f"--forward-mode={case.guest_mode}", f"--txpkts={case.size}"]
        for i in range(case.ports):
            # Two guests talk to each other, one talks to the outside.
            peer = MACS[1 - i] if case.ports == 2 else OUTSIDE
            args.append(f"--eth-peer={i},{peer}")
        self.idle = None
        if switch.idle_names:
            self.idle = Guests([GuestPort(name, path) for name, path in
                                zip(switch.idle_names, switch.idle_sockets)])
            # An idle guest takes no CPU: not from the one that is measured either.
            self.idle.signal(signal.SIGSTOP)
        self.testpmd = Testpmd("mvsw-bench-guest", GUEST_CPU, eal, args)
        switch.wait_guests()
        # Between two guests frames go round: what arrives at one is sent again by the other.
        self.testpmd.command("start tx_first 16" if case.guest_mode == "io" else "start")

    def received(self):
        return self.testpmd.packets()[0]

    def stop(self):
        self.testpmd.stop()
        if self.idle is not None:
            self.idle.signal(signal.SIGCONT)
            self.idle.stop()


def measure(case, make_switch, idle_ports, seconds):
    """One run: (million frames a second, cycles a frame or None)."""
    with tempfile.TemporaryDirectory(prefix="mvsw-bench") as folder:
        wire = "net_null0,no-rx=1"
        if case.wire == "pcap":
            pcap = os.path.join(folder, "wire.pcap")
            write_pcap(pcap, case.size)
            wire = f"net_pcap0,rx_pcap={pcap},infinite_rx=1"
        # testpmd pairs its ports in order: two guests only, without a wire in between.
        if case.ports == 2 and make_switch.name == "testpmd":
            wire = None
        switch = make_switch(folder, SWITCH_CPU, wire, case.ports, idle_ports)
        guest = None
        try:
            guest = Guest(case, switch)
            time.sleep(0.5)
            return _count(case, switch, guest, seconds)
        finally:
            if guest is not None:
                guest.stop()
            switch.stop()


def _count(case, switch, guest, seconds):
    count = switch.forwarded if case.guest_mode == "txonly" else guest.received
    cycles, frames, start = switch.cycles(), count(), time.monotonic()
    time.sleep(seconds)
    moved, took = count() - frames, time.monotonic() - start
    per_frame = None
    if cycles is not None:
        after = switch.cycles()
        per_frame = (after[0] - cycles[0]) / max(1, after[1] - cycles[1])
    return moved / took / 1e6, per_frame
