# SPDX-License-Identifier: BSD-3-Clause
"""The NIC sorts: flow rules put a port's frames into its own queue; what happens where it cannot."""
import pytest

from lib import frames as F
from lib.daemon import CtlError, poll_until
from simsetup import PORTS, SimSetup, lost
from support import EXTERNAL, GROUP, NOBODY, WIRE, mac

M = {name: port["mac"] for name, port in PORTS.items()}
FLOW = {"flows": 8, "queues": 8}


def _tiers_are(s, tier, names=PORTS, timeout=5):
    poll_until(lambda: all(s.tiers().get(M[n]) == tier for n in names), timeout,
               f"{tier} for {' '.join(names)}: {s.tiers()}")


def _queue_hits(s):
    return s.nic.state()["rx"]["queues"]


def test_each_port_has_its_own_queue():
    with SimSetup(**FLOW) as s:
        _tiers_are(s, "flow-queue")
        state = s.nic.state()
        assert {rule["dst"] for rule in state["flows"]} == set(M.values())
        queues = {rule["queue"] for rule in state["flows"]}
        assert len(queues) == len(PORTS) and 0 not in queues
        assert not state["promisc"] and not s.shown()["promiscuous"]
        before = _queue_hits(s)
        for name in PORTS:
            assert s.gives(WIRE, F.build(M[name], EXTERNAL)) == [name]
        after = _queue_hits(s)
        assert all(after[q] == before[q] + 1 for q in queues) and after[0] == before[0]
        assert s.gives(WIRE, F.build(F.BROADCAST, EXTERNAL)) == sorted(PORTS)
        s.filtered(F.build(NOBODY, EXTERNAL), F.build(GROUP, EXTERNAL))


def test_own_source_and_pause_are_still_dropped_on_an_own_queue():
    with SimSetup(**FLOW) as s:
        _tiers_are(s, "flow-queue")
        assert s.drops(WIRE, F.build(M["b1"], M["b1"])) == {"own_reflection": 1}
        assert s.drops(WIRE, F.build(M["b1"], EXTERNAL, ethertype=0x8808)) == {"mac_control": 1}
        s.daemon.ctl("port", "set", "b1", "own_source", "deliver")
        assert s.gives(WIRE, F.build(M["b1"], M["b1"])) == ["b1"]


def test_isolation_holds_on_an_own_queue():
    ports = {**PORTS, "p1": {"mode": "private", "mac": mac(0x61)}}
    with SimSetup(ports, **FLOW) as s:
        poll_until(lambda: s.tiers().get(mac(0x61)) == "flow-queue", 5, "a rule for p1")
        assert s.gives(WIRE, F.build(mac(0x61), EXTERNAL)) == ["p1"]
        assert s.drops(WIRE, F.build(mac(0x61), M["v1"])) == {"isolated": 1}
        assert s.drops(WIRE, F.build(M["v1"], mac(0x61))) == {"isolated": 1}
        assert s.gives(WIRE, F.build(M["v1"], M["b1"])) == ["v1"]


def test_a_second_address_shares_the_queue():
    with SimSetup(**FLOW) as s:
        _tiers_are(s, "flow-queue")
        extra = mac(0x77)
        s.daemon.ctl("maddr", "add", extra, "port", "v1")
        rules = {rule["dst"]: rule["queue"] for rule in s.nic.state()["flows"]}
        assert rules[extra] == rules[M["v1"]]
        for address in extra, M["v1"]:
            assert s.gives(WIRE, F.build(address, EXTERNAL)) == ["v1"]
        # Own source by either address: the queue alone does not tell.
        assert s.drops(WIRE, F.build(extra, M["v1"])) == {"own_reflection": 1}


def test_few_rules_then_the_table_then_promiscuous_and_back():
    with SimSetup(flows=1, queues=8, macs=2) as s:
        tiers = s.tiers()
        assert sorted(tiers[m] for m in M.values()) == ["flow-queue", "mac-filter", "promiscuous"]
        assert s.shown()["promiscuous"] is True
        for name in PORTS:
            assert s.gives(WIRE, F.build(M[name], EXTERNAL)) == [name]
        by_rule = next(n for n in PORTS if tiers[M[n]] == "flow-queue")
        for name in PORTS:
            if name != by_rule:
                s.nic.ctl(f"watch {M[name]}")
        s.daemon.ctl("port", "del", by_rule)
        state = s.nic.wait_state(lambda state: not state["promisc"])
        assert lost(state) == {}
        assert s.shown()["promiscuous"] is False


def test_fewer_queues_than_ports():
    with SimSetup(flows=8, queues=2) as s:
        tiers = [s.tiers()[m] for m in M.values()]
        assert sorted(tiers) == ["flow-queue", "mac-filter", "mac-filter"]
        rows = [row for row in s.shown()["demux"] if "no_rule" in row]
        assert rows and all("queue" in row["no_rule"] for row in rows)
        for name in PORTS:
            assert s.gives(WIRE, F.build(M[name], EXTERNAL)) == [name]


def test_a_rule_that_does_not_steer_is_found_out():
    with SimSetup(**FLOW) as s:
        s.nic.ctl("fault flow_no_steer on")
        s.daemon.ctl("uplink", "set", "up0", "demux", "filter")
        _tiers_are(s, "mac-filter")
        s.daemon.ctl("uplink", "set", "up0", "demux", "auto")
        _tiers_are(s, "flow-queue", timeout=5)
        for _ in range(40):
            s.nic.send(F.build(M["v1"], EXTERNAL))
        poll_until(lambda: s.tiers()[M["v1"]] == "mac-filter", 5, "v1's rule is given up")
        row = next(r for r in s.shown()["demux"] if r["address"] == M["v1"])
        assert "did not steer" in row["no_rule"]
        s.guests["v1"].collect(1, quiet=0.3)
        assert s.gives(WIRE, F.build(M["v1"], EXTERNAL)) == ["v1"]


@pytest.mark.parametrize("fault", ["flow_create_fails", "flow_create_enotsup"])
def test_refused_rules_fall_to_the_table(fault):
    with SimSetup(**FLOW) as s:
        s.daemon.ctl("uplink", "set", "up0", "demux", "filter")
        s.nic.ctl(f"fault {fault} on")
        s.daemon.ctl("uplink", "set", "up0", "demux", "auto")
        _tiers_are(s, "mac-filter")
        for name in PORTS:
            assert s.gives(WIRE, F.build(M[name], EXTERNAL)) == [name]


def test_forced_tiers():
    with SimSetup(**FLOW) as s:
        for demux, tier in ("promisc", "promiscuous"), ("filter", "mac-filter"), \
                ("flow", "flow-queue"), ("auto", "flow-queue"):
            s.daemon.ctl("uplink", "set", "up0", "demux", demux)
            _tiers_are(s, tier)
            assert s.nic.state()["promisc"] is (demux == "promisc")
            for name in PORTS:
                assert s.gives(WIRE, F.build(M[name], EXTERNAL)) == [name]


def test_flow_cannot_be_forced_without_flow_rules():
    with SimSetup(flows=0) as s:
        with pytest.raises(CtlError, match="flow.*not possible") as refused:
            s.daemon.ctl("uplink", "set", "up0", "demux", "flow")
        assert refused.value.status == 2
        _tiers_are(s, "mac-filter")


def test_no_address_is_lost_while_others_come_and_go():
    with SimSetup(flows=2, queues=3, macs=3) as s:
        for name in PORTS:
            s.nic.ctl(f"watch {M[name]}")
        for i in range(30):
            extra = mac(0x80 + i % 5)
            s.daemon.rpc("maddr.add", address=extra, port="v1")
            s.daemon.rpc("uplink.set", name="up0",
                         demux=("filter", "auto", "promisc", "auto")[i % 4])
            s.daemon.rpc("maddr.del", address=extra, port="v1")
        assert lost(s.nic.state()) == {}


def test_a_reset_gives_everything_back():
    with SimSetup(**FLOW) as s:
        s.daemon.ctl("maddr", "add", GROUP, "port", "v1")
        s.nic.ctl("reset")
        s.nic.wait_state(lambda state: len(state["macs"]) == len(PORTS) and GROUP in state["mcs"],
                         timeout=10)
        _tiers_are(s, "flow-queue", timeout=10)
        for name in PORTS:
            assert s.gives(WIRE, F.build(M[name], EXTERNAL)) == [name]
        assert s.gives(WIRE, F.build(GROUP, EXTERNAL)) == ["v1"]
        s.filtered(F.build(NOBODY, EXTERNAL))


def test_a_removed_device_that_comes_back():
    """Its ports stay, with their guests and what they want."""
    with SimSetup(**FLOW) as s:
        s.daemon.ctl("maddr", "add", GROUP, "port", "v1")
        s.nic.ctl("remove")
        s.nic.disconnect()
        poll_until(lambda: s.shown()["link"] == "down", 5, "the device is gone")
        assert {p["link"] for p in s.rpc("port.show")} == {"up"}
        with pytest.raises(CtlError, match="gone"):
            s.daemon.ctl("uplink", "set", "up0", "hairpin", "on")
        poll_until(lambda: s.shown()["link"] == "up", 10, "the device is back")
        _tiers_are(s, "flow-queue")
        for name in PORTS:
            assert s.gives(WIRE, F.build(M[name], EXTERNAL)) == [name]
        assert s.gives(WIRE, F.build(GROUP, EXTERNAL)) == ["v1"]
        assert s.gives("v1", F.build(NOBODY, M["v1"])) == [WIRE]


def test_a_device_that_the_eal_has_probed_already():
    """As with -a for a NIC, or --vdev, among the EAL's arguments: it is nobody's until it is asked
    for; then it is taken."""
    with SimSetup() as s:
        assert s.shown()["driver"] == "net_simnic"
        with pytest.raises(CtlError, match="in use|already"):
            s.daemon.ctl("uplink", "add", "up1", "device", "net_simnic0")
        s.daemon.stop(remove=False)
        s.daemon.daemon["eal"] += f" --vdev={s.nic.device}"
        s.daemon.uplinks["up0"]["device"] = "net_simnic0"
        s.daemon.write_config()
        s.nic.disconnect()
        s.daemon.start()
        assert s.shown()["link"] == "up"
