# SPDX-License-Identifier: BSD-3-Clause
"""Who else used our CPUs: /proc/stat for steal, and the processes that are not of this run."""
import os
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
FIELDS = "user nice system idle iowait irq softirq steal guest guest_nice".split()
WARN = 0.05  # of a CPU


def parse_stat(text):
    """{cpu: {field: ticks}} of /proc/stat's text."""
    cpus = {}
    for line in text.splitlines():
        words = line.split()
        if words and words[0].startswith("cpu") and words[0][3:].isdigit():
            cpus[int(words[0][3:])] = dict(zip(FIELDS, map(int, words[1:])))
    return cpus


def parse_process(text):
    """(name, CPU that it ran on last, ticks used) of /proc/PID/stat's text."""
    name = text[text.index("(") + 1:text.rindex(")")]
    fields = text[text.rindex(")") + 2:].split()
    return name, int(fields[36]), int(fields[11]) + int(fields[12])


def processes():
    """{pid: (name, cpu, ticks)}; kernel threads too."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            found[int(path.name)] = parse_process((path / "stat").read_text())
        except (OSError, ValueError):
            continue
    return found


KERNEL_THREADS = 2  # the process id of their parent


def descendants(*roots):
    """Process ids of these and of all that they started."""
    children = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            text = (path / "stat").read_text()
        except OSError:
            continue
        children.setdefault(int(text[text.rindex(")") + 2:].split()[1]), []).append(int(path.name))
    found, todo = set(), list(roots)
    while todo:
        pid = todo.pop()
        found.add(pid)
        todo += children.get(pid, [])
    return found


class Watch:
    """From its making to report(): what the CPUs were taken for by others. in_kernel: what is
    measured is the kernel, so its threads are no others."""

    def __init__(self, cpus, in_kernel=False):
        self.cpus, self.start = cpus, time.monotonic()
        self.roots = (os.getpid(), KERNEL_THREADS) if in_kernel else (os.getpid(),)
        self.stat, self.before = parse_stat(Path("/proc/stat").read_text()), processes()

    def report(self):
        """{"steal": share of the worst CPU, "others": CPUs' worth, "who": [names]}."""
        took = max(time.monotonic() - self.start, 1e-3)
        stat, after = parse_stat(Path("/proc/stat").read_text()), processes()
        ours = descendants(*self.roots)
        steal = max((stat[c]["steal"] - self.stat[c]["steal"]) / TICK / took for c in self.cpus)
        used = {}
        for pid, (name, _, ticks) in after.items():
            if pid not in ours:
                # One that is new used it all in between.
                spent = ticks - self.before.get(pid, (name, 0, 0))[2]
                used[name] = used.get(name, 0) + spent / TICK / took
        who = sorted((n for n in used if used[n] > WARN / 2), key=lambda n: -used[n])
        return {"steal": round(steal, 4), "others": round(sum(used.values()), 4), "who": who[:4]}


def warning(report):
    """A text, or "" where the cores were ours."""
    parts = []
    if report["steal"] > WARN:
        parts.append(f"{report['steal']:.0%} stolen by the hypervisor")
    if report["others"] > WARN:
        parts.append(f"{report['others']:.0%} of a CPU used by {', '.join(report['who']) or '?'}")
    return "; ".join(parts)
