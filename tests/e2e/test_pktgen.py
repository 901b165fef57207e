# SPDX-License-Identifier: BSD-3-Clause
"""The benchmark's traffic generator against the daemon, without hugepages: so that neither it nor
what it relies on rots. The wire is a net_vhost device, whose other end is the generator's too."""
import pytest
from bench.generator import Generator
from lib.daemon import Daemon, poll_until

VM = [f"52:54:00:00:00:{i:02x}" for i in range(4)]
OUTSIDE = "02:00:00:00:00:99"
SIZES = [64, 594, 1518]


@pytest.fixture(name="switch")
def fixture_switch(tmp_path):
    """(daemon, generator) with vm0 to vm2, and idle3 that is attached and idle."""
    wire = str(tmp_path / "wire")
    names = ["vm0", "vm1", "vm2", "idle3"]
    with Daemon(uplinks={"up0": {"device": f"net_vhost0,iface={wire}"}},
                ports={n: {"mode": "bridge", "mac": mac} for n, mac in zip(names, VM)}) as daemon, \
            Generator(0) as generator:
        for name in names:
            generator.open(name, daemon.socket_path(name), ring=1024, idle=name.startswith("idle"))
        generator.open("wire", wire)
        daemon.wait_links(names)
        poll_until(lambda: daemon.rpc("uplink.show")[0]["link"] == "up", 5, "the wire is up")
        yield daemon, generator


def send(port, src, dst, rate=10e3):
    return {"port": port, "src": src, "dst": dst, "sizes": SIZES, "rate": rate}


def sums(answer):
    """(sent, {receiver: this run's frames})"""
    return (sum(s["sent"] for s in answer["senders"]),
            {r["port"]: r["marked"] for r in answer["receivers"]})


@pytest.mark.parametrize("port, src, dst, to", [
    ("wire", OUTSIDE, VM[1], "vm1"), ("vm0", VM[0], OUTSIDE, "wire"), ("vm0", VM[0], VM[1], "vm1")])
def test_every_frame_arrives_once_and_in_order(switch, port, src, dst, to):
    _, generator = switch
    answer = generator.run(0.3, [send(port, src, [dst])], [to])
    sent, got = sums(answer)
    assert sent > 1000
    assert got == {to: sent}
    assert answer["receivers"][0]["reordered"] == 0
    latency = answer["latency"]
    assert 0 < latency["count"] <= sent
    assert 0 < latency["p50"] <= latency["p99"] <= latency["p99.9"] <= latency["max"]
    assert 0 < answer["idle"] < 1


def test_broadcast_reaches_all_and_addresses_are_taken_in_turn(switch):
    daemon, generator = switch
    answer = generator.run(0.2, [send("vm0", VM[0], ["ff:ff:ff:ff:ff:ff"])], ["vm1", "vm2", "wire"])
    sent, got = sums(answer)
    assert got == {"vm1": sent, "vm2": sent, "wire": sent}
    assert daemon.port("idle3")["counters"]["to_guest_packets"] > 0
    answer = generator.run(0.2, [send("vm0", VM[0], [VM[1], VM[2]])], ["vm1", "vm2"])
    sent, got = sums(answer)
    assert sum(got.values()) == sent and abs(got["vm1"] - got["vm2"]) <= 1


def test_a_rate_is_kept_and_full_speed_is_more(switch):
    daemon, generator = switch
    answer = generator.run(0.5, [send("vm0", VM[0], [VM[1]], 10e3)], ["vm1"], warmup=0)
    done = answer["senders"][0]
    assert sum(done[k] for k in ("sent", "refused", "slipped")) == pytest.approx(10e3 * answer["seconds"], rel=0.05)
    before = daemon.port("vm1")["counters"]["to_guest_packets"]
    answer = generator.run(0.3, [send("vm0", VM[0], [VM[1]], 0)], ["vm1"])
    sent, got = sums(answer)
    assert sent > 20e3
    assert got["vm1"] == daemon.port("vm1")["counters"]["to_guest_packets"] - before


def test_senders_are_told_apart_and_only_a_paced_one_has_a_latency(switch):
    _, generator = switch
    flood = send("vm2", VM[2], ["ff:ff:ff:ff:ff:ff"], 0)
    answer = generator.run(0.3, [send("vm0", VM[0], [VM[1]], 1e3), flood], ["vm1"], warmup=0)
    receiver, unicast = answer["receivers"][0], answer["senders"][0]
    assert receiver["from"][1] > 10 * receiver["from"][0] > 0
    assert sum(receiver["from"]) == receiver["marked"]
    assert 0 < answer["latency"]["count"] <= receiver["from"][0] <= unicast["sent"]


def test_loss_is_seen(switch):
    _, generator = switch
    sent, got = sums(generator.run(0.2, [send("wire", OUTSIDE, [VM[1], "52:54:00:00:00:77"])],
                                   ["vm1"]))
    assert got["vm1"] == pytest.approx(sent / 2, abs=1)


def test_bad_commands_are_refused(switch, tmp_path):
    _, generator = switch
    for keys, why in (({"command": "fly"}, "fly: the commands are open, run and dist"),
                      ({"command": "open", "port": "x", "path": str(tmp_path / "no")}, "x: No such"),
                      ({"command": "open", "port": "vm0", "path": "/x"}, "vm0: not a new name"),
                      ({"command": "open", "port": "x", "path": "/x", "ring": 100}, "power of two"),
                      ({"command": "run", "seconds": 1, "receivers": ["vm9"]}, "vm9: no such port"),
                      ({"command": "run", "seconds": 1, "receivers": ["idle3"]}, "idle3: no such"),
                      ({"command": "run", "seconds": 0}, "seconds"),
                      ({"command": "run", "seconds": 1, "senders": [
                          {**send("vm0", VM[0], [VM[1]]), "sizes": [63]}]}, "64 to 2048 bytes")):
        with pytest.raises(ValueError, match=why):
            generator.command(**keys)
