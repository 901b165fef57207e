# SPDX-License-Identifier: BSD-3-Clause
"""A run with a time budget does not start what would end too late."""
import pytest

from bench.budget import Budget


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_steps_are_as_long_as_their_longest_so_far():
    clock = Clock()
    budget = Budget(60, clock)

    def step(seconds):
        clock.now += seconds
    assert budget.fits("a", 60) and not budget.fits("a", 61)
    budget.timed("a", lambda: step(20))
    budget.timed("a", lambda: step(5))
    assert budget.used() == 25 and budget.left() == 35
    assert budget.estimate("a", 1) == 20 and budget.estimate("b", 1) == 1
    budget.timed("b", lambda: step(16))
    assert not budget.fits("a", 1) and budget.fits("b", 1)


def test_a_step_that_fails_takes_time_too():
    clock = Clock()
    budget = Budget(10, clock)

    def fail():
        clock.now += 7
        raise RuntimeError
    with pytest.raises(RuntimeError):
        budget.timed("a", fail)
    assert not budget.fits("a", 1)


def test_without_a_budget_all_fits():
    assert Budget(None, Clock()).fits("a", 1e9)
