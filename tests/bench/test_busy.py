# SPDX-License-Identifier: BSD-3-Clause
"""Who else was on our CPUs."""
import os
import subprocess
import sys
import time

from bench import busy, children

STAT = """cpu  10 0 10 100 0 0 0 5 0 0
cpu0 4 0 5 50 1 0 2 3 0 0
cpu1 6 0 5 50 0 0 0 2 0 0
intr 12345
"""
SPIN = "import time\nend = time.monotonic() + 5\nwhile time.monotonic() < end: pass"


def test_proc_stat():
    cpus = busy.parse_stat(STAT)
    assert sorted(cpus) == [0, 1]
    assert cpus[0]["steal"] == 3 and cpus[1]["user"] == 6 and cpus[0]["softirq"] == 2


def test_a_process_name_may_hold_anything():
    fields = ["S", "1"] + ["0"] * 9 + ["7", "4"] + ["0"] * 23 + ["1"] + ["0"] * 12
    name, cpu, ticks = busy.parse_process(f"42 (a) (b c) {' '.join(fields)}")
    assert (name, cpu, ticks) == ("a) (b c", 1, 11)


def test_ours_are_no_others():
    with subprocess.Popen([sys.executable, "-c", SPIN],
                          preexec_fn=children.die_with_parent) as child:
        assert {os.getpid(), child.pid} <= busy.descendants(os.getpid())
        watch = busy.Watch((0,))
        time.sleep(0.5)
        mine = watch.report()
        watch.roots = ()
        all_of_us = watch.report()
        children.end(child)
    assert all_of_us["others"] > mine["others"] + 0.1
    assert child.pid not in busy.descendants(os.getpid())


def test_sweep_leaves_nothing_behind():
    with subprocess.Popen(["sleep", "30"], start_new_session=True) as child:
        assert child.pid in children.sweep()
        child.returncode = -9  # sweep() has waited for it
    assert busy.descendants(os.getpid()) == {os.getpid()}


def test_warnings():
    assert busy.warning({"steal": 0, "others": 0.01, "who": []}) == ""
    text = busy.warning({"steal": 0.3, "others": 0.5, "who": ["cc1", "ninja"]})
    assert "30% stolen" in text and "50% of a CPU used by cc1, ninja" in text
