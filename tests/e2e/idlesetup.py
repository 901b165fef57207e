# SPDX-License-Identifier: BSD-3-Clause
"""What an idle switch costs and how fast it wakes: for test_idle.py and scripts/idle-latency."""
import json
import os
import subprocess
import time
from pathlib import Path

from lib.daemon import BUILD
from support import mac

TICKS = os.sysconf("SC_CLK_TCK")


def worker_threads(pid):
    """{thread id: name} of the daemon's workers, as DPDK names them."""
    names = {int(p.name): (p / "comm").read_text().strip()
             for p in Path(f"/proc/{pid}/task").iterdir()}
    found = {tid: name for tid, name in names.items() if "worker" in name}
    assert found, f"no worker among {names}"
    return found


def cpu_seconds(pid, tid):
    fields = Path(f"/proc/{pid}/task/{tid}/schedstat").read_text().split()
    return int(fields[0]) / 1e9


def worker_cpu(pid, seconds=2.0):
    """Shares of a CPU, in percent, of each worker; from what the scheduler counted."""
    threads = worker_threads(pid)
    before, start = {t: cpu_seconds(pid, t) for t in threads}, time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - start
    return [100 * (cpu_seconds(pid, t) - before[t]) / took for t in sorted(threads)]


def latency(s, count, gap_us, interface=None, cpu=None):
    """Frames from port a, or from the wire's end, to port b through s; neither has a guest yet."""
    command = [str(BUILD / "tests/bench/idle_latency"), s.daemon.socket_path("a"), mac(1),
               s.daemon.socket_path("b"), mac(2), str(count), str(gap_us)]
    if interface is not None:
        command = ["ip", "netns", "exec", s.ns.name, *command, interface]
    if cpu is not None:
        command = ["taskset", "-c", str(cpu), *command]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


PORTS = {"a": {"mode": "bridge", "mac": mac(1)}, "b": {"mode": "bridge", "mac": mac(2)}}
