# SPDX-License-Identifier: BSD-3-Clause
"""The traffic generator, tests/bench/pktgen, as a child with commands."""
import json
import os
import select
import subprocess
import time

from lib.daemon import BUILD

from . import children

PATH = BUILD / "tests/bench/pktgen/pktgen"


class Generator:
    """One process on one CPU; fds: descriptors of taps that it inherits."""

    def __init__(self, cpu, fds=()):
        self.process = subprocess.Popen([str(PATH), str(cpu)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, bufsize=0, pass_fds=fds)
        self.buffer = b""
        self.hugepages = True
        self.hz = self._answer(10)["tsc_hz"]

    def _answer(self, timeout):
        end = time.monotonic() + timeout
        while b"\n" not in self.buffer:
            wait = end - time.monotonic()
            if wait <= 0 or not select.select([self.process.stdout], [], [], wait)[0]:
                raise TimeoutError("pktgen does not answer")
            data = os.read(self.process.stdout.fileno(), 1 << 20)
            if not data:
                raise RuntimeError(f"pktgen ended: exit status {self.process.wait(10)}")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        answer = json.loads(line)
        if "error" in answer:
            raise ValueError(f"pktgen: {answer['error']}")
        return answer

    def command(self, timeout=15, **keys):
        self.process.stdin.write(json.dumps(keys).encode() + b"\n")
        return self._answer(timeout)

    def open(self, port, where, ring=1024, idle=False):
        """where: a vhost-user socket's path, or a tap's descriptor."""
        kind = "fd" if isinstance(where, int) else "path"
        answer = self.command(command="open", port=port, ring=ring, idle=idle, **{kind: where})
        self.hugepages = answer["hugepages"]

    def distance(self, cpu):
        """Nanoseconds of a cache line's way to that CPU and back; None where it is too busy."""
        try:
            return self.command(command="distance", cpu=cpu)["ns"]
        except ValueError:
            return None

    def run(self, seconds, senders, receivers, warmup=0.05):
        """senders: [{port, src, dst, sizes, rate}]. The answer is pktgen/run.c's."""
        return self.command(15 + seconds + warmup, command="run", seconds=seconds, warmup=warmup,
                            senders=senders, receivers=receivers)

    def stop(self):
        self.process.stdin.close()
        children.end(self.process)
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
