# SPDX-License-Identifier: BSD-3-Clause
"""What a second worker brings, on two CPUs and without a core for a generator: `scripts/bench
--scaling`.

Devices that make up their own frames take the generator's place: each worker polls a device that
always has frames and sends them to one that takes everything, so it generates and forwards. The
same daemon runs with one worker and with two, in turn, by `worker set` while frames flow. Rates
count what the workers took in; the CPU that a worker did not get (other programs) is shown.

Then what two workers that send into one guest's ring do to each other (ring_bench.c).
"""
import argparse
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lib import frames as F
from lib.daemon import BUILD, Daemon

FRAMES = 1024  # of a capture file that is sent over and over
SETTLE, BUSY_SHARE = 0.2, 0.97


def mac(n):
    return f"52:54:00:00:{n >> 8:02x}:{n & 255:02x}"


def write_pcap(path, targets, size):
    """FRAMES frames of size bytes to the addresses in turn."""
    with open(path, "wb") as f:
        f.write(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for i in range(FRAMES):
            frame = F.build(targets[i % len(targets)], "02:00:00:00:00:99", length=size)
            f.write(struct.pack("=IIII", 0, 0, size, size) + frame)


def port_to_wire(_folder, size):
    """Two ports that send all the time, to one NIC. A vepa port's frame goes to the wire."""
    ports = {f"p{i}": {"mac": mac(i), "device": f"net_null{i},size={size}"} for i in (1, 2)}
    return {"up0": {"device": "net_null0,no-rx=1"}}, ports


def port_to_port(folder, size):
    """Two pairs of bridge ports: one of each sends to the other, found by its address. Each pair
    on a NIC of its own, because net_pcap has one transmit queue, so one worker serves it."""
    uplinks, ports = {}, {}
    for i in (1, 2):
        path = folder / f"pair{i}-{size}.pcap"
        write_pcap(path, [mac(20 + i)], size)
        uplinks[f"up{i}"] = {"device": f"net_null{10 + i},no-rx=1"}
        ports[f"a{i}"] = {"uplink": f"up{i}", "mode": "bridge", "mac": mac(10 + i),
                          "device": f"net_pcap{i},rx_pcap={path},infinite_rx=1"}
        ports[f"b{i}"] = {"uplink": f"up{i}", "mode": "bridge", "mac": mac(20 + i),
                          "device": f"net_null{i},no-rx=1"}
    return uplinks, ports


def wire_to_ports(folder, size):
    """One NIC with two receive queues; each brings frames for 16 ports."""
    queues = []
    for i in (0, 1):
        path = folder / f"wire{i}-{size}.pcap"
        write_pcap(path, [mac(1 + n) for n in range(16)], size)
        queues.append(f"rx_pcap={path}")
    ports = {f"p{n}": {"mac": mac(1 + n), "device": f"net_null{n},no-rx=1"} for n in range(16)}
    return {"up0": {"device": f"net_pcap0,{','.join(queues)},infinite_rx=1", "queues": 2}}, ports


CASES = {"port to wire": port_to_wire, "port to port": port_to_port,
         "wire to ports": wire_to_ports}


def waited(daemon, tids):
    """Seconds for which the workers' threads were ready and did not get their CPU."""
    waits = []
    for tid in tids:
        text = Path(f"/proc/{daemon.process.pid}/task/{tid}/schedstat").read_text()
        waits.append(int(text.split()[1]) / 1e9)
    return waits


def worker_threads(daemon):
    """Kernel ids of the lcores that run on one CPU and are running now."""
    found = []
    for task in Path(f"/proc/{daemon.process.pid}/task").iterdir():
        name = (task / "comm").read_text().strip()
        if name.startswith(("rte-worker-", "lcore-worker-")):
            found.append((int(name.rsplit("-", 1)[1]), int(task.name)))
    return [tid for _, tid in sorted(found)]


def measure(daemon, workers, seconds):
    """(frames a second, TSC cycles a frame, least share of its CPU that a worker got)."""
    daemon.rpc("worker.set", workers=workers)
    time.sleep(SETTLE)
    threads = worker_threads(daemon)[:workers]

    def look():
        shown = daemon.rpc("worker.show")
        return (time.monotonic(), sum(w["packets"] for w in shown),
                sum(w["busy_cycles"] for w in shown), waited(daemon, threads))
    first = look()
    time.sleep(seconds)
    last = look()
    took, frames = last[0] - first[0], last[1] - first[1]
    got = min(1 - (b - a) / took for a, b in zip(first[3], last[3]))
    return frames / took, (last[2] - first[2]) / frames, got


def run_case(name, size, rounds, seconds):
    """Interleaved: 1, 2, 1, 2, ... workers."""
    results = {1: [], 2: []}
    with tempfile.TemporaryDirectory(prefix="mvsw-scaling") as folder:
        uplinks, ports = CASES[name](Path(folder), size)
        with Daemon(uplinks=uplinks, ports=ports, daemon={"idle": "poll", "workers": 2}) as d:
            d.wait_links(list(ports))
            for _ in range(rounds):
                for workers in results:
                    results[workers].append(measure(d, workers, seconds))
    rates = {w: [r[0] for r in results[w]] for w in results}
    return {"case": name, "size": size,
            "rate": {w: {"median": statistics.median(r), "min": min(r), "max": max(r)}
                     for w, r in rates.items()},
            "cycles_per_frame": {w: statistics.median(r[1] for r in results[w])
                                 for w in results},
            "cpu_share": {w: min(r[2] for r in results[w]) for w in results},
            "scaling": statistics.median(rates[2]) / statistics.median(rates[1])}


def text(row):
    def rate(w):
        r = row["rate"][w]
        return f"{r['median'] / 1e6:6.2f} ({r['min'] / 1e6:.2f}-{r['max'] / 1e6:.2f})"
    line = (f"{row['case']:14} {row['size']:5} {rate(1):>22} {rate(2):>22} "
            f"{row['scaling']:6.2f} {row['cycles_per_frame'][1]:7.0f} "
            f"{row['cycles_per_frame'][2]:7.0f}")
    if min(row["cpu_share"].values()) < BUSY_SHARE:
        line += (f"   busy machine: a worker got {100 * min(row['cpu_share'].values()):.0f} % "
                 "of its CPU")
    return line


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench --scaling", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--sizes", default="64,1514", help="frame sizes without FCS")
    parser.add_argument("--case", choices=list(CASES), action="append", help="only this one")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--no-ring", action="store_true", help="leave the guest's ring out")
    args = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        sys.exit("bench: two CPUs are needed")
    rows = []
    print(f"{'':14} {'bytes':>5} {'1 worker, Mframes/s':>22} {'2 workers':>22} {'ratio':>6} "
          f"{'cycles':>7} {'cycles':>7}", flush=True)
    for name in args.case or CASES:
        for size in map(int, args.sizes.split(",")):
            rows.append(run_case(name, size, args.rounds, args.seconds))
            print(text(rows[-1]), flush=True)
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=2) + "\n")
    if not args.no_ring:
        print("\none burst of 32 into a guest's ring, TSC cycles", flush=True)
        subprocess.run([str(BUILD / "tests/bench/ring_bench"), str(cpus[0]), str(cpus[1])],
                       check=True)


if __name__ == "__main__":
    main()
