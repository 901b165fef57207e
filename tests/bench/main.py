# SPDX-License-Identifier: BSD-3-Clause
"""Compares macvswitch with other switches, side by side, on this machine. See docs/performance.md
for how to read what it prints."""
import argparse
import json
import math
import os
import signal
import sys
import time
from pathlib import Path

from . import busy, children, machine, plots, report
from .budget import Budget
from .cases import SIZES, all_cases, select
from .peer_kernel import Bridge, Macvtap
from .peer_macvswitch import Macvswitch, of_build
from .peer_ovs import OvsFlows, OvsNormal
from .peer_testpmd import TestpmdIo
from .session import GENERATOR_CPU, SWITCH_CPU, Session

PEERS = {p.name: p for p in (Macvswitch, TestpmdIo, OvsNormal, OvsFlows, Macvtap, Bridge)}
CPUS = (SWITCH_CPU, GENERATOR_CPU)
GENERATOR_PAGES = 160  # the rings and buffers of 34 guests, or smaller ones of 65
QUICK = {"budget": 300.0, "rounds": 2, "seconds": 0.3, "trial": 0.15}
FULL = {"budget": None, "rounds": 3, "seconds": 1.0, "trial": 0.5}
LOADS = {"10": 0.1, "70": 0.7}  # of the loss-free rate
GUESS = {"throughput": 4.0, "paced": 8.0}  # seconds, until there has been one
TOP = Path(__file__).resolve().parents[2]


class Run:
    """All figures, by case and peer, and what was left out."""

    def __init__(self, options, budget):
        self.options, self.budget = options, budget
        self.results, self.skipped, self.errors = [], [], []
        self.least_distance = math.inf  # of our CPUs

    def result(self, case, peer):
        for r in self.results:
            if (r["case"], r["size"], r["peer"]) == (case.name, case.size, peer):
                return r
        self.results.append({"case": case.name, "size": case.size, "peer": peer,
                             "in_generator": getattr(PEERS[peer], "in_generator", False),
                             "throughput": [], "loss_free": [], "latency": {}, "notes": []})
        return self.results[-1]

    def step(self, kind, case, peer):
        """One measurement of one peer, if there is time."""
        key = (kind, peer)
        if not self.budget.fits(key, GUESS[kind]):
            self.skipped.append(f"{case} {peer} {kind}")
            return
        result = self.result(case, peer)
        work = {"throughput": self._throughput, "paced": self._paced}[kind]
        try:
            self.budget.timed(key, lambda: work(case, PEERS[peer], result))
        except Exception as error:  # the others' figures are still worth having
            self.errors.append(f"{case} {peer} {kind}: {error}")
            result["notes"].append(f"{kind} failed")
            print(f"bench: {case}: {peer}: {kind}: {error}", file=sys.stderr)

    def _throughput(self, case, peer, result):
        """Again, where somebody disturbed it or the hypervisor has moved our CPUs; all are kept."""
        with Session(case, peer, paced=False) as session:
            for _ in range(1 + self.options.repeats):
                watch = busy.Watch(CPUS, result["in_generator"])
                measured = session.throughput(self.options.seconds)
                measured["machine"] = watch.report()
                result["throughput"].append(measured)
                if measured["distance_ns"] > 0:
                    self.least_distance = min(self.least_distance, measured["distance_ns"])
                if not (report.disturbed(measured)
                        or report.is_far(measured, self.least_distance)):
                    break

    def _paced(self, case, peer, result):
        """Once more, where somebody disturbed it."""
        o = self.options
        with Session(case, peer, paced=True) as session:
            for _ in range(2 if o.repeats else 1):
                watch = busy.Watch(CPUS, result["in_generator"])
                found = session.loss_free(o.trial, o.loss, o.repeats)
                for load, share in LOADS.items():
                    if found["mpps"] > 0:
                        result["latency"][load] = session.latency(
                            share * found["mpps"] * 1e6, o.trial, o.repeats)
                found["machine"] = watch.report()
                result["loss_free"].append(found)
                if not report.disturbed(found):
                    break


def steps(cases, peers, options):
    """(kind, case, peer) in the order in which they are measured: peers take turns in each round."""
    def fitting(case):
        return [p for p in peers if case.fits(PEERS[p])]

    def throughput(some):
        return [("throughput", c, p) for c in some for p in fitting(c)]

    def paced(some):
        return [("paced", c, p) for c in some if options.paced and c.paced_wire()
                for p in fitting(c)]
    if not options.quick:
        return [s for c in cases for s in throughput([c]) * options.rounds + paced([c])]
    # The most telling first: what does not fit is left out.
    plain = [c for c in cases if not c.ports and not c.wire]
    basic = [c for c in plain if c.size == cases[0].size]
    unicast = [c for c in plain if c.kind != "broadcast"]
    large = [c for c in unicast if c.size in ("1518", "imix") and c not in basic]
    many = [c for c in cases if c not in plain and (c.ports > 64 or c.wire or c.addresses > 1)
            and c.kind != "guest-wire"]
    plan = throughput(basic) + paced([c for c in unicast if c in basic]) + throughput(large)
    plan += [s for s in throughput(many) if not getattr(PEERS[s[2]], "in_generator", False)]
    plan += throughput(basic) * (options.rounds - 1) + paced(basic)
    plan += throughput(cases) + paced(cases)
    seen, wanted = {}, {"throughput": {c: options.rounds if c in basic else 1 for c in cases},
                        "paced": dict.fromkeys(cases, 1)}
    kept = []
    for step in plan:
        seen[step] = seen.get(step, 0) + 1
        if seen[step] <= wanted[step[0]][step[1]]:
            kept.append(step)
    return kept


def work(run, cases, peers):
    plan = steps(cases, peers, run.options)
    print(f"{len(plan)} measurements", flush=True)
    for i, (kind, case, peer) in enumerate(plan):
        run.step(kind, case, peer)
        r = run.result(case, peer) if not run.skipped else None
        if r is not None and run.options.verbose:
            cells = report.row(r, [r])
            print(f"{run.budget.used():5.0f} s {i + 1}/{len(plan)} {kind}: "
                  + "  ".join(c for c in cells if c), flush=True)


def parse(arguments=None):
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)

    def words(text):
        return [w for w in text.split(",") if w]
    parser.add_argument("--quick", action="store_true", help="what fits into five minutes")
    parser.add_argument("--case", type=words, help="those whose name contains one of these")
    parser.add_argument("--size", type=words, help=f"some of {','.join(SIZES)}")
    parser.add_argument("--peer", type=words, help=f"some of {','.join(PEERS)}")
    parser.add_argument("--build", action="append", default=[], metavar="NAME=FOLDER",
                        help="a further peer: macvswitch of another build folder")
    parser.add_argument("--rounds", type=int, help="of throughput, interleaved")
    parser.add_argument("--seconds", type=float, help="of each throughput measurement")
    parser.add_argument("--trial", type=float, help="seconds of a trial and of a latency measurement")
    parser.add_argument("--loss", type=float, default=0.001,
                        help="share that may be lost in a loss-free trial (default %(default)s)")
    parser.add_argument("--repeats", type=int, default=2,
                        help="further trials for a rate that lost (default %(default)s)")
    parser.add_argument("--budget", type=float, help="seconds; what does not fit is left out")
    parser.add_argument("--no-paced", dest="paced", action="store_false",
                        help="no loss-free rate and no latency")
    parser.add_argument("--out", type=Path, help="folder of the results (default: results/DATE)")
    parser.add_argument("--idle", choices=("poll", "sleep"), default="poll",
                        help="of macvswitch (default %(default)s, as the others do)")
    parser.add_argument("--list", action="store_true", help="print the cases and end")
    parser.add_argument("--quiet", dest="verbose", action="store_false", help="only the table")
    options = parser.parse_args(arguments)
    for key, value in (QUICK if options.quick else FULL).items():
        if getattr(options, key) is None:
            setattr(options, key, value)
    for word in options.size or ():
        if word not in SIZES:
            parser.error(f"--size: {word}: the sizes are {', '.join(SIZES)}")
    Macvswitch.idle = options.idle
    for word in options.build:
        name, _, folder = word.partition("=")
        if not name or name in PEERS or not Path(folder, "control/macvswitchd").exists():
            parser.error(f"--build: {word}: a new name, and a folder with control/macvswitchd")
        PEERS[name] = of_build(name, Path(folder).resolve())
    for word in options.peer or ():
        if word not in PEERS:
            parser.error(f"--peer: {word}: the peers are {', '.join(PEERS)}")
    if not (options.seconds > 0 and options.trial > 0 and options.rounds > 0
            and 0 <= options.loss < 1 and options.repeats >= 0):
        parser.error("--seconds, --trial and --rounds are above 0, --loss is from 0 to 1")
    return parser, options


def save(run, about, lines):
    folder = run.options.out or TOP / "results" / time.strftime("%Y-%m-%d-%H%M%S")
    folder.mkdir(parents=True, exist_ok=True)
    results = report.comparable(run.results)
    for r, seen in zip(run.results, results):
        r["notes"] = report.notes(seen)
    options = {k: v for k, v in vars(run.options).items() if k != "out"}
    (folder / "results.json").write_text(json.dumps(
        {"machine": about, "options": options, "results": run.results, "skipped": run.skipped,
         "errors": run.errors}, indent=1) + "\n")
    (folder / "table.txt").write_text("\n".join(lines) + "\n")
    made = plots.draw(results, folder)
    print(f"{folder}: table.txt, results.json, {len(made)} charts")


def main():
    parser, options = parse()
    cases = select(all_cases(), options.case, options.size)
    if not cases:
        parser.error("--case: none of them is named so; --list prints them")
    if options.list:
        print("\n".join(str(c) for c in cases))
        return 0
    if os.geteuid() != 0:
        sys.exit("bench: needs root: hugepages, namespaces, CPUs")
    if os.cpu_count() < 2:
        sys.exit("bench: needs two CPUs: one for the switch, one for the generator")
    for number in signal.SIGTERM, signal.SIGHUP:
        signal.signal(number, lambda n, _: sys.exit(128 + n))
    about = machine.describe()
    head = report.headline(about, vars(options))
    print("\n".join(head))
    if options.budget is not None:
        print(f"time budget: {options.budget:.0f} s")
    before = busy.warning(_watch_for(0.5))
    if before:
        print(f"WARNING: the cores are busy already: {before}")
    run = Run(options, Budget(options.budget))
    peers = options.peer or list(PEERS)
    with machine.hugepages(pages_needed(peers)):
        try:
            work(run, cases, peers)
        except KeyboardInterrupt:
            run.errors.append("interrupted")
        finally:
            children.sweep()
    results = report.comparable(run.results)
    others = report.COMPARED_WITH if not options.build else ("macvswitch", "testpmd")
    lines = report.table([report.row(r, results, others) for r in results], others)
    print("\n".join(lines))
    if run.skipped:
        print(f"no time for {len(run.skipped)} of the measurements, the last {run.skipped[-1]}")
    save(run, about, head + lines)
    print(f"took {run.budget.used():.0f} s")
    return 1 if run.errors else 0


def pages_needed(peers):
    """Of 2 MB, for the most demanding peer and the generator."""
    most = max(PEERS[p].hugepage_mb for p in peers)
    return most // 2 + GENERATOR_PAGES if most else 0


def _watch_for(seconds):
    watch = busy.Watch(CPUS)
    time.sleep(seconds)
    return watch.report()


if __name__ == "__main__":
    sys.exit(main())
