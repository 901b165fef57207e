# SPDX-License-Identifier: BSD-3-Clause
"""Workers come and go, and queues move between them, while guests talk: not one frame is lost,
doubled or reordered, and the counters still add up.

On two CPUs two workers and the guests share what there is, so rates are low and limits wide.
"""
import os
import time

import pytest

from lib import frames as F
from lib.daemon import CtlError, Daemon, RpcError, poll_until
from support import (EXTERNAL, MODES, NOBODY, WIRE, Monitor, Setup, at_rest, balance, counters,
                     drop_sums, mac)
from test_hotplug import Traffic

B1, B2 = MODES["b1"]["mac"], MODES["b2"]["mac"]
CPUS = sorted(os.sched_getaffinity(0))
TWO_QUEUES = {"device": "net_af_packet0,iface=up0,qpairs=2"}

pytestmark = pytest.mark.skipif(len(CPUS) < 2, reason="needs two CPUs")


def placed(daemon):
    """{(name, queue): worker} of all queues."""
    return {(q["name"], q["queue"]): w["worker"]
            for w in daemon.rpc("worker.show") for q in w["queues"]}


@pytest.fixture(scope="module")
def talk():
    """b1 and b2, whose rings take what a move delays."""
    ports = {"b1": MODES["b1"], "b2": MODES["b2"]}
    with Setup(ports, guests={"b2": {"queue_size": 1024}}, uplink=TWO_QUEUES) as s:
        s.guests.sink("b2")
        yield s
        s.rpc("worker.set", workers=1)


@pytest.mark.timeout(120)
def test_workers_come_and_go_under_traffic(talk):
    before = balance(counters(talk.daemon))

    def steps():
        for i in range(30):
            talk.rpc("worker.set", workers=2)
            workers = talk.rpc("worker.show")
            assert [w["worker"] for w in workers] == [0, 1]
            assert all(w["queues"] for w in workers), "a worker has nothing to do"
            yield i
            talk.rpc("worker.set", workers=1)
            assert set(placed(talk.daemon).values()) == {0}
            yield i
    Traffic(talk).during(steps())
    assert balance(at_rest(talk.daemon)) == before
    assert talk.gives("b1", F.build(NOBODY, B1)) == [WIRE]


@pytest.mark.timeout(120)
def test_queues_move_under_traffic(talk):
    """b1's queue, which the frames come from, by the user's choice."""
    talk.rpc("worker.set", workers=2)

    def steps():
        for i in range(200):
            talk.rpc("port.set", name="b1", queue_workers=f"0:{i % 2}")
            assert placed(talk.daemon)["b1", 0] == i % 2
            yield i
            talk.rpc("uplink.set", name="up0", queue_workers=f"0:{i // 2 % 2}")
            yield i
    Traffic(talk).during(steps())
    assert talk.rpc("port.show", name="b1")[0]["queue_workers"] == "0:1"
    queue = next(q for w in talk.rpc("worker.show") for q in w["queues"] if q["name"] == "b1")
    assert queue["pinned"]
    for port in "b1", "b2":
        talk.rpc("port.set", name=port, queue_workers="auto")
    talk.rpc("uplink.set", name="up0", queue_workers="auto")
    assert placed(talk.daemon)["b1", 0] == 1, "an end of the choice moves nothing"
    assert talk.rpc("uplink.show")[0]["queue_workers"] == "auto"


@pytest.mark.timeout(60)
def test_a_worker_changes_its_cpu_under_traffic(talk):
    talk.rpc("worker.set", workers=1)

    def steps():
        for i in range(40):
            cpu = CPUS[i % 2]
            talk.rpc("worker.set", worker_cpus=str(cpu))
            worker, = talk.rpc("worker.show")
            assert worker["cpu"] == cpu
            yield i
    Traffic(talk).during(steps())
    assert f"worker_cpus = {CPUS[1]}" in talk.daemon.ctl("config", "show")["text"]
    assert _cpus_of_workers(talk.daemon) == [{CPUS[1]}]
    talk.rpc("worker.set", worker_cpus="auto", workers=2)
    assert [w["cpu"] for w in talk.rpc("worker.show")] == [CPUS[-1], CPUS[-2]]
    assert "worker_cpus" not in talk.daemon.ctl("config", "show")["text"]


def _cpus_of_workers(daemon):
    """As the kernel sees it: of the threads that may run on one CPU alone and are no lcore of
    control's (main floats over the rest)."""
    tasks = f"/proc/{daemon.process.pid}/task"
    lcores = {}
    for tid in os.listdir(tasks):
        with open(f"{tasks}/{tid}/comm", encoding="ascii") as f:
            lcores[f.read().strip()] = os.sched_getaffinity(int(tid))
    count = len(daemon.rpc("worker.show"))
    return [lcores[name] for name in sorted(n for n in lcores if n.startswith("rte-worker") or
                                            n.startswith("lcore-worker"))[:count]]


@pytest.mark.timeout(60)
def test_counters_survive_their_worker(talk):
    """What a worker that is gone has counted is still there, and goes on if it comes back."""
    talk.rpc("worker.set", workers=2)
    talk.rpc("port.set", name="b1", queue_workers="0:1")
    before = at_rest(talk.daemon)
    for _ in range(20):
        talk.gives("b1", F.build(NOBODY, B1))
    after = at_rest(talk.daemon)
    assert after["b1"]["from_packets"] == before["b1"]["from_packets"] + 20
    assert talk.rpc("worker.show")[1]["packets"] >= 20
    talk.rpc("port.set", name="b1", queue_workers="auto")
    talk.rpc("worker.set", workers=1)
    assert counters(talk.daemon) == after
    talk.rpc("worker.set", workers=2)
    assert counters(talk.daemon) == after and balance(after) == balance(before)
    assert talk.rpc("worker.show")[1]["packets"] >= 20


def test_what_worker_show_says(talk):
    talk.rpc("worker.set", workers=2)
    talk.guests.blast("b1", 40000, F.build(B2, B1, length=100), 10000)
    workers = poll_until(lambda: _with_rate(talk, "b1"), 5, "a rate is shown, and sums match")
    for w in workers:
        assert {"worker", "lcore", "cpu", "numa_node", "busy_percent", "packets_per_second",
                "cycles_per_packet", "packets", "busy_cycles", "idle_cycles", "polls",
                "queues", "rest", "sleeps"} == set(w)
        assert w["lcore"] == w["worker"] + 1 and w["numa_node"] >= 0
        assert len(w["polls"]) == len(w["queues"])
        for q in w["queues"]:
            assert {"kind", "name", "queue", "busy_percent", "packets_per_second",
                    "cycles_per_packet", "pinned"} == set(q)
    names = {(q["kind"], q["name"], q["queue"]) for w in workers for q in w["queues"]}
    assert names == {("uplink", "up0", 0), ("uplink", "up0", 1), ("port", "b1", 0),
                     ("port", "b2", 0)} or names == {
                         ("uplink", "up0", 0), ("port", "b1", 0), ("port", "b2", 0)}
    text = talk.daemon.ctl("-s", "worker", "show", raw=True)
    assert "PACKETS/S" in text and "QUEUE OF" in text and "b1" in text
    assert "numa_node" in talk.daemon.ctl("-d", "worker", "show", raw=True)
    talk.guests.wait_blast("b1")


def _with_rate(s, name):
    """worker.show once this port's queue shows a plausible rate, and a worker's queues make up
    what it did (not in the second in which a queue has moved)."""
    workers = s.rpc("worker.show")
    queue = next(q for w in workers for q in w["queues"] if q["name"] == name)
    if not (5000 < queue["packets_per_second"] < 20000 and queue["cycles_per_packet"] > 10 and
            queue["busy_percent"] > 0):
        return None
    for w in workers:
        for key, slack in ("busy_percent", 0.5), ("packets_per_second", 50):
            if abs(sum(q[key] for q in w["queues"]) - w[key]) > slack:
                return None
    return workers


def _unchanged(s, call, *words):
    """The call is refused, names all words, and changes nothing."""
    before = s.daemon.ctl("config", "show")["text"], placed(s.daemon), \
        [w["cpu"] for w in s.rpc("worker.show")]
    with pytest.raises(RpcError) as refused:
        call()
    for word in words:
        assert str(word) in str(refused.value)
    assert before == (s.daemon.ctl("config", "show")["text"], placed(s.daemon),
                      [w["cpu"] for w in s.rpc("worker.show")])


def test_what_is_refused(talk):
    rpc = talk.rpc
    rpc("worker.set", workers=2, worker_cpus="auto", rebalance="off")
    many = len(CPUS) + 1
    _unchanged(talk, lambda: rpc("worker.set", workers=many), "workers", f"'{many}'",
               f"{len(CPUS)} CPUs")
    _unchanged(talk, lambda: rpc("worker.set", worker_cpus="1000"), "worker_cpus", "1000", "CPUs")
    _unchanged(talk, lambda: rpc("worker.set", workers=1, worker_cpus=f"{CPUS[0]},{CPUS[1]}"),
               "workers", "'1'", "differs")
    _unchanged(talk, lambda: rpc("worker.set", rebalance="maybe"), "rebalance", "on or off")
    _unchanged(talk, lambda: rpc("worker.set", idle="poll"), "idle", "workers, worker_cpus")
    _unchanged(talk, lambda: rpc("port.set", name="b1", queue_workers="0:2"), "port b1",
               "queue_workers", "'0:2'", "no worker 2", "0 to 1")
    _unchanged(talk, lambda: rpc("port.set", name="b1", queue_workers="1:0"), "port b1",
               "'1:0'", "no queue 1")
    _unchanged(talk, lambda: rpc("uplink.set", name="up0", queue_workers="9:0"), "uplink up0",
               "'9:0'", "no queue 9")
    _unchanged(talk, lambda: rpc("port.add", name="n", uplink="up0", queue_workers="0:5",
                                 socket=talk.daemon.socket_path("n")), "port n", "no worker 5")
    rpc("port.set", name="b2", queue_workers="0:1")
    _unchanged(talk, lambda: rpc("worker.set", workers=1), "port b2", "'0:1'", "no worker 1")
    rpc("port.set", name="b2", queue_workers="auto")
    with pytest.raises(CtlError) as refused:
        talk.daemon.ctl("worker", "set", "workers", "99")
    assert refused.value.status in (1, 2) and "1 to 32" in refused.value.stderr
    talk.daemon.ctl("worker", "set", "workers", "1")
    assert len(rpc("worker.show")) == 1


def test_new_ports_leave_the_others_where_they_are(talk):
    """They go where the fewest are; guests that reboot find their worker again."""
    talk.rpc("worker.set", workers=2)
    before = placed(talk.daemon)
    names = [f"t{i}" for i in range(4)]
    for i, name in enumerate(names):
        talk.rpc("port.add", name=name, uplink="up0", mode="bridge", mac=mac(0x40 + i),
                 device=f"net_null{i},no-rx=1")
    now = placed(talk.daemon)
    assert {k: v for k, v in now.items() if k in before} == before
    new = [now[name, 0] for name in names]
    assert new.count(0) == new.count(1) == 2
    talk.rpc("port.del", name=names[0])
    left = placed(talk.daemon)
    assert left == {k: v for k, v in now.items() if k[0] != names[0]}
    for name in names[1:]:
        talk.rpc("port.del", name=name)
    assert placed(talk.daemon) == before


def test_reload_changes_workers(talk):
    d = talk.daemon
    talk.rpc("worker.set", workers=1, worker_cpus="auto")
    d.daemon.update(workers=2, rebalance=True)
    d.ports["b1"] = {**d.ports["b1"], "queue_workers": "0:1"}
    d.write_config()
    report = d.ctl("config", "reload")
    assert report["notes"] == [] and set(report["changed"]) == {"daemon workers", "port b1"}
    assert placed(d)["b1", 0] == 1 and len(talk.rpc("worker.show")) == 2
    assert "rebalance = on" in d.ctl("config", "show")["text"]
    assert talk.gives("b1", F.build(NOBODY, B1)) == [WIRE]
    # The port's choice and the worker that it names leave together.
    d.daemon.update(workers=1, rebalance=False)
    d.ports["b1"] = {k: v for k, v in d.ports["b1"].items() if k != "queue_workers"}
    d.write_config()
    assert set(d.ctl("config", "reload")["changed"]) == {"daemon workers", "port b1"}
    assert len(talk.rpc("worker.show")) == 1
    assert d.ctl("config", "reload") == {"added": [], "changed": [], "removed": [], "notes": []}
    # A bad file changes nothing.
    d.daemon["workers"] = len(CPUS) + 1
    d.write_config()
    with pytest.raises(CtlError, match="more than the"):
        d.ctl("config", "reload")
    assert len(talk.rpc("worker.show")) == 1
    d.daemon["workers"] = 1
    d.write_config()


def test_a_device_with_one_transmit_queue():
    """One worker serves it and its ports, whatever there are; which one can be chosen."""
    ports = {"b1": MODES["b1"], "b2": MODES["b2"]}
    with Setup(ports) as s:
        s.rpc("worker.set", workers=2)
        uplink, = s.rpc("uplink.show")
        assert any("1 of the 2 workers serve it" in note for note in uplink["notes"])
        assert set(placed(s.daemon).values()) == {0}
        assert s.gives("b1", F.build(F.BROADCAST, B1)) == ["b2", WIRE]
        s.rpc("port.set", name="b2", queue_workers="0:1")
        assert set(placed(s.daemon).values()) == {1}, "all go with the one that is chosen"
        assert s.gives("b1", F.build(F.BROADCAST, B1)) == ["b2", WIRE]
        assert s.gives(WIRE, F.build(B1, EXTERNAL)) == ["b1"]
        _unchanged(s, lambda: s.rpc("uplink.set", name="up0", queue_workers="0:0"), "uplink up0",
                   "1 transmit queues", "name 2 workers")
        s.rpc("port.set", name="b2", queue_workers="auto")
        s.rpc("worker.set", workers=1)
        assert set(placed(s.daemon).values()) == {0}
        uplink, = s.rpc("uplink.show")
        assert not any("workers" in note for note in uplink["notes"])
        assert drop_sums(s.counters()) == {k: 0 for k in drop_sums(s.counters())}


@pytest.mark.timeout(90)
def test_rebalancing_separates_two_busy_ports():
    """Two devices that always have frames, pinned to one worker at first. Off by default."""
    ports = {name: {"mode": "vepa", "mac": mac(i + 1), "device": f"net_null{i + 1}",
                    "queue_workers": "0:0"} for i, name in enumerate(["n1", "n2"])}
    for i in (3, 4):
        ports[f"n{i}"] = {"mac": mac(i), "device": f"net_null{i},no-rx=1"}
    with Daemon(uplinks={"up0": {"device": "net_null0,no-rx=1"}}, ports=ports,
                daemon={"workers": 2}) as d:
        d.wait_links(list(ports))
        for port in "n1", "n2":
            d.rpc("port.set", name=port, queue_workers="auto")
        time.sleep(7)  # a period of measuring
        assert (placed(d)["n1", 0], placed(d)["n2", 0]) == (0, 0), "it was not asked for"
        with Monitor(d) as monitor:
            d.ctl("worker", "set", "rebalance", "on")
            poll_until(lambda: placed(d)["n1", 0] != placed(d)["n2", 0], 20, "one port moves")
            moved = [e for e in monitor.events() if e[0] == "worker.rebalanced"]
        assert len(moved) == 1 and moved[0][1] in ("n1", "n2")
        assert "rebalance: port n" in d.log() and "worker 0 -> 1" in d.log()
        workers = poll_until(lambda: _all_busy(d), 10, "both workers are busy")
        assert len(workers) == 2
        after = placed(d)
        time.sleep(7)
        assert placed(d) == after, "it does not move things to and fro"
        assert balance(counters(d)) < 1 << 20  # frames are under way all the time
        # A new worker gets its part of the load, not only of the queues.
        d.rpc("worker.set", workers=1, rebalance="off")
        assert set(placed(d).values()) == {0}
        poll_until(lambda: all(q["packets_per_second"] > 0 for q in
                               d.rpc("worker.show")[0]["queues"] if q["name"] in ("n1", "n2")),
                   5, "the worker is busy")
        time.sleep(2)  # a whole second measured
        d.rpc("worker.set", workers=2)
        assert placed(d)["n1", 0] != placed(d)["n2", 0]


def _all_busy(d):
    workers = d.rpc("worker.show")
    return workers if all(w["busy_percent"] > 80 for w in workers) else None
