# SPDX-License-Identifier: BSD-3-Clause
"""A switch that owns an emulated NIC, both inside of a QEMU guest (tests/lib/nicguest.py); the wire
is here. For what our simulated NIC (simsetup.py) cannot show: a NIC and a driver of others."""
import contextlib
import tempfile

from lib import frames as F
from lib.daemon import poll_until
from lib.guest import GuestPort
from lib.nicguest import DgramWire, NicVm
from support import EXTERNAL, UPLINK_MAC, WIRE, Setup


class NicSetup(Setup):
    """Daemon, guests and NIC in self.vm; model: the NIC's, as QEMU calls it."""

    def __init__(self, ports, model="e1000e", uplink=None, daemon=None):
        super().__init__(ports, daemon=daemon)
        self.model, self.uplink = model, dict(uplink or {})

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mvsw-e"))
            self.wire = stack.enter_context(DgramWire(folder))
            self.vm = stack.enter_context(NicVm(self.wire, folder, UPLINK_MAC, self.model))
            self.start()
            self.stack = stack.pop_all()
        return self

    def start(self):
        """Daemon and guests; again after stop()."""
        self.daemon = self.vm.start_daemon({"up0": {"device": self.vm.device, **self.uplink}},
                                           self.ports, self.daemon_keys)
        self.rpc = self.daemon.rpc
        self.start_guests()

    def start_guests(self):
        """Until they and the NIC have a link."""
        self.guests = self.vm.start_guests(
            [GuestPort(name, self.daemon.socket_path(name)) for name in self.ports])
        self.daemon.wait_links(list(self.ports), timeout=30)
        self.wait_link("up")

    def stop(self):
        """Both, and each must end well. The daemon's log."""
        self.guests.stop()
        return self.daemon.stop()

    def wait_link(self, link):
        poll_until(lambda: self.shown()["link"] == link, 15, f"the NIC's link is {link}")

    def shown(self):
        return self.rpc("uplink.show")[0]

    def row(self, address):
        return next(row for row in self.shown()["demux"] if row["address"] == address)

    def tiers(self):
        return {row["address"]: row["tier"] for row in self.shown()["demux"]}

    def from_wire(self):
        return self.shown()["counters"]["from_wire_packets"]

    def filtered(self, *frames):
        """The NIC passes none of these: the daemon counts only the broadcast frame after them."""
        assert self.strays() == {}
        before, marker = self.from_wire(), F.build(F.BROADCAST, EXTERNAL)
        for frame in (*frames, marker):
            self.wire.send(frame)
        for name in self.ports:
            assert self.guests[name].collect(10, count=1) == [marker]
        assert poll_until(lambda: self.from_wire() - before, 10, "the marker is counted") == 1

    def everyone_is_reached(self):
        for name, port in self.ports.items():
            assert self.gives(WIRE, F.build(port["mac"], EXTERNAL)) == [name]
        assert self.gives(WIRE, F.build(F.BROADCAST, EXTERNAL)) == sorted(self.ports)
