# SPDX-License-Identifier: BSD-3-Clause
"""Bar charts by gnuplot, as PNG and SVG; data and script stay beside them."""
import itertools
import shutil
import statistics
import subprocess
from pathlib import Path


def spread_of(key, section="throughput"):
    """A result's (median, minimum, maximum) of key, or None."""
    def value(result):
        values = [m[key] for m in result.get(section, []) if m.get(key) is not None]
        return (statistics.median(values), min(values), max(values)) if values else None
    return value


def latency_at(load):
    """A result's (median, median, 99th percentile) at that load, or None."""
    def value(result):
        found = result.get("latency", {}).get(load)
        return (found["p50"], found["p50"], found["p99"]) if found else None
    return value


# (file, title, unit, value of a result: height of its bar, and the two ends of its whisker)
CHARTS = (
    ("throughput", "Throughput", "Mpps", spread_of("mpps")),
    ("cycles", "Cost in the switch", "TSC cycles a frame", spread_of("cycles")),
    ("loss-free", "Loss-free rate", "Mpps", spread_of("mpps", "loss_free")),
    ("latency-10", "Latency at 10 % of the loss-free rate: median to 99th percentile",
     "microseconds", latency_at("10")),
    ("latency-70", "Latency at 70 % of the loss-free rate: median to 99th percentile",
     "microseconds", latency_at("70")),
)
NAMES = {"imix": "IMIX"}
COLOURS = ("#1b6ca8", "#8c8c8c", "#d1495b", "#edae49", "#66a182", "#7d5ba6")


def data(results, value):
    """(peers, lines): a line for each case, three columns for each peer; "-" for no value."""
    there = {r["peer"] for r in results if value(r) is not None}
    peers = [p for p in dict.fromkeys(r["peer"] for r in results) if p in there]
    by_key = {(r["case"], r["peer"]): value(r) for r in results}
    lines = []
    for case in dict.fromkeys(r["case"] for r in results):
        values = [by_key.get((case, p)) for p in peers]
        if any(v is not None for v in values):
            cells = ["-\t-\t-" if v is None else "\t".join(f"{x:.4g}" for x in v) for v in values]
            lines.append("\t".join([case, *cells]))
    return peers, lines


def script(name, title, unit, peers, lines, colours):
    width = max(760, 360 + 15 * len(lines) * (len(peers) + 1))
    text = [f'set title "{title}"', f'set ylabel "{unit}"', "set style data histograms",
            "set style histogram errorbars gap 1 linewidth 1", "set style fill solid 0.9",
            "set boxwidth 0.95", 'set datafile separator "\\t"', 'set datafile missing "-"',
            "set grid y", "set xtics rotate by -35 nomirror noenhanced", "set yrange [0:*]",
            "set key outside right top vertical noenhanced", "set bmargin 11"]
    if name.startswith("latency"):
        text += ["set yrange [0.1:*]", "set logscale y"]
    columns = ", ".join(
        f'"{name}.dat" using {3 * i + 2}:{3 * i + 3}:{3 * i + 4}:xtic(1) title "{peer}" '
        f'linecolor rgb "{colours[peer]}"' for i, peer in enumerate(peers))
    for terminal, ending in ((f"pngcairo size {width},560", "png"),
                             (f"svg size {width},560", "svg")):
        text += [f"set terminal {terminal}", f'set output "{name}.{ending}"', f"plot {columns}"]
    return "\n".join(text) + "\n"


def draw(results, folder):
    """A chart of each kind for each size; the files. None, and a note, without gnuplot."""
    if shutil.which("gnuplot") is None:
        print("bench: no gnuplot, no plots (scripts/deps --bench installs it)")
        return []
    made = []
    # A peer has its colour in all charts.
    colours = dict(zip(dict.fromkeys(r["peer"] for r in results), itertools.cycle(COLOURS)))
    for chart, title, unit, value in CHARTS:
        for size in dict.fromkeys(r["size"] for r in results):
            peers, lines = data([r for r in results if r["size"] == size], value)
            if not lines:
                continue
            name = f"{chart}-{size}"
            Path(folder, f"{name}.dat").write_text("\n".join(lines) + "\n")
            Path(folder, f"{name}.gp").write_text(
                script(name, f"{title}; {NAMES.get(size, size + ' bytes')}", unit, peers, lines,
                       colours))
            subprocess.run(["gnuplot", f"{name}.gp"], cwd=folder, check=True, timeout=60)
            made += [f"{name}.png", f"{name}.svg"]
    return made
