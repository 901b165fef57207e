# SPDX-License-Identifier: BSD-3-Clause
"""Keeps a run to its time: each step is started only if it is likely to end in time. Pure, but for
the clock that it is given."""
import time


class Budget:
    """seconds: None for as long as it takes."""

    def __init__(self, seconds, clock=time.monotonic):
        self.seconds, self.clock = seconds, clock
        self.start, self.longest = clock(), {}

    def used(self):
        return self.clock() - self.start

    def left(self):
        return float("inf") if self.seconds is None else self.seconds - self.used()

    def estimate(self, kind, guess):
        """Seconds that a step of this kind takes: as the longest so far, or the guess."""
        return self.longest.get(kind, guess)

    def fits(self, kind, guess):
        return self.estimate(kind, guess) <= self.left()

    def timed(self, kind, step):
        """Runs step() and remembers how long it took."""
        start = self.clock()
        try:
            return step()
        finally:
            self.longest[kind] = max(self.longest.get(kind, 0), self.clock() - start)
