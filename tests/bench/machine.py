# SPDX-License-Identifier: BSD-3-Clause
"""The machine and the versions that figures belong to; and its hugepages."""
import contextlib
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from lib.daemon import BUILD

HUGEPAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")


def _first_line(*command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                              timeout=20)
    except OSError:
        return "not installed"
    return done.stdout.strip().split("\n")[0] if done.returncode == 0 else "not installed"


def _cpuinfo(key):
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(key):
            return line.split(":", 1)[1].strip()
    return "?"


def _memory_gib():
    kib = next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines()
               if line.startswith("MemTotal"))
    return round(kib / 2 ** 20, 1)


def describe():
    """What goes on top of the table and into the JSON."""
    def package(name):
        return _first_line("dpkg-query", "-W", "-f=${Version}", name)
    top = Path(__file__).resolve().parents[2]
    return {
        "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "cpu": _cpuinfo("model name"), "cpus": os.cpu_count(), "memory_gib": _memory_gib(),
        "hypervisor": "hypervisor" in _cpuinfo("flags").split(),
        "kernel": platform.release(),
        "macvswitch": _first_line(str(BUILD / "control/macvswitchd"), "-V").split()[-1],
        "commit": _first_line("git", "-C", str(top), "describe", "--always", "--dirty"),
        "dpdk": _first_line("pkg-config", "--modversion", "libdpdk"),
        "testpmd": package("dpdk-dev"), "openvswitch": package("openvswitch-switch-dpdk"),
        "gnuplot": _first_line("gnuplot", "--version"),
    }


@contextlib.contextmanager
def hugepages(needed):
    """At least so many free ones of 2 MB meanwhile; as before afterwards."""
    before, free = (int((HUGEPAGES.parent / f"{which}_hugepages").read_text())
                    for which in ("nr", "free"))
    if needed > free:
        HUGEPAGES.write_text(f"{before + needed - free}\n")
    try:
        if needed > int((HUGEPAGES.parent / "free_hugepages").read_text()):
            sys.exit(f"bench: the machine has no {needed} hugepages of 2 MB to give")
        yield
    finally:
        if needed > free:
            HUGEPAGES.write_text(f"{before}\n")
