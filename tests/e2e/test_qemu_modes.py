# SPDX-License-Identifier: BSD-3-Clause
"""A Linux guest with a NIC in each mode: IPv6 duplicate address detection while the wire reflects
everything, and devices nested in the guest, which receive on addresses of their own."""
import contextlib
import threading

import pytest

from lib import frames as F
from lib.daemon import poll_until
from lib.wire import Wire
from qemusetup import QemuSetup
from support import EXTERNAL, NOBODY, changed, mac

MODES = ("vepa", "bridge", "private", "passthru")
M = {mode: mac(0x501 + i) for i, mode in enumerate(MODES)}
NESTED = {mode: mac(0x601 + i) for i, mode in enumerate(MODES)}


@pytest.fixture(scope="module")
def switch():
    """The ports are called as their modes; that in passthru has an uplink and a wire of its own."""
    ports = {mode: {"mode": mode, "mac": M[mode], "qmp": True, "trust_guest_rx_filters": "on"}
             for mode in MODES}
    passthru = ports.pop("passthru")

    def second_uplink(s):
        s.ns.veth("up1", "wire1")
        s.rpc("uplink.add", name="up1", device="net_af_packet1,iface=up1")
        s.ports["passthru"] = s.with_qmp("passthru", passthru)
        s.rpc("port.add", name="passthru", uplink="up1",
              socket=s.daemon.socket_path("passthru"), **s.ports["passthru"])

    with QemuSetup(ports, nics=dict.fromkeys(MODES, {}), prepare=second_uplink) as s, \
            Wire(s.ns, "wire1") as wire1:
        s.wires = {mode: wire1 if mode == "passthru" else s.wire for mode in MODES}
        # without the nonce by which Linux knows its own solicitations
        s.vm.sh("for f in /proc/sys/net/ipv6/conf/*/enhanced_dad; do echo 0 >$f; done")
        for mode in MODES:
            s.wait_state(mode, "synced")
        yield s


@pytest.fixture
def nested(switch):
    """A macvlan on each NIC: {mode: its name}."""
    names = {mode: f"mv{i}" for i, mode in enumerate(MODES)}
    for mode, name in names.items():
        switch.vm.sh(f"ip link add link {switch.eth[mode]} name {name} address {NESTED[mode]} "
                     f"type macvlan mode private; ip link set {name} up")
    for mode in MODES:
        switch.wait_filter(mode, lambda f: NESTED[mode] in f["guest"], "the macvlan's address")
    yield names
    for name in names.values():
        switch.vm.sh(f"ip link del {name}")


class Reflector:
    """The outside switch sends each frame back that it gets."""

    def __init__(self, *wires):
        self.wires, self.ended, self.frames = wires, threading.Event(), []
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self.ended.is_set():
            for wire in self.wires:
                for frame in wire.poll():
                    self.frames.append(frame)
                    wire.send(frame)
            self.ended.wait(0.001)

    def solicited(self, address):
        """Was there a neighbour solicitation of duplicate address detection from this MAC?"""
        return any(f[6:12] == F.mac_bytes(address) and f[12:14] == b"\x86\xdd" and f[20] == 58
                   and f[22:38] == bytes(16) and f[54] == 135 for f in list(self.frames))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join(5)


def _detect(s, interfaces, timeout=10):
    """Duplicate address detection on these anew, all at once; those where it failed."""
    s.vm.sh("; ".join(f"ip link set {i} down" for i in interfaces))
    s.vm.sh("; ".join(f"ip link set {i} up" for i in interfaces))

    def addresses():
        return {i: s.vm.sh(f"ip -6 addr show dev {i} scope link") for i in interfaces}
    found = poll_until(lambda: (a := addresses()) and
                       all("fe80" in t and ("tentative" not in t or "dadfailed" in t)
                           for t in a.values()) and a, timeout, "detection is done")
    return sorted(i for i, text in found.items() if "dadfailed" in text)


@contextlib.contextmanager
def _all_changed(s, modes, **keys):
    with contextlib.ExitStack() as stack:
        for mode in modes if keys else ():
            stack.enter_context(changed(s, mode, **keys))
        yield


@pytest.mark.timeout(120)
@pytest.mark.parametrize("keys", [{}, {"allmulticast": "on", "promisc": "on"},
                                  {"trust_guest_rx_filters": "off"}],
                         ids=["trusted", "open", "untrusted"])
def test_duplicate_address_detection_succeeds(switch, keys):
    with _all_changed(switch, MODES, **keys), \
            Reflector(*set(switch.wires.values())) as reflector:
        assert _detect(switch, switch.eth.values()) == []
        for mode in MODES:
            assert reflector.solicited(M[mode]), mode
        drops = {m: switch.daemon.port(m)["counters"]["drops"] for m in MODES}
        assert drops["passthru"]["own_reflection"] + \
            sum(u["counters"]["drops"]["own_reflection"] for u in switch.rpc("uplink.show")) > 0


@pytest.mark.timeout(60)
def test_it_fails_where_a_port_wants_its_own_frames(switch):
    """The control: the reflection does get there, and would be seen."""
    with _all_changed(switch, ("vepa", "passthru"), own_source="deliver"), \
            Reflector(*set(switch.wires.values())):
        assert _detect(switch, switch.eth.values()) == \
            sorted(switch.eth[m] for m in ("vepa", "passthru"))
        for eth in switch.eth.values():
            switch.vm.sh(f"ip link set {eth} down; ip link set {eth} up")


@pytest.mark.timeout(60)
def test_nested_devices_detect_duplicates_as_well(switch, nested):
    with Reflector(*set(switch.wires.values())) as reflector:
        assert _detect(switch, nested.values()) == []
        for mode in MODES:
            assert reflector.solicited(NESTED[mode]), mode


@pytest.mark.timeout(60)
def test_nested_devices_receive_on_their_own_addresses(switch, nested):
    """In every mode, which kernel macvtap does in passthru alone."""
    for mode in MODES:
        wire, tap = switch.wires[mode], switch.vm.tap(nested[mode])
        among = ["passthru"] if mode == "passthru" else MODES[:3]
        tap.poll()
        frame = F.build(NESTED[mode], EXTERNAL)
        unknown = F.build(NOBODY, EXTERNAL)
        assert switch.reached(frame, unknown, source=wire, among=among) == \
            [[mode], ["passthru"] if mode == "passthru" else []]
        assert frame in tap.collect(2, quiet=0.3)
        switch.vm.untap(nested[mode])


@pytest.mark.timeout(60)
def test_groups_are_joined_in_every_mode(switch):
    group = {mode: f"01:00:5e:40:00:{i:02x}" for i, mode in enumerate(MODES)}
    held = []
    for mode in MODES:
        frame = F.build(group[mode], EXTERNAL)
        among = ["passthru"] if mode == "passthru" else MODES[:3]
        if mode != "passthru":  # that gets all anyway
            assert switch.reached(frame, source=switch.wires[mode], among=among) == []
        held.append(switch.vm.join(switch.eth[mode], group[mode]))
        switch.wait_filter(mode, lambda f: group[mode] in f["guest"], "joined")
        assert switch.reached(F.build(group[mode], EXTERNAL), source=switch.wires[mode],
                              among=among) == [mode]
    for membership in held:
        switch.vm.leave(membership)
