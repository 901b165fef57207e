# SPDX-License-Identifier: BSD-3-Clause
"""A switch with a real Linux guest in QEMU, which may have several NICs on several ports.

A Linux guest talks of its own accord (IPv6, IGMP), so nothing is told from the counters: a
broadcast frame after the tested ones shows that all before it had their chance, as order is kept.
"""
import contextlib
import re
import tempfile

from lib import frames as F
from lib.daemon import Daemon, poll_until
from lib.netns import Netns
from lib.qemu import QemuGuest, QemuPort
from lib.simnic import SimNic
from lib.wire import Wire
from support import EXTERNAL, UPLINK_MAC, Setup

# What must not be in the daemon's log.
BAD_LOG = re.compile(r"\b(error|fail|assert|panic|sanitizer|warn|cannot|can't|invalid|bad)", re.I)
# librte_vhost, where the port is the client and QEMU is not there yet, or no more.
FINE_LOG = re.compile(r"VHOST_CONFIG: \(\S+\) failed to connect: (No such file|Connection refused)")


class QemuSetup(Setup):
    """nics: {port: further fields of its QemuPort}, eth0 and so on in this order; by default all
    ports that are not in vguests: those get a guest of tests/guest, in self.guests.
    A port whose qmp is True gets the guest's monitor and its NIC there.
    devargs: of a simulated NIC, which is the wire then; by default the uplink is a veth pair.
    prepare(self): called before the guest starts, to add what else its NICs need."""

    def __init__(self, ports, nics=None, vguests=(), devargs=None, prepare=None, **keys):
        super().__init__(ports, guests=False, **keys)
        self.nic_fields = nics if nics is not None else \
            {name: {} for name in ports if name not in vguests}
        self.vguests, self.devargs, self.prepare = vguests, devargs, prepare
        self.eth = {name: f"eth{i}" for i, name in enumerate(self.nic_fields)}
        self.vm = None

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mvsw-q"))
            self.ports = {name: self.with_qmp(name, keys) for name, keys in self.ports.items()}
            if self.devargs is None:
                self.ns = stack.enter_context(Netns("qemu"))
                self.ns.veth("up0", "wire0", mac=UPLINK_MAC, mtu=self.mtu)
                self.wire, eal = stack.enter_context(Wire(self.ns, "wire0")), self.eal
            else:
                self.ns = None
                self.nic = self.wire = stack.enter_context(
                    SimNic(self.folder, **{"mac": UPLINK_MAC, **self.devargs}))
                self.uplink, eal = {**self.uplink, "device": self.nic.device}, self.nic.eal
            self.daemon = stack.enter_context(Daemon(
                self.ns, {"up0": self.uplink}, self.ports, eal=eal, daemon=self.daemon_keys))
            self.rpc = self.daemon.rpc
            stack.callback(lambda: self.guests and self.guests.kill())
            if self.vguests:
                self.guests = self.attach(*self.vguests)
            if self.prepare is not None:
                self.prepare(self)
            self.vm = stack.enter_context(QemuGuest(
                [self.qemu_port(name) for name in self.nic_fields], folder=self.folder))
            self.up()
            self.stack = stack.pop_all()
        return self

    def with_qmp(self, name, keys):
        if keys.get("qmp") is not True:
            return keys
        return {**keys, "qmp": f"{self.folder}/qmp", "qmp_device": self.device(name)}

    def qemu_port(self, name):
        role = "server" if self.ports[name].get("socket_role") == "client" else "client"
        return QemuPort(name, self.daemon.socket_path(name),
                        **{"role": role, "mac": self.ports[name]["mac"], "id": self.device(name),
                           **self.nic_fields[name]})

    @staticmethod
    def device(name):
        """Of its NIC: the -device id."""
        return f"net-{name}"

    def up(self):
        """All NICs up, with taps, as a fresh guest needs it."""
        self.vm.sh("; ".join(f"ip link set {eth} up" for eth in self.eth.values()))
        self.daemon.wait_links(self.eth)
        for eth in self.eth.values():
            self.vm.tap(eth)

    def tap(self, name):
        return self.vm.tap(self.eth[name])

    def reached(self, *frames, source=None, among=None):
        """The ports whose QEMU guest gets a frame, sorted; a list of that for several. source: who
        sends (by default the wire): anything with send(). among: ports; by default all NICs."""
        source = source or self.wire
        marker = F.build(F.BROADCAST, EXTERNAL)
        for frame in (*frames, marker):
            source.send(frame)
        got = {name: self.tap(name).until(marker) for name in among or self.eth}
        results = [sorted(name for name in got if frame in got[name]) for frame in frames]
        return results[0] if len(frames) == 1 else results

    def on_wire(self, name, *frames, interface=None):
        """Are these, sent by the guest, on the wire? A bool, or a list of that for several."""
        tap = self.vm.tap(interface or self.eth[name])
        marker = F.build(F.BROADCAST, self.ports[name]["mac"])
        for frame in (*frames, marker):
            tap.send(frame)
        seen = []

        def there():
            seen.extend(self.wire.poll())
            return marker in seen
        poll_until(there, 5, f"the marker of {name} is on the wire")
        results = [frame in seen for frame in frames]
        return results[0] if len(frames) == 1 else results

    def sync(self, name):
        return self.daemon.port(name)["sync"]

    def filter(self, name):
        """{promisc, allmulticast, config: set, guest: set of addresses}, without main addresses."""
        shown = self.daemon.port(name)["filter"]
        rows = shown["unicast"] + shown["multicast"]
        return {"promisc": shown["promisc"], "allmulticast": shown["allmulticast"],
                **{source: {row["address"] for row in rows if row["source"] == source}
                   for source in ("config", "guest")}}

    def wait_filter(self, name, condition, what, timeout=5):
        """The first filter() for which condition(filter) is true."""
        def there():
            found = self.filter(name)
            return found if condition(found) else None
        try:
            return poll_until(there, timeout, f"{name}: {what}")
        except TimeoutError as error:
            raise AssertionError(f"{error}; it has {self.filter(name)}, {self.sync(name)}, "
                                 f"QEMU says {self._qemu_says(name)}") from None

    def _qemu_says(self, name):
        said = self.vm.qmp.rx_filter(self.device(name))
        said["vlan-table"] = len(said["vlan-table"])
        return said

    def wait_state(self, name, state, timeout=10):
        poll_until(lambda: self.sync(name)["state"] == state, timeout, f"{name}: sync {state}")

    def carrier(self, name):
        return self.vm.sh(f"cat /sys/class/net/{self.eth[name]}/carrier").strip() == "1"

    def bad_log(self):
        log = self.daemon.log_path.read_text(errors="replace")
        return [line for line in log.splitlines()
                if BAD_LOG.search(line) and not FINE_LOG.search(line)]


@contextlib.contextmanager
def membership(s, name, *what):
    """The guest's NIC of that port is a member (frames.c's join) meanwhile."""
    held = s.vm.join(s.eth[name], *what)
    try:
        yield
    finally:
        s.vm.leave(held)


@contextlib.contextmanager
def guest_does(s, do, undo):
    """A command in the guest, and another one afterwards."""
    s.vm.sh(do)
    try:
        yield
    finally:
        s.vm.sh(undo)
