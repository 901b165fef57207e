# SPDX-License-Identifier: BSD-3-Clause
"""The tables of design.md, section 2, in Python: in place of the daemon it proves rules.py right,
because kernel + rules must give the same as the tables (compare.py --against model)."""
from lib.frames import is_multicast

from .topology import MAC_CONTROL, WIRE


def decide(topology, frame):
    """The receivers of a frame."""
    if frame.ethertype == MAC_CONTROL:
        return set()
    sender = topology.port(frame.origin)
    return _from_guest(topology, sender, frame.dst) if sender else _from_wire(topology, frame)


def _from_guest(topology, sender, dst):
    if sender.mode != "bridge":
        return {WIRE}
    others = [p for p in topology.ports if p.mode == "bridge" and p is not sender]
    if is_multicast(dst):
        return {p.name for p in others if p.accepts(dst)} | {WIRE}
    owner = topology.owner(dst)
    return {owner.name} if owner in others else {WIRE}


def _from_wire(topology, frame):
    reflects, first = topology.owner(frame.src), topology.ports[0]
    if first.mode == "passthru":
        return set() if reflects else {first.name}
    if reflects and reflects.mode == "private":
        return set()
    if is_multicast(frame.dst):
        modes = {None: {"vepa", "bridge", "private"}, "vepa": {"vepa", "bridge"},
                 "bridge": {"vepa"}}[reflects.mode if reflects else None]
        return {p.name for p in topology.ports
                if p.mode in modes and p is not reflects and p.accepts(frame.dst)}
    owner = topology.owner(frame.dst)
    if owner is None:
        if reflects or frame.dst == topology.uplink_mac:
            return set()
        return {p.name for p in topology.ports if p.promisc}
    if reflects and (owner is reflects or owner.mode == "private"):
        return set()
    return {owner.name}


class Model:
    """Has the form of switch.Switch."""

    def __init__(self, uplink_mac):
        del uplink_mac

    def topology(self, topology):
        self.current = topology
        return self

    def run(self, batch):
        return {f.number: tuple(sorted(decide(self.current, f))) for f in batch}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass
