# SPDX-License-Identifier: BSD-3-Clause
"""The search for the loss-free rate, against switches whose limit is known."""
import pytest

from bench.search import Trial, loss_free


def switch(limit, delivers=lambda rate, limit: min(rate, limit), slip=lambda rate: 0):
    """attempt() of a switch that forwards `limit` frames a second, for a trial of a second."""
    def attempt(rate):
        attempt.rates.append(rate)
        slipped = int(slip(rate))
        offered = int(rate) - slipped
        return Trial(rate, offered, offered, min(offered, int(delivers(rate, limit))), slipped)
    attempt.rates = []
    return attempt


@pytest.mark.parametrize("limit", [3e4, 1e6, 5.5e6, 9.99e6])
def test_finds_the_limit_from_below(limit):
    attempt = switch(limit)
    found = loss_free(attempt, 10e6, repeats=0)
    assert limit - 0.02 * 10e6 <= found.rate <= limit
    assert found.trials == len(attempt.rates) <= 8
    assert not found.generator_limited


def test_a_switch_that_never_loses_is_tried_once():
    found = loss_free(switch(1e9), 10e6)
    assert (found.rate, found.trials, found.generator_limited) == (10e6, 1, False)


def test_a_switch_that_always_loses_has_no_rate():
    found = loss_free(switch(0), 10e6, repeats=1)
    assert found.rate == 0


def test_nothing_to_search_in():
    assert loss_free(switch(1), 0).trials == 0


def test_tolerance_is_a_share_of_deliveries():
    leaky = switch(1e9, delivers=lambda rate, _: rate * 0.9995)
    assert loss_free(leaky, 1e6, tolerance=0.001).rate == 1e6
    assert loss_free(leaky, 1e6, tolerance=0.0001).rate == 0


def test_a_disturbed_trial_is_tried_again():
    calls = []

    def attempt(rate):
        calls.append(rate)
        good = len(calls) % 3 == 0  # two of three are disturbed
        return Trial(rate, int(rate), int(rate), int(rate) if good else 0)
    assert loss_free(attempt, 1e6, repeats=2).rate == 1e6
    calls.clear()
    assert loss_free(attempt, 1e6, repeats=1).rate < 1e6


def test_a_rate_that_lost_by_accident_is_come_back_to():
    for accident in range(1, 8):
        calls = []

        def attempt(rate):
            calls.append(rate)
            good = rate <= 7e6 and accident not in (len(set(calls[:-1])), len(set(calls)))
            return Trial(rate, int(rate), int(rate), int(rate) if good else 0)
        assert 6.8e6 <= loss_free(attempt, 10e6, repeats=2).rate <= 7e6, accident


def test_a_generator_that_cannot_is_named():
    tired = switch(1e9, slip=lambda rate: max(0, rate - 4e6))
    found = loss_free(tired, 10e6, repeats=0)
    assert found.generator_limited
    assert 3.8e6 <= found.rate <= 4.3e6


def test_loss_counts_each_copy():
    trial = Trial(1e3, 1000, 8000, 7999)
    assert trial.loss == pytest.approx(1 / 8000)
    assert Trial(1e3, 0, 0, 0).loss == 0
