# SPDX-License-Identifier: BSD-3-Clause
"""The oracle as pytest runs it: the daemon against the kernel; and proof that it can fail."""
import os
import random

import pytest

from lib.daemon import BUILD
from oracle import compare, rules
from oracle.model import Model
from oracle.topology import WIRE, Frame, Port, Topology

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="root only: makes macvtap devices")
SEED = int(os.environ.get("ORACLE_SEED", random.SystemRandom().randrange(1 << 32)))
RULES_SEED = 3


@pytest.mark.skipif(not (BUILD / "control/macvswitchd").exists(), reason="no macvswitchd is built")
def test_switch_is_as_the_kernel(capsys):
    with capsys.disabled():
        assert compare.main(["--frames", str(compare.STANDARD), "--seed", str(SEED)]) == 0


def test_rules_and_tables_agree(capsys):
    """The kernel with the listed differences does what the design's tables say."""
    with capsys.disabled():
        assert compare.main(["--against", "model", "--frames", "1200", "--seed", str(SEED)]) == 0


@pytest.mark.parametrize("frame", [1, 77, 150])
def test_one_wrong_receiver_is_found(frame):
    result = compare.run(Model, 150, SEED, flip=frame, report=lambda text: None)
    assert (result.frames, result.differences) == (150, 1)
    assert compare.main(["--against", "model", "--frames", "150", "--seed", str(SEED),
                         "--flip", str(frame)]) == 1


@pytest.mark.parametrize("rule", [r for r in rules.RULES if r is not rules.exact_multicast],
                         ids=lambda rule: rule.__name__)
def test_each_rule_is_needed(monkeypatch, rule):
    """Without the rule the difference that it allows is a failure (seed chosen to have them all)."""
    monkeypatch.setattr(rules, "RULES", tuple(r for r in rules.RULES if r is not rule))
    assert compare.run(Model, 1500, RULES_SEED, report=lambda text: None).differences > 0


def test_leak_of_the_kernels_hash_is_allowed_to_the_kernel_only():
    """Which groups leak depends on where the kernel's devices are in memory, so by hand."""
    ports = [Port(name, "vepa", f"02:00:00:00:00:0{i}", groups, [], False, False)
             for i, (name, groups) in enumerate([("p0", ["01:00:5e:09:09:09"]), ("p1", [])])]
    topology = Topology(ports, "02:00:00:00:00:99", [], [])
    frame = Frame(1, WIRE, "01:00:5e:09:09:09", "02:00:00:00:00:77", 0x88B5, (), 60)
    assert rules.expected(topology, frame, ("p0", "p1")) == (("p0",), ["exact_multicast"])
    assert rules.expected(topology, frame, ()) == ((), [])
