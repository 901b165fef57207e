# SPDX-License-Identifier: BSD-3-Clause
"""testpmd's io forwarding: from one device to the other without a look at the frames. The limit of
what DPDK's drivers can do on one core."""
import os
import re

from .simwire import SimWire
from .testpmd import Testpmd


class TestpmdIo:
    name = "testpmd"
    fans_out = False
    wires = ("flow-queue", "software")  # to it they are the same: it is promiscuous
    hugepage_mb = 512

    def __init__(self, topology, cpu):
        t = topology
        assert not t.idle and len(t.guests) + (t.wire is not None) == 2
        eal = {"pcap": ["--vdev", f"net_pcap0,rx_pcap={t.pcap},infinite_rx=1"],
               "null": ["--vdev", "net_null0,no-rx=1"]}.get(t.wire, [])
        self.topology, self.simwire = t, None
        if t.wire in self.wires:
            self.simwire = SimWire(t.folder, False)
            eal = [*self.simwire.nic.eal.split(), "--vdev", self.simwire.nic.device]
        names = (["wire"] if t.wire == "guest" else []) + t.names
        self.sockets = {name: os.path.join(t.folder, f"{name}.sock") for name in names}
        for i, path in enumerate(self.sockets.values()):
            eal += ["--vdev", f"net_vhost{i},iface={path}"]
        self.wire_port = 0 if t.wire is not None else None
        # It counts cycles in bursts that had frames, as our worker does.
        self.testpmd = Testpmd("mvsw-bench-io", cpu, eal,
                               ["--forward-mode=io", "--record-core-cycles"],
                               memory=self.hugepage_mb)
        self.testpmd.command("start")

    def wait_ready(self):
        if self.simwire is not None:
            self.simwire.start([a for those in self.topology.guests for a in those],
                               self.topology.sizes)

    def forwarded(self):
        return self.testpmd.packets(self.wire_port)[1]

    def cycles(self):
        text = self.testpmd.command("show fwd stats all")
        found = re.search(r"total cycles=(\d+) / total \w+ packets=(\d+)", text)
        return tuple(map(int, found.groups())) if found else (0, 0)

    def drops(self):
        return {}

    def stop(self):
        self.testpmd.stop()
        if self.simwire is not None:
            self.simwire.close()
