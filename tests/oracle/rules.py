# SPDX-License-Identifier: BSD-3-Clause
"""The listed differences between kernel macvtap and macvswitch, each by the sentence of design.md,
section 2, that lists it. A rule takes the receivers that the kernel had, or that earlier rules made
of them, and returns those that the switch must have. What no rule explains is a failure.

Not here because it is not observed: the host's own stack, which the kernel also gives frames for
the uplink's address and multicast; "Frames for the uplink's own MAC go to the host port if there is
one, else they are dropped as no_port."
"""
from lib.frames import is_multicast

from .topology import MAC_CONTROL, WIRE


class Case:
    """A frame in its topology."""

    def __init__(self, topology, frame):
        self.topology, self.frame = topology, frame
        self.from_wire = frame.origin == WIRE
        self.sender = topology.port(frame.origin)
        self.reflects = topology.owner(frame.src) if self.from_wire else None
        self.group = is_multicast(frame.dst)
        self.target = None if self.group else topology.owner(frame.dst)
        self.passthru = topology.ports[0].mode == "passthru"


def own_reflection(case, receivers):
    """No port receives a frame that it sent, in any mode. (The kernel gives private and passthru
    senders their own reflected multicast back, which breaks IPv6 duplicate address detection.)"""
    return receivers - {case.reflects.name} if case.reflects else receivers


def private_unicast(case, receivers):
    """Private is private for unicast too, also when the outside switch reflects it. (The kernel
    checks only multicast.)"""
    if case.reflects and not case.group:
        if case.reflects.mode == "private":
            return frozenset()
        if case.target and case.target.mode == "private":
            return receivers - {case.target.name}
    return receivers


def promisc_unowned_unicast(case, receivers):
    """no R (external), D unicast, nobody owns it: promisc ports, else drop `no_port`"""
    if (case.from_wire and not case.group and not case.reflects and not case.target
            and case.frame.dst != case.topology.uplink_mac):
        return receivers | {p.name for p in case.topology.ports if p.promisc}
    return receivers


def mac_control(case, receivers):
    """MAC control frames (EtherType 0x8808, pause) are dropped everywhere as `mac_control`: a guest
    must not pause the link."""
    return frozenset() if case.frame.ethertype == MAC_CONTROL else receivers


def exact_multicast(case, receivers):
    """other multicast only by its filter, matched exactly (the kernel's 256-bucket hash leaks 1.6 %
    of foreign groups)"""
    if not case.group or case.passthru:
        return receivers
    return receivers - {p.name for p in case.topology.ports if not p.accepts(case.frame.dst)}


def own_address(case, receivers):
    """A guest's frame to its own address, or to the uplink's, goes to the wire."""
    if case.sender and case.target is case.sender:
        return frozenset({WIRE})
    return receivers


def passthru_everything(case, receivers):
    """passthru: everything goes to the one port; a frame that it sent itself is dropped as
    `own_reflection`"""
    if case.passthru and case.from_wire and not case.reflects:
        return receivers | {case.topology.ports[0].name}
    return receivers


# In this order: what drops a frame for everybody comes last.
RULES = (own_address, passthru_everything, promisc_unowned_unicast, exact_multicast,
         private_unicast, own_reflection, mac_control)


def kernel_frame(topology, frame):
    """What the kernel is given for the frame. "A port is reached by every unicast address of its
    filter, not only by its first (in the kernel only the first is)": so the kernel gets the port's
    first address in place of a further one, which must then fare the same."""
    def first(mac):
        owner = None if is_multicast(mac) else topology.owner(mac)
        return owner.mac if owner else mac
    return frame.data(dst=first(frame.dst), src=first(frame.src))


def uses_extra_address(topology, frame):
    return kernel_frame(topology, frame) != frame.data()


def expected(topology, frame, kernel_receivers):
    """The switch's receivers, and the names of the rules that make them differ from the kernel's."""
    case, receivers, used = Case(topology, frame), frozenset(kernel_receivers), []
    for rule in RULES:
        changed = frozenset(rule(case, receivers))
        if changed != receivers:
            used.append(rule.__name__)
        receivers = changed
    if uses_extra_address(topology, frame):
        used.append("further_unicast_address")
    return tuple(sorted(receivers)), used
