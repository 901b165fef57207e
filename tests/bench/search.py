# SPDX-License-Identifier: BSD-3-Clause
"""RFC 2544's throughput, which we call loss-free rate: the highest rate at which nothing, or no more
than a stated share, is lost. Pure: what a trial is, the caller says."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Trial:
    """One rate, tried. rate: frames a second asked for."""
    rate: float
    offered: int       # frames that were to be sent: sent, or refused by a full ring
    expected: int      # of them, deliveries: each to each receiver
    delivered: int
    slipped: int = 0   # the generator came too late for them; they do not count as offered

    @property
    def loss(self):
        return 1 - self.delivered / self.expected if self.expected else 0.0

    @property
    def generator_failed(self):
        """It offered so much less than asked for that the trial says nothing of that rate."""
        return self.slipped > 0.05 * (self.offered + self.slipped)


@dataclasses.dataclass(frozen=True)
class Found:
    rate: float               # frames a second; 0 where every trial lost
    trials: int
    generator_limited: bool   # what stopped the search was the generator


def passes(trial, tolerance):
    return trial.loss <= tolerance and not trial.generator_failed


def loss_free(attempt, high, tolerance=0.0, resolution=0.02, repeats=2):
    """attempt(rate) -> Trial. Searches in (0, high] by halves until the interval is at most
    `resolution` of high. What a neighbour of ours does to a trial can make it lose, never win, so a
    rate that lost is tried up to `repeats` times more and passes if one of these passes; and at the
    end the lowest rate that lost is tried once more, and if it passes the search goes on above."""
    low, trials = 0.0, 0
    lost = []  # (rate, was it the generator's doing), the lowest last

    def tried(rate):
        nonlocal low, trials
        for _ in range(1 + repeats):
            trial = attempt(rate)
            trials += 1
            if passes(trial, tolerance):
                low = rate
                return True
        lost.append((rate, trial.generator_failed and trial.loss <= tolerance))
        return False

    if high > 0 and not tried(high):
        while True:
            if lost[-1][0] - low > resolution * high:
                tried((low + lost[-1][0]) / 2)
            elif not repeats or not tried(lost.pop()[0]) or not lost:
                break
    return Found(low, trials, bool(lost) and lost[-1][1])
