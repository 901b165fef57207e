# SPDX-License-Identifier: BSD-3-Clause
"""One switch and the generator, attached to each other; and what is measured with them."""
import contextlib
import tempfile

from .generator import Generator
from .search import Trial, loss_free
from .topology import BROADCAST

SWITCH_CPU, GENERATOR_CPU = 1, 0


class Session:
    """with Session(case, Peer, paced) as s: s.throughput(1.0). paced: the wire is the generator's
    too, so that its frames can be paced and counted."""

    def __init__(self, case, peer, paced):
        self.case = case
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mvsw-b"))
            self.topology = t = case.topology(
                folder, paced, getattr(peer, "own_wire", True))
            self.peer = peer(t, SWITCH_CPU)
            stack.callback(self.peer.stop)
            taps = getattr(self.peer, "taps", {})
            self.generator = Generator(GENERATOR_CPU, tuple(taps.values()))
            stack.callback(self.generator.stop)
            for name, where in {**getattr(self.peer, "sockets", {}), **taps}.items():
                idle = name.startswith("idle")
                self.generator.open(name, where, 256 if idle else case.ring, idle)
            self.peer.wait_ready()
            self.stack = stack.pop_all()
        self.receivers = case.receivers_of(t)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()

    def run(self, seconds, rate=0, warmup=0.05, flood=True):
        """Answers what pktgen does. flood: with the case's, if it has one."""
        sender = self.case.sender(self.topology)
        senders = []
        if sender is not None:
            senders = [{"port": sender[0], "src": sender[1], "rate": float(rate),
                        "dst": self.case.destinations(self.topology), "sizes": self.case.sizes}]
        flooder = self.case.flooder(self.topology) if flood else None
        if flooder is not None:
            senders.append({"port": flooder[0], "src": flooder[1], "rate": 0.0, "dst": [BROADCAST],
                            "sizes": self.case.sizes})
        return self.generator.run(seconds, senders, self.receivers, warmup)

    def throughput(self, seconds):
        """As much as goes. {"mpps", "gbps", "cycles", "idle": the generator's idle share, "busy":
        the switch's busy share, ...}"""
        self.run(0.1)
        distance = self.generator.distance(SWITCH_CPU)
        self.run(0.02)  # the switch catches up with what it missed meanwhile
        forwarded = self.peer.forwarded() if not self.receivers else 0
        before = self.peer.cycles()
        answer = self.run(seconds, warmup=0)
        after = self.peer.cycles()
        # The hypervisor may have moved us in between; then the figure belongs to neither place.
        distance = max((d for d in (distance, self.generator.distance(SWITCH_CPU)) if d), default=0)
        frames, took = answer["frames"], answer["seconds"]
        result = {"seconds": took, "idle": answer["idle"], "pause_us": answer["pause_us"],
                  "distance_ns": distance, "hugepages": self.generator.hugepages}
        if self.receivers and not self.case.flooded:
            result["gbps"] = answer["bytes"] * 8 / took / 1e9
        else:
            frames = (sum(r["from"][0] for r in answer["receivers"]) if self.receivers
                      else self.peer.forwarded() - forwarded)
            result["gbps"] = frames * sum(self.case.sizes) / len(self.case.sizes) * 8 / took / 1e9
        result["mpps"] = frames / took / 1e6
        if answer["senders"]:
            result["offered_mpps"] = sum(s["measured"] for s in answer["senders"]) / took / 1e6
        result["reordered"] = sum(r["reordered"] for r in answer["receivers"])
        result |= self._cycles(before, after, result)
        return result

    def _cycles(self, before, after, result):
        """A frame's: by the switch's own count, or, where it has none and is the limit, by the
        clock."""
        hz = self.generator.hz
        if before is not None and after[1] > before[1]:
            busy = after[0] - before[0]
            return {"cycles": busy / (after[1] - before[1]), "cycles_by": "switch"}
        if result["mpps"] > 0:
            return {"cycles": hz / result["mpps"] / 1e6, "cycles_by": "clock"}
        return {}

    def attempt(self, rate, seconds):
        """A Trial at that rate."""
        answer = self.run(seconds, rate, warmup=0.02, flood=False)
        sender = answer["senders"][0]
        offered = sender["sent"] + sender["refused"]
        return Trial(rate, offered, offered * self.copies,
                     sum(r["from"][0] for r in answer["receivers"]), sender["slipped"])

    def loss_free(self, seconds, tolerance, repeats=2, resolution=0.02):
        """{"mpps", "trials", "generator_limited"}; of frames sent, not of copies."""
        flat = self.run(seconds, flood=False)
        high = 1.05 * flat["frames"] / flat["seconds"] / self.copies
        found = loss_free(lambda rate: self.attempt(rate, seconds), high, tolerance, resolution,
                          repeats)
        return {"mpps": found.rate / 1e6, "trials": found.trials,
                "generator_limited": found.generator_limited}

    @property
    def copies(self):
        """Deliveries of each frame."""
        return len(self.receivers) if self.case.kind == "broadcast" else 1

    def latency(self, rate, seconds, repeats=2):
        """Microseconds from the frame's writing to its reading, at that many frames a second; of
        several runs the one that was disturbed least."""
        runs = [self.run(seconds, rate, warmup=0.02)["latency"] for _ in range(1 + repeats)]
        return {"mpps": rate / 1e6, "runs": len(runs), **min(runs, key=lambda r: r["p99"])}
