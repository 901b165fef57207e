# SPDX-License-Identifier: BSD-3-Clause
"""A QEMU guest in which the daemon runs and owns an emulated NIC; the test has the NIC's wire.

    with DgramWire(folder) as wire, NicVm(wire, folder) as vm:
        daemon = vm.start_daemon({"up0": {"device": vm.device}}, {"v1": {"mode": "vepa"}})
        guests = vm.start_guests([GuestPort("v1", daemon.socket_path("v1"))])
        wire.send(frame); guests["v1"].collect()

It boots what scripts/guest-image makes. Programs, libraries and Python are the host's: the host's
root is mounted read-only over 9p, with the guest's own /dev, /proc, /sys and /run (so none of what
is used may be below these), and there tests/lib/nicagent.py does what these objects are asked to.
The NIC is bound to uio_pci_generic, so the daemon's EAL needs hugepages.
"""
import json
import select
import socket
import sys
import time
from pathlib import Path

from .daemon import BUILD, CtlError, RpcError
from .nicagent import pack, unpack
from .qemu import QemuGuest

TESTS = Path(__file__).resolve().parents[1]
HUGEPAGES = 256  # of 2 MiB
CHANNEL = "tap0"  # a virtio-serial port that every QemuGuest has
NIC = "nic0"  # its -device id
ROOT = "/host"


class DgramWire:
    """The other end of QEMU's `-netdev dgram`: one datagram a frame. As a Wire."""

    def __init__(self, folder):
        self.nic_path, self.path = (str(Path(folder, name)) for name in ("nic", "wire"))
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
        self.sock.bind(self.path)
        self.sock.settimeout(10)

    def netdev(self, name):
        """QEMU's option."""
        return (f"dgram,id={name},local.type=unix,local.path={self.nic_path},"
                f"remote.type=unix,remote.path={self.path}")

    def send(self, frame):
        """Waits while the NIC takes no frames."""
        self.sock.sendto(frame, self.nic_path)

    def poll(self):
        """All frames that are here now."""
        frames = []
        while select.select([self.sock], [], [], 0)[0]:
            frames.append(self.sock.recv(65536))
        return frames

    def collect(self, timeout=1.0, quiet=0.2, count=None):
        """Frames until count are here, nothing came for quiet seconds, or the timeout."""
        frames, end = [], time.monotonic() + timeout
        while count is None or len(frames) < count:
            wait = min(quiet if count is None else timeout, end - time.monotonic())
            if wait <= 0 or not select.select([self.sock], [], [], wait)[0]:
                break
            frames += self.poll()
        return frames

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


class RemoteError(Exception):
    """Something failed in the guest that is no answer of the daemon's."""


class _Remote:
    """An object of the agent's: its methods are called there. timeout: of each."""

    def __init__(self, vm, name, timeout=60):
        self._vm, self._name, self._timeout = vm, name, timeout

    def __getattr__(self, method):
        if method.startswith("_"):
            raise AttributeError(method)
        return lambda *args, **keys: self._vm.ask(self._name, method, args, keys, self._timeout)


class RemoteDaemon(_Remote):
    """What tests use of a Daemon: rpc(), ctl(), port(), wait_links(), log() and these."""

    def rpc(self, method, **params):
        return self._vm.ask("daemon", "rpc", (method,), params, self._timeout)

    def stop(self):
        """Must end with status 0. Its log."""
        return self._vm.ask("agent", "stop_daemon", (), {}, self._timeout)


class RemoteGuests(_Remote):
    """As Guests: stats(), sink() and so on."""

    def __init__(self, vm, names):
        super().__init__(vm, "guests")
        self.guests = {name: _Remote(vm, f"guest:{name}") for name in names}

    def __getitem__(self, name):
        return self.guests[name]

    def stop(self):
        self._vm.ask("agent", "stop_guests", (), {}, self._timeout)


class NicVm(QemuGuest):
    """model: of the NIC, QEMU's name. The agent answers when the constructor returns."""

    def __init__(self, wire, folder, mac, model="e1000e", slot=9):
        self.wire, self.model, self.mac, self.slot = wire, model, mac, slot
        self.device, self.channel, self.replies = f"0000:00:{slot:02x}.0", None, b""
        self.eal = f"-m {HUGEPAGES * 2}"
        super().__init__([], memory=2048, wait=False, folder=folder)
        try:
            self.boot()
            self._mount()
            self._bind_nic()
            self._start_agent()
        except BaseException:
            print(self.log(), file=sys.stderr)
            self.kill()
            raise

    def command_line(self):
        # of several -cpu and -smp the last one counts
        return [*super().command_line(), "-cpu", "max", "-smp", "2",
                "-fsdev", "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap",
                "-device", "virtio-9p-pci,fsdev=root,mount_tag=hostroot,vectors=0",
                "-netdev", self.wire.netdev("w0"),
                "-device", f"{self.model},id={NIC},netdev=w0,mac={self.mac},romfile=,"
                           f"addr={self.slot:#x}"]

    def _mount(self):
        self.sh("modprobe -a 9p 9pnet_virtio uio_pci_generic")
        for mount in (f"-t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 "
                      f"hostroot {ROOT}",
                      f"-t devtmpfs dev {ROOT}/dev", f"-t proc proc {ROOT}/proc",
                      f"-t sysfs sys {ROOT}/sys", f"-t tmpfs tmp {ROOT}/run",
                      f"-t tmpfs shm {ROOT}/dev/shm", f"-t hugetlbfs huge {ROOT}/dev/hugepages"):
            self.sh(f"mkdir -p {mount.split()[-1]}; mount {mount}", timeout=30)
        self.sh(f"echo {HUGEPAGES} >/proc/sys/vm/nr_hugepages; mkdir -p {ROOT}/run/tmp")
        pages = int(self.sh("cat /proc/sys/vm/nr_hugepages"))
        assert pages == HUGEPAGES, f"the guest has only {pages} hugepages"

    def _bind_nic(self):
        path = f"/sys/bus/pci/devices/{self.device}"
        self.sh(f"echo uio_pci_generic >{path}/driver_override; "
                f"echo {self.device} >/sys/bus/pci/drivers_probe; "
                f"test -e {path}/driver; ls -l {path}/driver | grep uio_pci_generic")

    def _start_agent(self):
        self.channel = socket.socket(socket.AF_UNIX)
        self.channel.connect(str(self.dir / CHANNEL))
        self.sh(f"for p in /sys/class/virtio-ports/*; do grep -qx {CHANNEL} $p/name && "
                f"ln -sf /dev/${{p##*/}} /dev/virtio-ports/{CHANNEL}; done; "
                f"ls -l /dev/virtio-ports/{CHANNEL}")
        self.sh(f"env TMPDIR=/run/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={TESTS} "
                f"PATH=/usr/sbin:/usr/bin:/sbin:/bin MACVSWITCH_BUILD={BUILD} "
                f"chroot {ROOT} /usr/bin/python3 -m lib.nicagent /dev/virtio-ports/{CHANNEL} "
                "</dev/null >/dev/console 2>&1 & :")
        assert self._reply(60) == {"result": "ready"}

    def _reply(self, timeout):
        end = time.monotonic() + timeout
        while b"\n" not in self.replies:
            wait = max(0, end - time.monotonic())
            if not select.select([self.channel], [], [], wait)[0]:
                raise TimeoutError(f"the agent says nothing for {timeout} s")
            data = self.channel.recv(1 << 16)
            if not data:
                raise ConnectionError("QEMU is gone")
            self.replies += data
        line, self.replies = self.replies.split(b"\n", 1)
        return json.loads(line)

    def ask(self, name, method, args, keys, timeout):
        request = {"object": name, "method": method, "args": pack(args), "keys": pack(keys)}
        self.channel.sendall(json.dumps(request).encode() + b"\n")
        answer = self._reply(timeout)
        if "error" not in answer:
            return unpack(answer["result"])
        if answer["type"] == "rpc":
            raise RpcError(answer["error"])
        if answer["type"] == "ctl":
            raise CtlError(answer["status"], answer["error"])
        raise RemoteError(answer["error"])

    def start_daemon(self, uplinks, ports, daemon=None, timeout=120):
        self.ask("agent", "start_daemon", (uplinks, ports, {"eal": self.eal, **(daemon or {})},
                                           timeout), {}, timeout + 10)
        return RemoteDaemon(self, "daemon")

    def start_guests(self, ports, mtu=1500, timeout=120):
        """ports: GuestPorts."""
        self.ask("agent", "start_guests", ([vars(port) for port in ports], mtu, timeout), {},
                 timeout + 10)
        return RemoteGuests(self, [port.name for port in ports])

    def set_link(self, up):
        """The NIC's cable, as it were."""
        self.qmp.command("set_link", name=NIC, up=up)
