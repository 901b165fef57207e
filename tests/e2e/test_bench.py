# SPDX-License-Identifier: BSD-3-Clause
"""scripts/bench's harness from its options to its results, with what needs no hugepages: the
kernel's own switches. test_pktgen.py has the generator against the daemon."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]


def bench(*options):
    return subprocess.run([sys.executable, "-m", "bench.main", *options], text=True, timeout=80,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env={**os.environ, "PYTHONPATH": str(TESTS)})


@pytest.mark.timeout(90)
@pytest.mark.skipif(os.cpu_count() < 2, reason="takes two CPUs")
def test_kernel_switches_side_by_side(tmp_path):
    done = bench("--peer", "macvtap,bridge", "--case", "wire-guest,broadcast-8", "--size", "imix",
                 "--seconds", "0.1", "--rounds", "2", "--trial", "0.1", "--loss", "0.5",
                 "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "results.json").read_text())
    assert found["errors"] == [] and found["skipped"] == []
    assert [(r["case"], r["peer"]) for r in found["results"]] == [
        (case, peer) for case in ("wire-guest", "broadcast-8") for peer in ("macvtap", "bridge")]
    for r in found["results"]:
        assert len(r["throughput"]) >= 2 and all(m["mpps"] > 0 for m in r["throughput"])
        assert r["loss_free"][0]["mpps"] > 0
        assert r["latency"]["10"]["count"] > 0
        assert any("system calls" in note for note in r["notes"])
    table = (tmp_path / "table.txt").read_text()
    assert set(table.splitlines()) <= set(done.stdout.splitlines())
    assert found["machine"]["cpu"] in table and found["machine"]["kernel"] in table
    leftover = subprocess.run(["ip", "netns", "list"], text=True, stdout=subprocess.PIPE, check=True)
    assert "-macvtap-" not in leftover.stdout and "-bridge-" not in leftover.stdout


def test_what_does_not_fit_is_left_out_and_said(tmp_path):
    done = bench("--peer", "bridge", "--case", "guest-guest", "--size", "64", "--budget", "1",
                 "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "no time for" in done.stdout
    assert json.loads((tmp_path / "results.json").read_text())["skipped"]


def test_unknown_names_are_refused():
    for option, value, why in (("--peer", "me", "the peers are"), ("--size", "1", "the sizes are"),
                               ("--case", "x-y", "--list prints them"),
                               ("--build", "old=/nowhere", "control/macvswitchd")):
        done = bench(option, value)
        assert done.returncode == 2 and why in done.stderr
