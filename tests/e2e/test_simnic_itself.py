# SPDX-License-Identifier: BSD-3-Clause
"""The simulated NIC does what tests/simnic says of it, shown with DPDK's own testpmd: so that a
test of macvswitchd that fails is about macvswitchd."""
import contextlib
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from lib import frames as F
from lib.daemon import poll_until
from lib.simnic import SimNic, SimNicError
from support import EXTERNAL, GROUP, NOBODY, OTHER_GROUP, UPLINK_MAC, mac

QUEUES = 4
RULE = "flow create 0 ingress pattern eth dst is {} / end actions queue index {} / count / end"


class Testpmd:
    """testpmd in rxonly mode on a simulated NIC, promiscuous mode off."""

    __test__ = False

    def __init__(self, **devargs):
        self.devargs = {"mac": UPLINK_MAC, "queues": QUEUES, **devargs}
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mvsw-n"))
            self.nic = stack.enter_context(SimNic(folder, **self.devargs))
            self.log = Path(folder, "log")
            output = stack.enter_context(self.log.open("ab"))
            self.process = subprocess.Popen(
                ["stdbuf", "-oL", "dpdk-testpmd", "-l", "0,1", "--no-huge", "-m", "128", "--no-pci", "--no-shconf",
                 *self.nic.eal.split(), "--vdev", self.nic.device, "--", "-i",
                 f"--rxq={QUEUES}", f"--txq={QUEUES}", "--forward-mode=rxonly",
                 "--total-num-mbufs=4096", "--mbcache=64"],
                stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, bufsize=0,
                env={**os.environ, "TERM": "dumb"})
            stack.callback(self._end)
            poll_until(lambda: "testpmd>" in self.log.read_text(errors="replace"), 20, "a prompt")
            self.commands("set promisc all off", "start")
            self.nic.wait_state(lambda s: s["started"] and not s["promisc"])
            self.stack = stack.pop_all()
        return self

    def commands(self, *lines):
        self.process.stdin.write("".join(f"{line}\n" for line in lines).encode())

    def says(self, text):
        """Until testpmd has printed text, since the last call."""
        poll_until(lambda: text in self.log.read_text(errors="replace"), 10, f"{text!r}")
        os.truncate(self.log, 0)

    def send(self, *frames):
        """What came of them: {passed, filtered, queues [packets of each]}."""
        before = self.nic.state()["rx"]

        def news(state):
            now = state["rx"]
            return {"passed": now["passed"] - before["passed"],
                    "filtered": now["filtered"] - before["filtered"],
                    "queues": [a - b for a, b in zip(now["queues"], before["queues"])]}
        for frame in frames:
            self.nic.send(frame)
        return news(self.nic.wait_state(
            lambda s: news(s)["passed"] + news(s)["filtered"] == len(frames)))

    def _end(self):
        self.process.kill()
        self.process.wait(10)
        self.process.stdin.close()

    def __exit__(self, kind, *_):
        if kind is not None:
            print(self.log.read_text(errors="replace")[-4000:])
        self.stack.close()


def _to(address, source=EXTERNAL):
    return F.build(address, source)


def test_address_table_and_modes():
    with Testpmd(macs=3, mcs=2) as t:
        unicast, multicast, passes = _to(NOBODY), _to(GROUP), {"passed": 1, "filtered": 0}

        def result(frame):
            return t.send(frame).items() >= passes.items()
        assert result(_to(UPLINK_MAC)) and result(_to(F.BROADCAST))
        assert not result(unicast) and not result(multicast)

        t.commands(f"mac_addr add 0 {NOBODY}", f"mcast_addr add 0 {GROUP}")
        state = t.nic.wait_state(lambda s: s["macs"] == [NOBODY] and s["mcs"] == [GROUP])
        assert result(unicast) and result(multicast) and not result(_to(OTHER_GROUP))
        t.nic.ctl("fault mac_add_enospc on")
        t.commands(f"mac_addr add 0 {mac(1)}")
        t.nic.wait_state(lambda s: s["calls"]["mac_add"] == state["calls"]["mac_add"] + 1)
        assert not result(_to(mac(1)))
        t.commands(f"mac_addr remove 0 {NOBODY}", f"mcast_addr remove 0 {GROUP}")
        t.nic.wait_state(lambda s: s["macs"] == [] and s["mcs"] == [])
        assert not result(unicast) and not result(multicast)

        t.commands("set allmulti all on")
        t.nic.wait_state(lambda s: s["allmulti"])
        assert result(multicast) and not result(unicast)
        t.commands("set promisc all on")
        t.nic.wait_state(lambda s: s["promisc"])
        assert result(unicast)
        t.nic.ctl("reset")
        assert not result(unicast) and not result(multicast) and result(_to(UPLINK_MAC))
        t.nic.ctl("remove")
        t.nic.send(unicast)
        t.nic.wait_state(lambda s: s["removed"] and s["rx"]["link_down"] == 1)


def test_flow_rules_steer_and_count():
    with Testpmd(flows=2) as t:
        t.commands(RULE.format(NOBODY, 3))
        t.nic.wait_state(lambda s: s["flows"] == [
            {"dst": NOBODY, "queue": 3, "hits": 0, "count": True}])
        assert t.send(*[_to(NOBODY, mac(i)) for i in range(8)])["queues"] == [0, 0, 0, 8]
        assert t.nic.state()["flows"][0]["hits"] == 8
        t.commands("flow query 0 0 count")
        t.says("hits: 8")
        t.nic.ctl("fault flow_no_count on")
        t.commands("flow query 0 0 count")
        t.says("hits: 0")
        t.nic.ctl("fault flow_no_steer on")
        assert t.send(*[_to(NOBODY, mac(i)) for i in range(8)])["queues"][3] < 8
        assert t.nic.state()["flows"][0]["hits"] == 8
        t.nic.ctl("fault flow_ignored on")
        assert t.send(_to(NOBODY))["filtered"] == 1

        t.commands(RULE.format(NOBODY, 1))
        t.says("there is a rule")
        t.commands(RULE.format(mac(1), 0), RULE.format(mac(2), 0))
        t.says("table is full")
        t.commands("flow destroy 0 rule 0")
        t.nic.wait_state(lambda s: [f["dst"] for f in s["flows"]] == [mac(1)])
        t.nic.ctl("reset")
        t.commands("flow destroy 0 rule 1")
        t.says("no such rule")
        assert t.nic.state()["flows"] == []


@pytest.mark.parametrize("rule, says", [
    (f"eth dst is {NOBODY} / ipv4 / end actions queue index 1 / end", "only pattern"),
    ("ipv4 / end actions queue index 1 / end", "only pattern"),
    (f"eth dst is {NOBODY} src is {EXTERNAL} / end actions queue index 1 / end", "but dst"),
    (f"eth dst spec {NOBODY} dst mask ff:ff:ff:00:00:00 / end actions queue index 1 / end",
     "as a whole"),
    (f"eth dst is {NOBODY} / end actions drop / end", "actions are"),
    (f"eth dst is {NOBODY} / end actions void / end", "queue action"),
    (f"eth dst is {NOBODY} / end actions queue index {QUEUES} / end", "configured"),
])
def test_refused_rules(rule, says, plain):
    plain.commands(f"flow create 0 ingress pattern {rule}")
    plain.says(says)
    assert plain.nic.state()["flows"] == []


@pytest.fixture(scope="module")
def plain():
    with Testpmd(flows=2, flow_bypass=0, count=0) as t:
        yield t


def test_no_bypass_and_no_count(plain):
    plain.commands(RULE.format(NOBODY, 2))
    plain.says("no counters")
    for fault in ("flow_create_fails", "flow_create_enotsup"):
        plain.nic.ctl(f"fault {fault} on")
        plain.commands(RULE.replace("count / ", "").format(NOBODY, 2))
        plain.says(f"fault {fault}")
        plain.nic.ctl(f"fault {fault} off")
    plain.commands(RULE.replace("count / ", "").format(NOBODY, 2))
    plain.nic.wait_state(lambda s: s["flows"])
    assert plain.send(_to(NOBODY))["filtered"] == 1
    plain.commands(f"mac_addr add 0 {NOBODY}")
    plain.nic.wait_state(lambda s: s["macs"] == [NOBODY])
    assert plain.send(_to(NOBODY))["queues"] == [0, 0, 1, 0]


def test_rss_keeps_to_its_table():
    with Testpmd() as t:
        frames = [_to(UPLINK_MAC, mac(i)) for i in range(64)]
        assert t.nic.state()["rss_queues"] == [0, 1, 2, 3]
        assert all(t.send(*frames)["queues"])
        for first in range(0, 128, 8):  # as many as testpmd's command line takes
            t.commands("port config 0 rss reta " +
                       ",".join(f"({i},{i % 2})" for i in range(first, first + 8)))
        t.nic.wait_state(lambda s: s["rss_queues"] == [0, 1])
        queues = t.send(*frames)["queues"]
        assert queues[0] > 0 and queues[1] > 0 and queues[2:] == [0, 0]


def test_wrong_commands(plain):
    for command in ("fault nix on", "fault mc_enospc", "link", "watch x", "nonsense"):
        with pytest.raises(SimNicError):
            plain.nic.ctl(command)
    assert plain.nic.state()["faults"] == []


def test_replayed_frames_stay_in_their_queues_for_ever():
    with Testpmd(flows=1) as t:
        t.nic.ctl("replay 3")
        assert t.send(*[F.build(mac(1), EXTERNAL)] * 2)["passed"] == 0  # not its address
        assert t.send(*[F.build(UPLINK_MAC, EXTERNAL)] * 3)["passed"] == 3
        first = sum(t.nic.state()["rx"]["queues"])
        t.nic.wait_state(lambda s: sum(s["rx"]["queues"]) > first + 1000)
        t.nic.ctl("replay 0")
        t.nic.wait_state(lambda s: s["rx"]["passed"] == 3)
