# SPDX-License-Identifier: BSD-3-Clause
"""Rows, notes, table and charts of made-up figures."""
import shutil

import pytest

from bench import plots, report

CALM = {"steal": 0.0, "others": 0.0, "who": []}


def measured(mpps, idle=0.5, distance=80, machine=None, **more):
    return {"mpps": mpps, "gbps": mpps / 2, "cycles": 2600 / mpps, "cycles_by": "switch",
            "idle": idle, "distance_ns": distance, "machine": machine or CALM, "reordered": 0,
            **more}


def result(peer, *measurements, case="guest-guest", size="64", **more):
    return {"case": case, "size": size, "peer": peer, "throughput": list(measurements),
            "loss_free": [], "latency": {}, "notes": [], **more}


def test_row_has_median_spread_and_ratios():
    mine = result("macvswitch", measured(12), measured(10), measured(14),
                  loss_free=[{"mpps": 9.5, "machine": CALM}],
                  latency={"10": {"p50": 0.31, "p99": 1.234, "p99.9": 20}})
    other = result("testpmd", measured(16))
    row = dict(zip(report.header(), report.row(mine, [mine, other])))
    assert row["Mpps (min-max)"] == "12.00 (10.00-14.00)"
    assert row["to testpmd"] == "0.75" and row["to ovs-normal"] == ""
    assert row["loss-free"] == "9.50"
    assert row["p50/p99/p99.9 us at 10 %"] == "0.31/1.23/20" and row["at 70 %"] == ""
    assert row["notes"] == ""
    other = dict(zip(report.header(), report.row(other, [mine, other])))
    assert other["to testpmd"] == ""


def test_cycles_by_the_clock_are_marked():
    r = result("macvtap", measured(1, cycles_by="clock"))
    assert dict(zip(report.header(), report.row(r, [r])))["cycles"] == "~2600"


def test_a_generator_without_idle_time_is_named():
    assert report.notes(result("a", measured(10, idle=0.01))) == ["GENERATOR is the limit"]
    assert report.notes(result("a", measured(10, idle=0.2))) == []
    kernel = report.notes(result("bridge", measured(1, idle=0), in_generator=True))
    assert len(kernel) == 1 and "system calls" in kernel[0]
    limited = result("a", measured(1), loss_free=[{"mpps": 1, "generator_limited": True,
                                                  "machine": CALM}])
    assert report.notes(limited) == ["loss-free: GENERATOR is the limit"]


def test_busy_cores_are_named():
    noisy = {"steal": 0.2, "others": 0.5, "who": ["cc1", "ninja"]}
    assert report.notes(result("a", measured(5, machine=noisy))) == [
        "stolen: 20%", "BUSY CORES: 50% (cc1, ninja)"]
    assert report.notes(result("a", measured(5), loss_free=[{"mpps": 1, "machine": noisy}]))


def test_only_comparable_measurements_count():
    noisy = {"steal": 0, "others": 0.5, "who": ["cc1"]}
    mine = result("macvswitch", measured(14), measured(8, distance=320),
                  measured(5, machine=noisy))
    theirs = result("testpmd", measured(9, distance=310))
    kept = report.comparable([mine, theirs])
    assert [m["mpps"] for m in kept[0]["throughput"]] == [14]
    assert not kept[0]["far"] and kept[1]["far"]
    assert report.ratio(kept[0], kept, "testpmd") is None
    assert "310 ns apart" in report.notes(kept[1])[0]
    found = result("a", loss_free=[{"mpps": 1, "machine": noisy}, {"mpps": 3, "machine": CALM}])
    assert [m["mpps"] for m in report.comparable([found])[0]["loss_free"]] == [3]
    # Small differences are none, and what has nothing better is kept.
    mine = result("macvswitch", measured(14, distance=48), measured(13, distance=88))
    assert len(report.comparable([mine])[0]["throughput"]) == 2
    busy = result("macvswitch", measured(5, machine=noisy))
    calm = result("testpmd", measured(10))
    kept = report.comparable([busy, calm])
    assert kept[0]["throughput"] and kept[0]["disturbed"] and not kept[1]["disturbed"]
    assert report.ratio(kept[0], kept, "testpmd") is None
    assert report.ratio(kept[1], kept, "macvswitch") is None


def test_table_is_aligned():
    rows = [report.row(r, [r]) for r in (result("macvswitch", measured(12.345)),
                                         result("x", measured(1), case="longer-case-name"))]
    lines = report.table(rows)
    assert len(lines) == 3
    column = lines[0].index("peer")
    assert lines[1][column:].startswith("macvswitch") and lines[2][column:].startswith("x ")


def test_chart_data():
    results = [result("a", measured(1), measured(2), measured(6)), result("b", measured(2)),
               result("a", measured(3), case="wire-guest"), result("b", case="wire-guest"),
               result("a", case="empty"), result("c")]
    peers, lines = plots.data(results, plots.spread_of("mpps"))
    assert peers == ["a", "b"]
    assert lines == ["guest-guest\t2\t1\t6\t2\t2\t2", "wire-guest\t3\t3\t3\t-\t-\t-"]


@pytest.mark.skipif(shutil.which("gnuplot") is None, reason="gnuplot is not installed")
def test_charts_are_drawn(tmp_path):
    made = plots.draw([result("a", measured(1)), result("b", measured(2), size="1518")], tmp_path)
    assert made == [f"{chart}-{size}.{ending}" for chart in ("throughput", "cycles")
                    for size in ("64", "1518") for ending in ("png", "svg")]
    assert (tmp_path / "throughput-64.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "throughput-1518.svg").read_text()
