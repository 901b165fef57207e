# SPDX-License-Identifier: BSD-3-Clause
"""A Linux guest in QEMU attaches in either role, talks with the wire and another guest, and
survives the daemon's death and its own link's flaps."""
import hashlib
import socket
import threading

import pytest

from lib import frames as F
from lib.daemon import poll_until
from qemusetup import QemuSetup
from support import EXTERNAL, GROUP, NOBODY, mac

VM, PEER = mac(0x101), mac(0x102)
ADDRESS, WIRE_ADDRESS = "10.77.0.2", "10.77.0.1"
PORT = 7777


@pytest.fixture(scope="module", params=["server", "client"])
def switch(request):
    """vm: QEMU's, in that role of the port; peer: tests/guest's."""
    ports = {"vm": {"mode": "bridge", "mac": VM, "socket_role": request.param},
             "peer": {"mode": "bridge", "mac": PEER}}
    with QemuSetup(ports, vguests=["peer"]) as s:
        s.ns.ip("addr", "add", f"{WIRE_ADDRESS}/24", "dev", "wire0")
        s.vm.sh(f"ip addr add {ADDRESS}/24 dev eth0")
        yield s


def _talks(s):
    """Frames in all directions."""
    to_vm, to_all, foreign, group = (F.build(VM, EXTERNAL), F.build(F.BROADCAST, EXTERNAL),
                                     F.build(NOBODY, EXTERNAL), F.build(GROUP, EXTERNAL))
    assert s.reached(to_vm, to_all, foreign, group) == [["vm"], ["vm"], [], []]
    assert s.reached(F.build(VM, PEER), F.build(NOBODY, PEER), source=s.guests["peer"]) == \
        [["vm"], []]
    to_peer = F.build(PEER, VM)
    assert s.on_wire("vm", to_peer, F.build(NOBODY, VM), F.build(GROUP, VM)) == \
        [False, True, True]
    assert to_peer in s.guests["peer"].collect(5, quiet=0.5)


@pytest.mark.timeout(120)
def test_frames_reach_whom_they_should(switch):
    _talks(switch)
    assert switch.daemon.port("vm")["link"] == "up"


def test_it_pings_the_wire(switch):
    """Full ones as well. Not fragments: net_af_packet has the kernel reassemble them (fanout with
    DEFRAG) and then cuts the result."""
    for size in 56, 1472:
        output = switch.vm.sh(f"ping -c 3 -i 0.2 -W 5 -s {size} {WIRE_ADDRESS}")
        assert " 0% packet loss" in output


@pytest.mark.parametrize("direction", ["out", "in"])
def test_tcp_arrives_whole(switch, direction):
    """With the offloads that guest and switch agreed on: segments larger than the MTU."""
    data = hashlib.shake_128(b"macvswitch").digest(2_000_000)
    with switch.ns.entered():
        server = socket.create_server((WIRE_ADDRESS, PORT))
    server.settimeout(20)
    received = []

    def serve():
        connection, _ = server.accept()
        connection.settimeout(20)
        with connection:
            if direction == "in":
                connection.sendall(data)
            else:
                while part := connection.recv(1 << 16):
                    received.append(part)
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        if direction == "in":
            digest = switch.vm.sh(f"nc {WIRE_ADDRESS} {PORT} </dev/null | sha256sum", 25)
        else:
            # the guest has no such data: its own pattern, hashed on both sides
            digest = switch.vm.sh("seq 1 300000 >/tmp/data; sha256sum </tmp/data; "
                                  f"nc {WIRE_ADDRESS} {PORT} </tmp/data", 25)
            thread.join(20)
            data = b"".join(received)
            assert len(data) > 1_000_000
    finally:
        server.close()
    assert digest.split()[0] == hashlib.sha256(data).hexdigest()


@pytest.mark.timeout(60)
def test_the_guests_link_flaps(switch):
    """By the guest itself, and by QEMU's set_link."""
    for _ in range(3):
        switch.vm.sh("ip link set eth0 down; ip link set eth0 up")
        switch.daemon.wait_links(["vm"])
        poll_until(lambda: _answers(switch), 10, "the guest hears again")
    for _ in range(2):
        switch.vm.qmp.command("set_link", name=switch.device("vm"), up=False)
        _wait_carrier(switch, False)
        switch.daemon.wait_links(["vm"], up=False)
        switch.vm.qmp.command("set_link", name=switch.device("vm"), up=True)
        _wait_carrier(switch, True)
        switch.daemon.wait_links(["vm"])
        poll_until(lambda: _answers(switch), 10, "the guest hears again")
    _talks(switch)


def _answers(s):
    """A frame for the guest gets there."""
    frame = F.build(VM, EXTERNAL)
    s.wire.send(frame)
    return frame in s.tap("vm").collect(0.5, quiet=0.1)


def _wait_carrier(s, state):
    poll_until(lambda: s.carrier("vm") == state, 10, f"carrier {state}")


@pytest.mark.timeout(60)
def test_the_daemon_dies_and_comes_back(switch):
    """SIGKILL, twice: traffic resumes by itself, and the guest saw its carrier go."""
    for _ in range(2):
        switch.guests.kill()
        switch.daemon.kill()
        _wait_carrier(switch, False)
        switch.daemon.start()
        switch.daemon.wait_links(["vm"])
        _wait_carrier(switch, True)
        switch.guests = switch.attach("peer")
        _talks(switch)


def test_the_daemons_log_has_no_complaint(switch):
    """Last: of all the above."""
    assert switch.bad_log() == []
    assert switch.daemon.port("vm")["sync"]["state"] == "off"
