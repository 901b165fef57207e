# SPDX-License-Identifier: BSD-3-Clause
"""Linux guests in QEMU, without KVM, booted from what scripts/guest-image makes.

    with QemuGuest([QemuPort("vm1", socket_path, mac="52:54:00:00:00:01")]) as guest:
        guest.sh("ip link set eth0 up")
        tap = guest.tap("eth0")           # send(), poll(), collect(): as a Wire
        guest.daemon_qmp                  # the monitor for the daemon; guest.qmp is ours

QEMU starts the guest's CPU, and answers on its monitors, only when all of its vhost-user sockets
are connected: boot() waits for the guest, the constructor does not.
"""
import dataclasses
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import frames as F
from .daemon import BUILD, poll_until
from .qmp import Qmp

QEMU = "qemu-system-x86_64"
ROOT = Path(__file__).resolve().parents[2]
IMAGE = Path(os.environ.get("MACVSWITCH_GUEST_IMAGE", BUILD / "guest-image"))
TAPS = 8
CHANNELS = [*(f"tap{n}" for n in range(TAPS)), "cmd"]  # init waits for the last one
KERNEL_ARGS = ("console=ttyS0 quiet nokaslr mitigations=off audit=0 tsc=reliable "
               "no_timer_check rcupdate.rcu_expedited=1 panic=1")


def guest_image():
    """The image's folder; made where it is missing or old, which takes 10 to 30 seconds."""
    subprocess.run([str(ROOT / "scripts/guest-image"), str(IMAGE)], check=True, timeout=300,
                   stdin=subprocess.DEVNULL)
    return IMAGE


@dataclasses.dataclass
class QemuPort:
    """One NIC. role is the guest's: client where the daemon's port is server. id: of -device."""
    name: str
    path: str
    mac: str
    role: str = "client"
    id: str = ""
    queues: int = 1
    properties: str = ""  # further ones of -device: "csum=off,mq=on"


class _Channel:
    """The host's end of a virtio-serial port."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(path))
        self.buffer = b""

    def more(self, timeout):
        """False: nothing came."""
        if not select.select([self.sock], [], [], max(0, timeout))[0]:
            return False
        data = self.sock.recv(1 << 16)
        if not data:
            raise ConnectionError("QEMU is gone")
        self.buffer += data
        return True

    def line(self, timeout):
        end = time.monotonic() + timeout
        while b"\n" not in self.buffer:
            if not self.more(end - time.monotonic()):
                raise TimeoutError(f"the guest says nothing for {timeout} s")
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode(errors="replace")

    def bytes(self, n, timeout):
        end = time.monotonic() + timeout
        while len(self.buffer) < n:
            if not self.more(end - time.monotonic()):
                raise TimeoutError(f"the guest stops in the middle: {self.buffer!r}")
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data


class Tap:
    """The frames of one of the guest's interfaces: all that its driver receives, whatever the
    guest's kernel thinks of them. received: (frame, packet type) of the last collect()."""

    def __init__(self, channel, name):
        self.channel, self.name, self.received = channel, name, []

    def send(self, frame):
        self.channel.sock.sendall(struct.pack("!HB", len(frame), 0) + frame)

    def recv(self, timeout=1.0):
        """(frame, packet type); None: nothing came."""
        end = time.monotonic() + timeout
        while True:
            buffer = self.channel.buffer
            if len(buffer) >= 3:
                length, kind = struct.unpack_from("!HB", buffer)
                if len(buffer) >= 3 + length:
                    self.channel.buffer = buffer[3 + length:]
                    return buffer[3:3 + length], kind
            if not self.channel.more(end - time.monotonic()):
                return None

    def poll(self):
        return self.collect(0)

    def collect(self, timeout=1.0, quiet=0.2, count=None):
        """Frames until count are here, nothing came for quiet seconds, or the timeout."""
        self.received, end = [], time.monotonic() + timeout
        while count is None or len(self.received) < count:
            left = max(0, end - time.monotonic())
            got = self.recv(min(quiet, left) if count is None else left)
            if got is None:
                break
            self.received.append(got)
        return [frame for frame, _ in self.received]

    def until(self, marker, timeout=10):
        """All numbered frames before the marker; AssertionError where that does not come."""
        frames, end = [], time.monotonic() + timeout
        while True:
            got = self.recv(max(0, end - time.monotonic()))
            assert got is not None, \
                f"{self.name}: the marker does not come; {len(frames)} other frames came"
            if got[0] == marker:
                return frames
            if F.frame_number(got[0]) is not None:
                frames.append(got[0])


class QemuGuest:
    """ports: QemuPorts, eth0 and so on in this order. wait: boot() at once. folder: for its
    sockets (the daemon's monitor is "qmp" there), where they must be known beforehand."""

    def __init__(self, ports, memory=256, wait=True, timeout=60, folder=None):
        self.ports, self.memory, self.timeout = list(ports), memory, timeout
        self.image = guest_image()
        self.dir = Path(folder or tempfile.mkdtemp(prefix="mvsw-q"))
        self.daemon_qmp, self.test_qmp, self.spare_qmp = (
            str(self.dir / name) for name in ("qmp", "qmp2", "qmp3"))
        self.sockets = [Path(self.daemon_qmp), Path(self.test_qmp), Path(self.spare_qmp),
                        *(self.dir / name for name in CHANNELS)]
        self.console_path, self.log_path = self.dir / "console", self.dir / "log"
        self.process = self.qmp = self.cmd = None
        self.taps, self.boot_seconds = {}, None
        try:
            self.start()
            if wait:
                self.boot()
        except BaseException:
            self.kill()
            raise

    def command_line(self):
        ram = f"memory-backend-memfd,id=m,size={self.memory}M,share=on"
        line = [QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-accel", "tcg",
                "-machine", "q35", "-cpu", "qemu64", "-m", str(self.memory),
                "-object", ram, "-numa", "node,memdev=m",
                "-kernel", str(self.image / "vmlinux"), "-initrd", str(self.image / "initramfs"),
                "-append", KERNEL_ARGS, "-serial", f"file:{self.console_path}",
                *(word for path in (self.daemon_qmp, self.test_qmp, self.spare_qmp)
                  for word in ("-qmp", f"unix:{path},server=on,wait=off")),
                "-device", "virtio-serial-pci,vectors=0"]
        for i, name in enumerate(CHANNELS):
            line += ["-chardev", f"socket,id={name},path={self.dir / name},server=on,wait=off",
                     "-device", f"virtserialport,chardev={name},name={name},nr={i + 1}"]
        for i, port in enumerate(self.ports):
            how = "reconnect=1" if port.role == "client" else "server=on,wait=off"
            queues = ",mq=on,vectors=0" if port.queues > 1 else ",vectors=0"
            line += ["-chardev", f"socket,id=c{i},path={port.path},{how}",
                     "-netdev", f"vhost-user,id=hn{i},chardev=c{i},queues={port.queues}",
                     "-device", f"virtio-net-pci,netdev=hn{i},id={port.id or f'net{i}'},"
                                f"mac={port.mac},romfile={queues}"
                                f"{',' if port.properties else ''}{port.properties}"]
        return line

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command_line(), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=subprocess.STDOUT)
        self.started = time.monotonic()
        poll_until(self._listens, 10, "QEMU's sockets are there")
        self.cmd = _Channel(self.dir / "cmd")

    def _listens(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"QEMU ended: {self.log()}")
        return all(path.exists() for path in self.sockets)

    def boot(self):
        """Until the guest takes commands."""
        self._wait_ready(self.started)
        self.qmp = Qmp(self.test_qmp)

    def _wait_ready(self, since):
        try:
            while self.cmd.line(self.timeout) != "ready":
                pass
        except (TimeoutError, ConnectionError) as error:
            raise TimeoutError(f"the guest does not boot: {error}\n{self.log()}") from error
        self.boot_seconds = time.monotonic() - since

    def reset(self):
        """Reboots in place, by QMP's system_reset. Taps have to be asked for anew."""
        self._forget_taps()
        self.cmd.buffer = b""
        start = time.monotonic()
        self.qmp.command("system_reset")
        self._wait_ready(start)

    def restart(self):
        """QEMU is killed and another one started."""
        self.kill(remove=False)
        for path in self.sockets:
            path.unlink(missing_ok=True)
        self.start()
        self.boot()

    def sh(self, command, timeout=15, check=True):
        """The output of a command line in the guest, both stdout and stderr."""
        assert "\n" not in command
        self.cmd.sock.sendall(command.encode() + b"\n")
        status, size = map(int, self.cmd.line(timeout).split())
        output = self.cmd.bytes(size, timeout).decode(errors="replace")
        if check and status != 0:
            raise RuntimeError(f"guest: {command}: exit status {status}: {output}")
        return output

    def tap(self, interface):
        """The interface has to be there; several taps may look at different ones."""
        if interface not in self.taps:
            number = next(n for n in range(TAPS)
                          if n not in [t.channel.number for t in self.taps.values()])
            channel = _Channel(self.dir / f"tap{number}")
            channel.number = number
            channel.pid = self.sh(f"frames pipe {interface} /dev/virtio-ports/tap{number} "
                                  "</dev/null >/dev/null 2>&1 & echo $!").strip()
            # its tap is open when the port is
            self.sh(f"until ls -l /proc/{channel.pid}/fd | grep -q vport; do usleep 10000; done")
            self.taps[interface] = Tap(channel, interface)
        return self.taps[interface]

    def untap(self, interface):
        """Ends a tap; before its interface is deleted."""
        tap = self.taps.pop(interface)
        self.sh(f"kill {tap.channel.pid}")
        tap.channel.sock.close()

    def _forget_taps(self):
        for tap in self.taps.values():
            tap.channel.sock.close()
        self.taps = {}

    def join(self, interface, *what):
        """Membership (frames.c: groups, MACs, allmulti, promisc) until leave() of what this
        returns."""
        return self.sh(f"frames join {interface} {' '.join(what)}").strip()

    def leave(self, membership):
        self.sh(f"kill {membership}; while kill -0 {membership} 2>/dev/null; do usleep 5000; done")

    def stall(self, on=True):
        """Stops the whole of QEMU, monitors and all; or lets it go on."""
        self.process.send_signal(signal.SIGSTOP if on else signal.SIGCONT)

    def log(self):
        def tail(path):
            return path.read_text(errors="replace")[-3000:] if path.exists() else ""
        return f"QEMU's log:\n{tail(self.log_path)}\nconsole:\n{tail(self.console_path)}"

    def kill(self, remove=True):
        self._forget_taps()
        for end in self.qmp, self.cmd and self.cmd.sock:
            if end is not None:
                end.close()
        self.qmp = self.cmd = None
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
        if remove and "MACVSWITCH_KEEP" not in os.environ:
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print(self.log(), file=sys.stderr)
        self.kill()
