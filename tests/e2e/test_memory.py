# SPDX-License-Identifier: BSD-3-Clause
"""Memory and start: pools are as large as what there is needs, 250 guests fit into 1 GiB without
hugepages, and the daemon is there within a second."""
import contextlib
import time
from pathlib import Path

import pytest

from lib import frames as F
from lib.daemon import Daemon, poll_until
from lib.netns import Netns
from lib.vhostuser import Frontend
from support import EXTERNAL, WIRE, Setup, mac

MIB = 1 << 20
PORTS = {f"vm{i}": {"mode": "bridge", "mac": mac(i)} for i in range(250)}
START_S = 1.0


def own_bytes(pid):
    """What is resident of the daemon but for its guests' memory, which it maps from their files
    ("frontend" is that of lib/vhostuser.py; a vguest's is in DPDK's "nohuge" file, as ours is, so
    what a vguest has touched counts against us)."""
    total, ours = 0, True
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        fields = line.split()
        if not fields[0].endswith(":"):
            ours = "memfd:frontend" not in line
        elif fields[0] == "Rss:" and ours:
            total += int(fields[1]) * 1024
    return total


def start_seconds(daemon):
    start = time.monotonic()
    daemon.start()
    took = time.monotonic() - start
    daemon.stop(remove=False)
    return took


@pytest.mark.parametrize("n", [1, 250])
def test_starts_within_a_second(n):
    """From exec to an answer on the control socket, with all ports there: the best of three,
    because tests share their machine."""
    with Netns("start") as ns:
        ns.veth("up0", "wire0")
        daemon = Daemon(ns, {"up0": {"device": "net_af_packet0,iface=up0"}},
                        dict(list(PORTS.items())[:n]), start=False)
        took = [start_seconds(daemon)]
        while min(took) >= START_S and len(took) < 3:
            took.append(start_seconds(daemon))
        daemon.remove()
    assert min(took) < START_S, took


@pytest.mark.timeout(120)
def test_250_guests_in_a_gibibyte():
    with Setup(PORTS, guests=False, daemon={"eal": "--no-huge -m 512"}) as s, \
            contextlib.ExitStack() as stack:
        pid = s.daemon.process.pid
        before = own_bytes(pid)
        s.guests = stack.enter_context(s.attach("vm0", "vm1"))
        for name in list(PORTS)[2:]:
            stack.enter_context(Frontend(s.daemon.socket_path(name)))
        s.daemon.wait_links(list(PORTS), timeout=60)
        assert len(s.rpc("fdb.show")) == 250
        assert s.gives("vm0", F.build(mac(1), mac(0))) == ["vm1"]
        assert s.gives(WIRE, F.build(mac(0), EXTERNAL)) == ["vm0"]
        for _ in range(20):  # floods pass through every port
            s.guests["vm0"].send(F.build(F.BROADCAST, mac(0)))
        used = own_bytes(pid)
        print(f"{before / MIB:.0f} MiB without guests, {used / MIB:.0f} MiB with 250")
        assert used < 1024 * MIB
        assert used - before < 250 * MIB, "a guest costs less than 1 MiB"
        shown = s.rpc("memory.show")
        assert not shown["hugepages"]
        assert shown["own_bytes"] < 1024 * MIB
        assert shown["guests_bytes"] > 0
        assert s.daemon.port("vm0")["guest"].get("note") is None


def pools(s):
    return {p["frames"]: p for p in s.rpc("memory.show")["pools"]}


def test_pools_follow_what_there_is():
    with Setup({"a": {"mode": "bridge", "mac": mac(1)}, "b": {"mode": "bridge", "mac": mac(2)}},
               daemon={"idle_after": 100}) as s:
        first = pools(s)
        assert set(first) == {"from guests", "from uplink up0", "segments of large",
                              "references into large"}
        for what, pool in first.items():
            room = 0 if what == "references into large" else 2048
            assert 0 < pool["buffers"] < 8192 and pool["bytes"] > pool["buffers"] * room
        s.guests.sink("b")
        s.guests.blast("a", 20000, F.build(mac(2), mac(1)), 20000)
        for i in range(1, 4):  # the pool is exchanged for larger ones under the frames
            s.rpc("uplink.add", name=f"up{i}", device=f"net_ring{i}")
        s.guests.wait_blast("a")
        more = pools(s)
        assert more["from guests"]["buffers"] == first["from guests"]["buffers"] + 3 * 1024
        assert more["from guests"]["name"] != first["from guests"]["name"]
        assert {f"from uplink up{i}" for i in range(4)} < set(more)
        got = s.guests.stats("b")
        drops = s.daemon.port("b")["counters"]["drops"]
        assert got["received"] + drops["ring_full"] == 20000 and got["duplicates"] == 0
        for i in range(1, 4):
            s.rpc("uplink.del", name=f"up{i}")
        poll_until(lambda: set(pools(s)) == set(first), 5, "pools of what is gone are freed")
        assert s.gives("a", F.build(EXTERNAL, mac(1))) == [WIRE]


def test_a_device_port_counts():
    with Setup({"a": {"mode": "bridge", "mac": mac(1)}}) as s:
        before = pools(s)["from guests"]["buffers"]
        s.rpc("port.add", name="host", uplink="up0", device="net_tap9,iface=host9")
        after = pools(s)
        assert after["from guests"]["buffers"] > before
        assert "from port host" in after
        text = s.daemon.ctl("memory", "show", raw=True)
        assert "from port host" in text and "own_bytes" in text
