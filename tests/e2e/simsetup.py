# SPDX-License-Identifier: BSD-3-Clause
"""A switch whose uplink is a simulated NIC (tests/simnic), for tests of what the NIC is told."""
import contextlib
import tempfile

from lib.daemon import Daemon
from lib.simnic import SimNic
from support import MODES, UPLINK_MAC, Setup

PORTS = {name: MODES[name] for name in ("b1", "b2", "v1")}


class SimSetup(Setup):
    """A Setup with a simulated NIC (self.nic, which is its wire, too) in place of the veth.

    uplink, daemon: further keys of those sections; devargs: the NIC's."""

    def __init__(self, ports=None, uplink=None, daemon=None, **devargs):
        super().__init__(PORTS if ports is None else ports, uplink=uplink, daemon=daemon)
        self.devargs = {"mac": UPLINK_MAC, **devargs}

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mvsw-n"))
            self.nic = self.wire = stack.enter_context(SimNic(folder, **self.devargs))
            self.daemon = stack.enter_context(Daemon(
                None, {"up0": {**self.uplink, "device": self.nic.device}}, self.ports,
                eal=self.nic.eal, daemon=self.daemon_keys))
            self.rpc = self.daemon.rpc
            self.guests = stack.enter_context(self.attach(*self.ports))
            self.stack = stack.pop_all()
        return self

    def filtered(self, *frames):
        """The NIC passes none of these."""
        before = self.nic.state()["rx"]
        for frame in frames:
            self.nic.send(frame)
        after = self.nic.wait_state(
            lambda s: s["rx"]["filtered"] + s["rx"]["passed"]
            >= before["filtered"] + before["passed"] + len(frames))["rx"]
        assert after["passed"] == before["passed"]

    def shown(self):
        return self.rpc("uplink.show")[0]

    def tiers(self):
        return {row["address"]: row["tier"] for row in self.shown()["demux"]}

    def why(self, address):
        return next(row["why"] for row in self.shown()["demux"] if row["address"] == address)


def lost(state):
    """The watched addresses that did not pass after some change of the NIC's tables."""
    return {a: w for a, w in state["watches"].items() if w["lost"] > 0 or not w["passes"]}
