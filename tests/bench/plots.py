# SPDX-License-Identifier: BSD-3-Clause
"""Bar charts by gnuplot, as PNG and SVG; data and script stay beside them."""
import shutil
import subprocess
from pathlib import Path

from . import report

# (file, title, unit, value of a result)
CHARTS = (
    ("throughput", "Throughput", "Mpps", lambda r: report.median_of(r, "mpps")),
    ("cycles", "Cost in the switch", "TSC cycles a frame", lambda r: report.median_of(r, "cycles")),
    ("loss-free", "Loss-free rate", "Mpps", lambda r: report.median_of(r, "mpps", "loss_free")),
    ("latency-10", "Latency at 10 % of the loss-free rate, 99th percentile", "us",
     lambda r: (r.get("latency", {}).get("10") or {}).get("p99")),
    ("latency-70", "Latency at 70 % of the loss-free rate, 99th percentile", "us",
     lambda r: (r.get("latency", {}).get("70") or {}).get("p99")),
)
COLOURS = ("#1b6ca8", "#8c8c8c", "#d1495b", "#edae49", "#66a182", "#7d5ba6")


def data(results, value):
    """(peers, lines): a line for each case and size, a column for each peer; "-" for no value."""
    peers = list(dict.fromkeys(r["peer"] for r in results))
    cases = list(dict.fromkeys((r["case"], r["size"]) for r in results))
    by_key = {(r["case"], r["size"], r["peer"]): value(r) for r in results}
    lines = []
    for case, size in cases:
        values = [by_key.get((case, size, p)) for p in peers]
        if any(v is not None for v in values):
            cells = ["-" if v is None else f"{v:.4g}" for v in values]
            lines.append("\t".join([f"{case} {size}", *cells]))
    return peers, lines


def script(name, title, unit, peers, lines):
    width = max(640, 200 + 26 * len(lines) * (len(peers) + 1))
    text = [f'set title "{title}"', f'set ylabel "{unit}"', "set style data histograms",
            "set style histogram clustered gap 1", "set style fill solid 0.9",
            'set datafile separator "\\t"', 'set datafile missing "-"', "set grid y",
            "set xtics rotate by -30 nomirror noenhanced", "set yrange [0:*]",
            "set key outside top center horizontal noenhanced", "set rmargin 12"]
    if name.startswith("latency"):
        text += ["set yrange [*:*]", "set logscale y"]
    columns = ", ".join(
        f'"{name}.dat" using {i + 2}:xtic(1) title "{peer}" linecolor rgb '
        f'"{COLOURS[i % len(COLOURS)]}"' for i, peer in enumerate(peers))
    for terminal, ending in ((f"pngcairo size {width},560", "png"), (f"svg size {width},560", "svg")):
        text += [f"set terminal {terminal}", f'set output "{name}.{ending}"', f"plot {columns}"]
    return "\n".join(text) + "\n"


def draw(results, folder):
    """The files that were made; none, and a note, without gnuplot."""
    if shutil.which("gnuplot") is None:
        print("bench: no gnuplot, no plots (scripts/deps --bench installs it)")
        return []
    made = []
    for name, title, unit, value in CHARTS:
        peers, lines = data(results, value)
        if not lines:
            continue
        Path(folder, f"{name}.dat").write_text("\n".join(lines) + "\n")
        Path(folder, f"{name}.gp").write_text(script(name, title, unit, peers, lines))
        subprocess.run(["gnuplot", f"{name}.gp"], cwd=folder, check=True, timeout=60)
        made += [f"{name}.png", f"{name}.svg"]
    return made
