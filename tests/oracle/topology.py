# SPDX-License-Identifier: BSD-3-Clause
"""Random ports and random frames from a seed: what both the kernel and the switch are given."""
import dataclasses

from lib import frames

WIRE = "wire"
MODES = "vepa", "bridge", "private"
LINK_LOCAL = "01:80:c2:00:00:00", "01:80:c2:00:00:01", "01:80:c2:00:00:03", "01:80:c2:00:00:0e"
ALL_HOSTS = "01:00:5e:00:00:01", "33:33:00:00:00:01"
MAC_CONTROL = 0x8808


@dataclasses.dataclass
class Port:
    name: str
    mode: str
    mac: str
    groups: list  # joined multicast groups
    extra: list   # further unicast addresses; the kernel has nothing of the kind
    allmulticast: bool
    promisc: bool
    nopromisc: bool = False

    def accepts(self, group):
        """Its receive filter, for broadcast and multicast, exactly."""
        return (self.promisc or self.allmulticast or group == frames.BROADCAST
                or group in ALL_HOSTS or group in self.groups)

    def __str__(self):
        flags = [f for f in ("allmulticast", "promisc", "nopromisc") if getattr(self, f)]
        return " ".join([f"{self.name}: {self.mode} {self.mac}", *flags,
                         *(f"maddr {a}" for a in self.groups + self.extra)])


@dataclasses.dataclass
class Topology:
    ports: list
    uplink_mac: str
    foreign: list     # unicast addresses of nobody here
    foreign_groups: list  # groups that nobody joined

    def owner(self, mac):
        """The port that owns a unicast address, or None."""
        return next((p for p in self.ports if mac == p.mac or mac in p.extra), None)

    def port(self, name):
        return next((p for p in self.ports if p.name == name), None)

    def __str__(self):
        return "\n".join([f"  uplink {self.uplink_mac}", *(f"  {p}" for p in self.ports)])


@dataclasses.dataclass
class Frame:
    number: int
    origin: str  # WIRE or a port's name
    dst: str
    src: str
    ethertype: int
    vlans: tuple
    length: int

    def data(self, dst=None, src=None):
        return frames.build(dst or self.dst, src or self.src, self.ethertype, vlans=self.vlans,
                            length=self.length, number=self.number)

    def __str__(self):
        tags = "".join(f" tag {tpid:#06x}/{tci}" for tpid, tci in self.vlans)
        return (f"#{self.number} from {self.origin}: {self.src} > {self.dst} "
                f"type {self.ethertype:#06x}{tags} {self.length} bytes")


def random_mac(rng, prefix="02"):
    return prefix + "".join(f":{rng.randrange(256):02x}" for _ in range(6 - len(prefix.split(":"))))


def random_group(rng):
    return rng.choice([lambda: random_mac(rng, "01:00:5e"), lambda: random_mac(rng, "33:33"),
                       lambda: random_mac(rng, "03")])()


def random_topology(rng, uplink_mac):
    """Two to six ports in mixed modes, or (one in six) a single passthru port."""
    groups = [random_group(rng) for _ in range(3)] + [rng.choice(LINK_LOCAL)]

    def port(i, mode, mac):
        return Port(f"p{i}", mode, mac, [g for g in groups if rng.random() < 0.4],
                    [random_mac(rng)] if rng.random() < 0.25 else [],
                    rng.random() < 0.15, rng.random() < 0.2)

    if rng.random() < 1 / 6:
        ports = [port(0, "passthru", uplink_mac)]
        ports[0].nopromisc = rng.random() < 0.25
        ports[0].extra = []
    else:
        ports = [port(i, rng.choice(MODES), random_mac(rng)) for i in range(rng.randint(2, 6))]
    return Topology(ports, uplink_mac, [random_mac(rng) for _ in range(3)],
                    [random_group(rng) for _ in range(3)] + list(LINK_LOCAL))


def _random_dst(rng, topo):
    kind = rng.choice(["local", "local", "local", "extra", "uplink", "nobody", "broadcast",
                       "joined", "joined", "unjoined", "allhosts"])
    port = rng.choice(topo.ports)
    if kind == "local":
        return port.mac
    if kind == "extra" and port.extra:
        return port.extra[0]
    if kind == "uplink":
        return topo.uplink_mac
    if kind == "broadcast":
        return frames.BROADCAST
    if kind == "joined" and port.groups:
        return rng.choice(port.groups)
    if kind == "unjoined":
        return rng.choice(topo.foreign_groups)
    if kind == "allhosts":
        return rng.choice(ALL_HOSTS)
    return rng.choice(topo.foreign)


def _random_src(rng, topo, origin):
    """A guest's own or spoofed; from the wire: external, or reflected."""
    own = topo.port(origin)
    kind = rng.choice(["own", "own", "own", "local", "external", "uplink", "odd"] if own else
                      ["external", "external", "local", "local", "extra", "uplink", "odd"])
    port = rng.choice(topo.ports)
    if kind == "own":
        return own.mac
    if kind == "local":
        return port.mac
    if kind == "extra" and port.extra:
        return port.extra[0]
    if kind == "uplink":
        return topo.uplink_mac
    if kind == "odd":
        return rng.choice(["00:00:00:00:00:00", random_mac(rng, "03")])
    return rng.choice(topo.foreign)


def _random_vlans(rng, origin):
    """Mostly none. 802.1ad comes from guests only: where DPDK's af_packet driver puts back the tag
    that the kernel took out of a frame, it always writes 0x8100."""
    kinds = [(), (), (), ((0x8100, 100),), ((0x8100, 0),), ((0x8100, 0x6FFF),),
             ((0x8100, 7), (0x8100, 9))]
    if origin != WIRE:
        kinds.append(((0x88A8, 5), (0x8100, 6)))
    return rng.choice(kinds)


def random_frames(rng, topo, count, first_number):
    made = []
    for number in range(first_number, first_number + count):
        origin = rng.choice([WIRE] * len(topo.ports) + [p.name for p in topo.ports])
        vlans = _random_vlans(rng, origin)
        ethertype = rng.choice([0x88B5, 0x88B5, 0x88B6, 0x88CC, 0x9000])
        if not vlans and rng.random() < 0.05:
            ethertype = MAC_CONTROL
        length = rng.choice([60, 61, 64, 128, 1513, 1514, rng.randint(60, 1514)])
        made.append(Frame(number, origin, _random_dst(rng, topo), _random_src(rng, topo, origin),
                          ethertype, vlans, length))
    return made
