# SPDX-License-Identifier: BSD-3-Clause
"""The cases: who sends to whom, how large, among how many ports and addresses."""
import dataclasses

from .topology import BROADCAST, OUTSIDE, Topology, address, spread_addresses, write_pcap

IMIX = [64, 594, 64, 64, 594, 64, 1518, 64, 594, 64, 594, 64]  # 7:4:1, mixed well
SIZES = {"64": [64], "256": [256], "1518": [1518], "imix": IMIX}


@dataclasses.dataclass(frozen=True)
class Case:
    """kind: wire-guest, guest-wire, guest-guest or broadcast (a guest to `receivers` others and to
    the wire). ports: attached in all; those without traffic are idle. addresses: destinations, taken
    in turn; more than one are spread over `ports` guests, all of which receive. mixed: one after
    another goes to another guest, else all of a guest before the next one's. flooded: a third guest
    sends broadcasts meanwhile, as fast as it can; not while the loss-free rate is looked for."""
    kind: str
    size: str = "64"
    receivers: int = 1
    ports: int = 0
    addresses: int = 1
    mixed: bool = False
    flooded: bool = False
    # "generated": the generator's, at full speed too; "flow-queue", "software": a NIC that does, or
    # does not, sort by address.
    wire: str = ""

    @property
    def name(self):
        parts = [self.kind if self.kind != "broadcast" else f"broadcast-{self.receivers}"]
        if self.addresses > 1:
            parts.append(f"{self.addresses}-addresses{'-mixed' if self.mixed else ''}")
        elif self.ports:
            parts.append(f"{self.ports}-ports")
        if self.flooded:
            parts.append("flooded")
        if self.wire:
            parts.append(self.wire)
        return "/".join(parts)

    def __str__(self):
        return f"{self.name} {self.size}"

    @property
    def sizes(self):
        return SIZES[self.size]

    @property
    def ring(self):
        """Descriptors. Rings of many guests at once would not fit into any cache."""
        return 256 if self.addresses > 1 else 1024

    def fits(self, peer):
        """Can this peer do it?"""
        if self.wire and self.wire not in (*peer.wires, "generated"):
            return False
        if self.addresses > 1 and getattr(peer, "one_address", False):
            return False
        return peer.fans_out or not (self.kind == "broadcast" or self.ports or self.flooded)

    def paced_wire(self):
        """Is a loss-free rate of it looked for? Not where the wire cannot be paced."""
        return self.wire in ("", "generated")

    def topology(self, folder, paced, own_wire=True):
        """paced: the generator is the wire too, as it must be for a peer without one of its own."""
        guests = {"wire-guest": 1, "guest-wire": 1, "guest-guest": 2,
                  "broadcast": 1 + self.receivers}[self.kind] + self.flooded
        if self.addresses > 1:
            senders = guests - 1
            lists = spread_addresses(self.addresses, self.ports)
            if senders:
                lists.insert(0, [address(0xE00001)])
        else:
            lists = spread_addresses(guests, guests)
        wire = {"wire-guest": "pcap", "guest-wire": "null", "guest-guest": None,
                "broadcast": "null"}[self.kind]
        if self.kind in ("wire-guest", "guest-wire") and (
                paced or self.wire == "generated" or not own_wire):
            wire = "guest"
        elif self.wire:
            wire = self.wire
        idle = max(0, self.ports - len(lists)) if self.ports else 0
        t = Topology(folder, wire, lists, f"{folder}/wire.pcap", tuple(self.sizes), idle)
        if wire == "pcap":
            write_pcap(t.pcap, self.destinations(t), self.sizes)
        return t

    def destinations(self, topology):
        if self.kind == "guest-wire":
            return [OUTSIDE]
        if self.kind == "broadcast":
            return [BROADCAST]
        lists = topology.guests[1:] if self.kind == "guest-guest" else topology.guests
        if self.flooded:
            lists = lists[:1]
        if self.mixed:
            longest = max(map(len, lists))
            return [l[i] for i in range(longest) for l in lists if i < len(l)]
        return [a for l in lists for a in l]

    def sender(self, topology):
        """(port, its address), or None where the wire sends by itself."""
        if self.kind != "wire-guest":
            return "vm0", topology.guests[0][0]
        return ("wire", OUTSIDE) if topology.wire == "guest" else None

    def flooder(self, topology):
        """(port, its address), or None."""
        return (topology.names[-1], topology.guests[-1][0]) if self.flooded else None

    def receivers_of(self, topology):
        """Those that the measured frames are for, and the others that a flood reaches."""
        if self.flooded:
            return ["vm1", "vm0"]
        if self.kind == "guest-wire":
            return ["wire"] if topology.wire == "guest" else []
        return topology.names[1 if self.kind != "wire-guest" else 0:]


def all_cases():
    """All of them, the most telling first."""
    kinds = [dict(kind=k) for k in ("wire-guest", "guest-wire", "guest-guest")]
    kinds += [dict(kind="broadcast", receivers=n) for n in (1, 8, 32)]
    cases = [Case(size="64", **k) for k in kinds]
    cases.append(Case("guest-guest", flooded=True))
    for n in 64, 250:
        cases += [Case(kind, ports=n) for kind in ("wire-guest", "guest-wire", "guest-guest")]
    # net_pcap keeps each frame in a buffer of the switch, which has not that many to spare.
    cases.append(Case("wire-guest", wire="generated"))
    for mixed in False, True:
        cases += [Case("wire-guest", ports=64, addresses=4096, mixed=mixed, wire="generated"),
                  Case("guest-guest", ports=64, addresses=4096, mixed=mixed)]
    cases += [Case("wire-guest", wire=wire) for wire in ("software", "flow-queue")]
    cases += [Case(size=size, **k) for size in ("1518", "imix", "256") for k in kinds]
    return cases


def select(cases, names=None, sizes=None):
    """Those with one of these names and sizes. A name that no case has stands for all that contain
    it."""
    known = {c.name for c in cases}

    def named(case):
        return any(n == case.name or (n not in known and n in str(case)) for n in names)
    return [c for c in cases if (not names or named(c)) and (not sizes or c.size in sizes)]
