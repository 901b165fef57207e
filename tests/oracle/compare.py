# SPDX-License-Identifier: BSD-3-Clause
"""Random frames through kernel macvtap and through macvswitch; the receivers must be the same but
for the differences in rules.py. Root; started by hand, by test_oracle.py and by scripts/test.

    /usr/bin/python3 tests/oracle/compare.py [--frames N] [--seed S] [--long]
"""
import argparse
import collections
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from oracle import rules  # noqa: E402
from oracle.kernel import Kernel  # noqa: E402
from oracle.topology import random_frames, random_mac, random_topology  # noqa: E402

STANDARD, LONG = 2100, 100_000
BATCH = 60  # frames at a time: well below the shortest ring
BATCHES = 2  # per topology
SHOWN = 10  # differences that are printed in full


class Result:
    def __init__(self):
        self.frames = self.topologies = self.differences = 0
        self.received = 0  # kernel receivers in all: not zero, or nothing was compared
        self.rules = collections.Counter()


def compare_batch(topology, batch, kernel, switch, result, report):
    """kernel, switch: {frame number: receivers}."""
    for frame in batch:
        wanted, used = rules.expected(topology, frame, kernel[frame.number])
        result.rules.update(used)
        result.frames += 1
        result.received += len(kernel[frame.number])
        if wanted == switch[frame.number]:
            continue
        result.differences += 1
        if result.differences <= SHOWN:
            report(f"DIFFERENCE at {frame}\n{topology}\n  kernel:   {_text(kernel[frame.number])}\n"
                   f"  expected: {_text(wanted)} (rules: {', '.join(used) or 'none'})\n"
                   f"  switch:   {_text(switch[frame.number])}")


def _text(receivers):
    return " ".join(receivers) or "nobody"


def run(make_switch, frames, seed, flip=None, report=print):
    """flip: falsify the switch's receivers of that frame, to see that a difference is found."""
    rng = random.Random(seed)
    uplink_mac = random_mac(rng)
    result = Result()
    with make_switch(uplink_mac) as switch:
        while result.frames < frames:
            topology = random_topology(rng, uplink_mac)
            result.topologies += 1
            with Kernel(topology) as kernel, switch.topology(topology) as ports:
                for _ in range(BATCHES):
                    count = min(BATCH, frames - result.frames)
                    if count == 0:
                        break
                    batch = random_frames(rng, topology, count, result.frames + 1)
                    there = kernel.run(batch, lambda f, t=topology: rules.kernel_frame(t, f))
                    here = ports.run(batch)
                    if flip in here:
                        name = topology.ports[0].name
                        here[flip] = tuple(sorted(set(here[flip]) ^ {name}))
                    compare_batch(topology, batch, there, here, result, report)
    return result


def _make_switch(kind):
    if kind == "model":
        from oracle.model import Model
        return Model
    from oracle.switch import Switch
    return Switch


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--frames", type=int, help=f"default {STANDARD}")
    parser.add_argument("--seed", type=int, help="default: a new one, which is printed")
    parser.add_argument("--long", action="store_true", help=f"{LONG} frames")
    parser.add_argument("--against", choices=["switch", "model"], default="switch",
                        help="model: the design's tables in Python instead of the daemon")
    parser.add_argument("--flip", type=int, metavar="N",
                        help="falsify the receivers of frame N: the run must fail")
    args = parser.parse_args(argv)
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(1 << 32)
    frames = args.frames or (LONG if args.long else STANDARD)
    print(f"oracle: seed {seed}", flush=True)
    start = time.monotonic()
    result = run(_make_switch(args.against), frames, seed, args.flip)
    for name, count in sorted(result.rules.items()):
        print(f"  {count:6} frames differ from the kernel by rule {name}")
    print(f"oracle: {result.frames} frames, {result.topologies} topologies, seed {seed}: "
          f"{result.differences} differences ({result.received} kernel receivers, "
          f"{time.monotonic() - start:.1f} s)")
    return 1 if result.differences or result.frames < frames or not result.received else 0


if __name__ == "__main__":
    sys.exit(main())
