# SPDX-License-Identifier: BSD-3-Clause
"""Runs the cases in interleaved rounds and prints medians with minimum and maximum."""
import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

from .cases import cases, measure
from .switches import Macvswitch, TestpmdIo

SWITCHES = {s.name: s for s in (Macvswitch, TestpmdIo)}
HUGEPAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
NEEDED_PAGES = 1024


@contextlib.contextmanager
def hugepages():
    """At least NEEDED_PAGES of 2 MB while the benchmark runs; as before afterwards."""
    before = int(HUGEPAGES.read_text())
    if before < NEEDED_PAGES:
        HUGEPAGES.write_text(f"{NEEDED_PAGES}\n")
    if int(HUGEPAGES.read_text()) < NEEDED_PAGES:
        HUGEPAGES.write_text(f"{before}\n")
        sys.exit(f"bench: the machine has no {NEEDED_PAGES} hugepages of 2 MB to give")
    try:
        yield
    finally:
        HUGEPAGES.write_text(f"{before}\n")


def spread(values, digits=2):
    return (f"{statistics.median(values):.{digits}f} "
            f"({min(values):.{digits}f}-{max(values):.{digits}f})")


def run(options):
    results = []
    for case in cases(options.sizes):
        if options.case and options.case not in str(case):
            continue
        rates = {label: [] for label, _, _ in case.peers}
        cycles = {label: [] for label, _, _ in case.peers}
        for _ in range(options.rounds):
            for label, switch, idle in case.peers:
                rate, per_frame = measure(case, SWITCHES[switch], idle, options.seconds)
                rates[label].append(rate)
                if per_frame is not None:
                    cycles[label].append(per_frame)
        results.append({"case": str(case), "mpps": rates, "cycles_per_frame": cycles})
        report(results[-1])
    return results


def report(result):
    """The first peer against the second: rates, and cycles where both have a worker of ours."""
    (name, mine), (other, theirs) = result["mpps"].items()
    cycles = [c for c in result["cycles_per_frame"].values() if c]
    line = (f"{result['case']:34}  {name:>10} {spread(mine):>19}  {other:>8} {spread(theirs):>19}"
            f"  {spread([a / b for a, b in zip(mine, theirs)]):>17}  {spread(cycles[0], 0):>14}")
    if len(cycles) == 2:
        line += f" against {spread(cycles[1], 0)}: {min(cycles[0]) / min(cycles[1]):.2f} at best"
    print(line, flush=True)


def _cpu():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.machine()


def main():
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--sizes", type=lambda t: [int(s) for s in t.split(",")],
                        default=[64, 1518])
    parser.add_argument("--case", help="only cases whose name contains this")
    parser.add_argument("--json", help="write the figures to this file too")
    options = parser.parse_args()
    if os.cpu_count() < 2:
        sys.exit("bench: needs two CPUs: one for the switch, one for the guest")
    version = subprocess.run(["pkg-config", "--modversion", "libdpdk"], stdout=subprocess.PIPE,
                             text=True, check=True).stdout.strip()
    print(f"{_cpu()}, kernel {platform.release()}, "
          f"DPDK {version}; {options.rounds} rounds of "
          f"{options.seconds} s, interleaved; million frames a second, median (min-max)")
    print(f"{'case':34}  {'switch':>30}  {'against':>28}  {'ratio':>17}  {'cycles/frame':>14}")
    with hugepages():
        results = run(options)
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
