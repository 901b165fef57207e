# SPDX-License-Identifier: BSD-3-Clause
"""The switch that all this is about."""
import os

from lib.daemon import Daemon, poll_until

from .simwire import SimWire


class Macvswitch:
    name = "macvswitch"
    build = None  # of the checkout
    idle = "poll"
    fans_out = True  # has more than two ports, and an address decides
    wires = ("flow-queue", "software")  # special ones that it can have
    hugepage_mb = 512

    def __init__(self, topology, cpu):
        self.topology = t = topology
        self.sockets = {name: os.path.join(t.folder, f"{name}.sock") for name in t.addresses}
        device = {"pcap": f"net_pcap0,rx_pcap={t.pcap},infinite_rx=1", "null": "net_null0,no-rx=1",
                  None: "net_null0,no-rx=1"}.get(t.wire)
        self.simwire, extra, uplink = None, "", {}
        if t.wire in self.wires:
            self.simwire = SimWire(t.folder, t.wire == "flow-queue")
            device, extra = self.simwire.nic.device, self.simwire.nic.eal
            uplink = {"demux": "auto" if t.wire == "flow-queue" else "filter"}
        if t.wire == "guest":
            self.sockets["wire"] = os.path.join(t.folder, "wire.sock")
            device = f"net_vhost0,iface={self.sockets['wire']}"
        ports = {}
        for name, addresses in t.addresses.items():
            ports[name] = {"mode": "bridge", "mac": addresses[0], "socket": self.sockets[name]}
            if len(addresses) > 1:
                ports[name]["maddr"] = addresses[1:]
        self.names = list(ports)
        self.daemon = Daemon(
            uplinks={"up0": {"device": device, **uplink}}, ports=ports,
            build=self.build, daemon={"worker_cpus": cpu, "idle": self.idle,
                    "eal": f"--in-memory -m {self.hugepage_mb} --no-pci {extra}"})

    def wait_ready(self):
        self.daemon.wait_links(self.names, timeout=20)
        poll_until(lambda: all(u["link"] == "up" for u in self.daemon.rpc("uplink.show")), 5,
                   "the wire is up")
        if self.simwire is None:
            return
        want = "flow-queue" if self.topology.wire == "flow-queue" else "mac-filter"
        poll_until(lambda: all(self._tier(a[0]) == want for a in self.topology.guests), 5,
                   f"the guests' addresses are at {want}")
        self.simwire.start([a for those in self.topology.guests for a in those],
                           self.topology.sizes)

    def _tier(self, address):
        rows = self.daemon.rpc("uplink.show")[0]["demux"]
        return next((r["tier"] for r in rows if r["address"] == address), None)

    def forwarded(self):
        """Frames that left for the wire, so far."""
        return sum(u["counters"]["to_wire_packets"] for u in self.daemon.rpc("uplink.show"))

    def cycles(self):
        """(cycles spent on frames, frames) so far."""
        workers = self.daemon.rpc("worker.show")
        return (sum(w["busy_cycles"] for w in workers), sum(w["packets"] for w in workers))

    def drops(self):
        """{reason: frames}, of all ports and uplinks."""
        sums = {}
        for thing in self.daemon.rpc("port.show") + self.daemon.rpc("uplink.show"):
            for reason, n in thing["counters"]["drops"].items():
                sums[reason] = sums.get(reason, 0) + n
        return {reason: n for reason, n in sums.items() if n}

    def stop(self):
        try:
            self.daemon.stop()
        finally:
            if self.simwire is not None:
                self.simwire.close()


def of_build(name, folder):
    """A peer that is another build of ours."""
    return type(f"Macvswitch_{name}", (Macvswitch,), {"name": name, "build": folder})
