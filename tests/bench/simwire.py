# SPDX-License-Identifier: BSD-3-Clause
"""A wire behind a NIC that sorts by address, for what a queue of one's own saves: the simulated NIC
of the tests. It takes some frames from its socket, filters and steers them once, and then its
queues repeat them for ever (`replay`), so that sorting costs the switch no more than with hardware.
Its receive function takes a lock and copies; that is in every figure with this NIC."""
from lib.simnic import SimNic

from .topology import OUTSIDE, udp_frame

FRAMES = 96


class SimWire:
    """steer: the NIC takes flow rules."""

    def __init__(self, folder, steer):
        self.nic = SimNic(folder, mac="02:00:00:00:00:01", flows=16 if steer else 0, rss=0)

    def start(self, destinations, sizes):
        """When the switch has told the NIC what it wants."""
        before = self.nic.state()["rx"]["passed"]
        self.nic.ctl(f"replay {FRAMES}")
        for i in range(FRAMES):
            self.nic.send(udp_frame(destinations[i % len(destinations)], OUTSIDE,
                                    sizes[i % len(sizes)]))
        self.nic.wait_state(lambda s: s["rx"]["passed"] - before == FRAMES)

    def close(self):
        self.nic.close()
