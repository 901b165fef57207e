# SPDX-License-Identifier: BSD-3-Clause
"""Sends a batch of frames through a switch, kernel's or ours, and finds out who received each.

No fixed waiting: each path through a switch keeps its order, so markers tell when it is empty.
First each port sends one to nobody, which the wire sees last; by then all that the ports sent is on
its way to its receivers. Then the wire sends a broadcast, which each port sees last.
"""
import collections
import itertools
import select
import time

from lib import frames

from .topology import WIRE

MARKER = 0xFF000000  # frame numbers from here are markers
OUTSIDE = "02:ee:ee:ee:ee:01"  # source of the wire's marker
NOBODY = "02:ee:ee:ee:ee:02"
GRACE = 0.02  # for what should not come at all
_numbers = itertools.count(MARKER)


class Exchange:
    """endpoints: {WIRE and port names: something with send(bytes), poll() and fileno()}."""

    def __init__(self, endpoints):
        self.endpoints = endpoints
        self.ports = [name for name in endpoints if name != WIRE]
        self.seen = collections.defaultdict(list)  # frame number: [(receiver, bytes)]

    def _receive(self, timeout):
        names = {end.fileno(): name for name, end in self.endpoints.items()}
        ready = select.select(list(names), [], [], timeout)[0]
        for fd in ready:
            for data in self.endpoints[names[fd]].poll():
                number = frames.frame_number(data)
                if number is not None:
                    self.seen[number].append((names[fd], data))
        return bool(ready)

    def _wait_markers(self, wanted, timeout):
        """wanted: {marker number: receivers}."""
        end = time.monotonic() + timeout
        while True:
            missing = {n: names - {name for name, _ in self.seen[n]}
                       for n, names in wanted.items()}
            if not any(missing.values()):
                return missing
            wait = end - time.monotonic()
            if wait <= 0:
                return missing
            self._receive(wait)

    def sync(self, timeout=5.0, tries=2):
        """All that was sent before has arrived. TimeoutError: a port or the wire does not hear."""
        for _ in range(tries):
            up = {next(_numbers): name for name in self.ports}
            for number, name in up.items():
                self.endpoints[name].send(frames.build(NOBODY, OUTSIDE, number=number))
            missing = self._wait_markers({n: {WIRE} for n in up}, timeout)
            lost = [up[n] for n, names in missing.items() if names]
            down = next(_numbers)
            self.endpoints[WIRE].send(frames.build(frames.BROADCAST, OUTSIDE, number=down))
            lost_down = self._wait_markers({down: set(self.ports)}, timeout)[down]
            if not lost and not lost_down:
                return
        raise TimeoutError(f"markers: the wire hears nothing of {sorted(lost)}, "
                           f"the wire's broadcast does not reach {sorted(lost_down)}")

    def run(self, batch, substitute=None):
        """{frame number: sorted tuple of receivers}. batch: Frames. substitute: gives the bytes to
        send for a frame. A receiver of several copies shows as "p1*2", one whose copy is not what
        was sent as "p1~altered"."""
        self.seen.clear()
        sent = {}
        for frame in batch:
            sent[frame.number] = substitute(frame) if substitute else frame.data()
            self.endpoints[frame.origin].send(sent[frame.number])
            if frame.number % 16 == 0:
                self._receive(0)
        self.sync()
        while self._receive(GRACE):
            pass
        return {n: _receivers(self.seen.get(n, []), data) for n, data in sent.items()}


def _receivers(copies, sent):
    count = collections.Counter(name if data == sent else f"{name}~altered"
                                for name, data in copies)
    return tuple(sorted(name if n == 1 else f"{name}*{n}" for name, n in count.items()))
