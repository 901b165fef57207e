# SPDX-License-Identifier: BSD-3-Clause
"""From figures to rows and a table. Pure."""
import statistics

FAR = 2.5  # times the least distance of our CPUs in a run is another place than that
DISTURBED = 0.05  # of a CPU
GENERATOR_BUSY = 0.03  # a generator with less idle time than this is the limit
COMPARED_WITH = ("testpmd", "ovs-normal")


def header(others=COMPARED_WITH):
    return ("case", "size", "peer", "Mpps (min-max)", "Gbit/s", *(f"to {o}" for o in others),
            "cycles", "loss-free", "p50/p99/p99.9 us at 10 %", "at 70 %", "notes")


def disturbed(measurement):
    m = measurement["machine"]
    return m["steal"] > DISTURBED or m["others"] > DISTURBED


def is_far(measurement, least):
    """The CPUs were in another place than where they were `least` ns apart."""
    return measurement["distance_ns"] > FAR * least > 0


def comparable(results):
    """Without the measurements that somebody disturbed, and without those that were taken while the
    hypervisor had our two CPUs further apart than at other times (another machine's, as it were),
    where there are better ones of the same."""
    least = min((m["distance_ns"] for r in results for m in r["throughput"]
                 if m["distance_ns"] > 0), default=0)
    kept = []
    for r in results:
        near = [m for m in r["throughput"] if not is_far(m, least)]
        some = near or r["throughput"]
        calm = [m for m in some if not disturbed(m)]
        free = [m for m in r["loss_free"] if not disturbed(m)] or r["loss_free"][-1:]
        kept.append({**r, "throughput": calm or some, "loss_free": free, "far": bool(some) and not near,
                     "disturbed": bool(some) and not calm})
    return kept


def spread(values, digits=2):
    """Median, and minimum and maximum where there are several."""
    middle = f"{statistics.median(values):.{digits}f}"
    if len(values) < 2:
        return middle
    return f"{middle} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def median_of(result, key, section="throughput"):
    values = [m[key] for m in result.get(section, []) if m.get(key) is not None]
    return statistics.median(values) if values else None


def notes(result):
    """What a reader must know of the row, as short texts."""
    found = []
    throughput = result.get("throughput", [])
    if result.get("in_generator"):
        found.append("copies by the generator's system calls")
    elif throughput and median_of(result, "idle") < GENERATOR_BUSY:
        found.append("GENERATOR is the limit")
    if result.get("far"):
        found.append(f"CPUs {median_of(result, 'distance_ns'):.0f} ns apart")
    for what, key in (("stolen", "steal"), ("BUSY CORES", "others")):
        worst = max(_measurements(result), key=lambda m: m["machine"][key], default=None)
        if worst is not None and worst["machine"][key] > DISTURBED:
            who = f" ({', '.join(worst['machine']['who'])})" if key == "others" else ""
            found.append(f"{what}: {worst['machine'][key]:.0%}{who}")
    limited = any(m.get("generator_limited") for m in result.get("loss_free", []))
    if limited and not result.get("in_generator"):
        found.append("loss-free: GENERATOR is the limit")
    if any(m.get("reordered") for m in throughput):
        found.append("reordered")
    if not all(m.get("hugepages", True) for m in throughput):
        found.append("guests without hugepages")
    found += result.get("notes", [])
    return found


def _measurements(result):
    return [m for section in ("throughput", "loss_free") for m in result.get(section, [])
            if "machine" in m]


def ratio(result, results, other):
    """Our median by theirs; None where one was disturbed, or the CPUs further apart."""
    if result.get("disturbed"):
        return None
    for candidate in results:
        if candidate["peer"] == other and candidate["peer"] != result["peer"] and \
                (candidate["case"], candidate["size"]) == (result["case"], result["size"]):
            mine, theirs = median_of(result, "mpps"), median_of(candidate, "mpps")
            if mine is not None and theirs and not candidate.get("disturbed") and \
                    result.get("far") == candidate.get("far"):
                return mine / theirs
    return None


def _latency(result, load):
    found = result.get("latency", {}).get(load)
    if not found:
        return ""
    return "/".join(f"{found[key]:.3g}" for key in ("p50", "p99", "p99.9"))


def row(result, results, others=COMPARED_WITH):
    """The cells under header(others)."""
    rates = [m["mpps"] for m in result.get("throughput", [])]
    cycles = [m["cycles"] for m in result.get("throughput", []) if "cycles" in m]
    by_clock = any(m.get("cycles_by") == "clock" for m in result.get("throughput", []))
    free = [m["mpps"] for m in result.get("loss_free", [])]
    ratios = [ratio(result, results, other) for other in others]
    return (result["case"], result["size"], result["peer"],
            spread(rates) if rates else "", f"{median_of(result, 'gbps'):.1f}" if rates else "",
            *("" if r is None else f"{r:.2f}" for r in ratios),
            (("~" if by_clock else "") + spread(cycles, 0)) if cycles else "",
            spread(free) if free else "", _latency(result, "10"), _latency(result, "70"),
            "; ".join(notes(result)))


def table(rows, others=COMPARED_WITH):
    """Lines, with columns as wide as they must be; numbers to the right."""
    rows = [header(others), *rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = []
    for r in rows:
        cells = [c.ljust(w) if i < 3 or i == len(r) - 1 else c.rjust(w)
                 for i, (c, w) in enumerate(zip(r, widths))]
        lines.append("  ".join(cells).rstrip())
    return lines


def headline(machine, options):
    """Lines above the table."""
    virtual = ", virtual" if machine["hypervisor"] else ""
    return [
        f"{machine['cpu']}, {machine['cpus']} CPUs{virtual}, {machine['memory_gib']} GiB; "
        f"kernel {machine['kernel']}; {machine['date']}",
        f"macvswitch {machine['macvswitch']} ({machine['commit']}), DPDK {machine['dpdk']}, "
        f"testpmd {machine['testpmd']}, Open vSwitch {machine['openvswitch']}",
        f"{options['rounds']} rounds of {options['seconds']} s, interleaved; switch on CPU 1, "
        f"generator on CPU 0; sizes without FCS; loss-free: at most {options['loss']:.4%} lost in "
        f"{options['trial']} s, the best of {1 + options['repeats']} trials"]
