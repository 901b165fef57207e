# SPDX-License-Identifier: BSD-3-Clause
"""What is measured: macvswitchd, and testpmd forwarding between the same devices without a look.

Both offer: sockets (vhost-user paths of the guests' ports), forwarded() -> frames so far, cycles()
-> (busy TSC cycles, frames) of the worker or None, stop().
"""
import os

from lib.daemon import Daemon

from .testpmd import Testpmd

MACS = [f"52:54:00:00:01:{i:02x}" for i in range(256)]


class Macvswitch:
    name = "macvswitch"

    def __init__(self, folder, cpu, wire, ports, idle_ports=0):
        names = [f"vm{i}" for i in range(ports)]
        idle = [f"idle{i}" for i in range(idle_ports)]
        self.sockets = [os.path.join(folder, f"{n}.sock") for n in names]
        self.idle_sockets = [os.path.join(folder, f"{n}.sock") for n in idle]
        self.daemon = Daemon(
            uplinks={"up0": {"device": wire}},
            ports={n: {"mode": "bridge", "mac": MACS[i], "socket": s} for i, (n, s) in
                   enumerate(zip(names + idle, self.sockets + self.idle_sockets))},
            daemon={"worker_cpus": cpu, "eal": "--in-memory -m 512 --no-pci"})
        self.names, self.idle_names = names, idle

    def wait_guests(self):
        self.daemon.wait_links(self.names)

    def forwarded(self):
        ports = self.daemon.rpc("port.show") + self.daemon.rpc("uplink.show")
        return sum(v for p in ports for k, v in p["counters"].items()
                   if k in ("to_guest_packets", "to_wire_packets"))

    def cycles(self):
        worker = self.daemon.rpc("worker.show")[0]
        return worker["busy_cycles"], worker["packets"]

    def stop(self):
        self.daemon.stop()


class TestpmdIo:
    name = "testpmd"

    def __init__(self, folder, cpu, wire, ports, idle_ports=0):
        assert idle_ports == 0
        self.idle_names = self.idle_sockets = []
        self.sockets = [os.path.join(folder, f"vm{i}.sock") for i in range(ports)]
        eal = [] if wire is None else ["--vdev", wire]
        for i, path in enumerate(self.sockets):
            eal += ["--vdev", f"net_vhost{i},iface={path}"]
        self.testpmd = Testpmd("mvsw-bench-io", cpu, eal, ["--forward-mode=io"])
        self.testpmd.command("start")

    def wait_guests(self):
        pass

    def forwarded(self):
        return self.testpmd.packets()[1]

    def cycles(self):
        return None

    def stop(self):
        self.testpmd.stop()
