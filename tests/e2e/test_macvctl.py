# SPDX-License-Identifier: BSD-3-Clause
"""macvctl: every command of the design with -j and for people, abbreviations, help, monitor, exit
statuses. Refusals are test_bad_input.py's."""
import json
import os
import re
import subprocess

import pytest

from lib.daemon import BUILD
from support import EXTERNAL, GROUP, MODES, UPLINK_MAC, Monitor, Setup, mac

PROGRAM = str(BUILD / "control/macvctl/macvctl")
B1, B2 = MODES["b1"]["mac"], MODES["b2"]["mac"]


@pytest.fixture(scope="module")
def s():
    ports = {"b1": MODES["b1"], "b2": {**MODES["b2"], "maddr": [GROUP, mac(0x90)]}}
    with Setup(ports) as s:
        from lib import frames as F
        assert s.gives("b1", F.build(B2, B1, length=100)) == ["b2"]
        yield s


def _run(*args, env=None):
    return subprocess.run([PROGRAM, *args], text=True, stdout=subprocess.PIPE, timeout=20,
                          stderr=subprocess.PIPE, env={**os.environ, **(env or {})})


COUNTERS = {"from_guest_packets", "from_guest_bytes", "to_guest_packets", "to_guest_bytes",
            "drops"}


def test_port_show_json(s):
    """The members that the design names."""
    ports = s.daemon.ctl("port", "show")
    assert [p["name"] for p in ports] == ["b1", "b2"]
    b2 = s.daemon.ctl("port", "show", "b2")[0]
    assert b2.items() >= {"uplink": "up0", "mode": "bridge", "mac": B2, "queues": 1, "link": "up",
                          "socket": s.daemon.socket_path("b2"), "socket_role": "server",
                          "trust_guest_rx_filters": "off"}.items()
    assert b2["filter"] == {
        "promisc": False, "allmulticast": False, "broadcast": True,
        "unicast": [{"address": a, "source": "config"} for a in (B2, mac(0x90))],
        "multicast": [{"address": GROUP, "source": "config"}]}
    assert {"state", "device", "events", "refused", "last_error"} <= set(b2["sync"])
    assert COUNTERS <= set(b2["counters"])
    assert (b2["counters"]["to_guest_packets"], b2["counters"]["to_guest_bytes"]) == (1, 100)


def test_uplink_show_json(s):
    uplink, = s.daemon.ctl("uplink", "show", "up0")
    assert uplink.items() >= {"name": "up0", "device": "net_af_packet0,iface=up0",
                              "driver": "net_af_packet", "mac": UPLINK_MAC, "link": "up",
                              "mtu": 1500, "hairpin": "off"}.items()
    for member in "speed", "promiscuous", "allmulticast":
        assert member in uplink
    assert {"from_wire_packets", "from_wire_bytes", "to_wire_packets", "to_wire_bytes",
            "drops"} <= set(uplink["counters"])
    demux = {row["address"]: row for row in uplink["demux"]}
    assert {B1, B2, GROUP, mac(0x90)} <= set(demux)
    for row in demux.values():
        assert row["port"] in ("b1", "b2") and row["why"]
        assert row["tier"] in ("flow-queue", "vmdq-pool", "mac-filter", "promiscuous",
                               "allmulticast")
    assert demux[B2]["port"] == "b2"


def test_other_shows_json(s):
    rows = s.daemon.ctl("maddr", "show")
    assert sorted(rows, key=lambda row: row["address"]) == [
        {"address": a, "port": "b2", "source": "config"} for a in (GROUP, mac(0x90))]
    assert s.daemon.ctl("maddr", "show", "port", "b1") == []
    assert {(r["address"], r["port"], r["uplink"]) for r in s.daemon.ctl("fdb", "show")} == {
        (B1, "b1", "up0"), (B2, "b2", "up0"), (mac(0x90), "b2", "up0")}
    worker, = s.daemon.ctl("worker", "show")
    polled = {r.get("port", r.get("uplink")) for r in worker["polls"]}
    assert polled == {"up0", "b1", "b2"} and worker["packets"] >= 1
    version = s.daemon.ctl("version")
    assert re.match(r"\d+\.\d+", version["version"]) and "DPDK" in version["dpdk"]
    assert "[port b2]" in s.daemon.ctl("config", "show")["text"]


def test_changes_with_and_without_json(s):
    socket = s.daemon.socket_path("x")
    for raw in False, True:
        ctl = lambda *words: s.daemon.ctl(*words, raw=raw)  # noqa: E731
        answers = [ctl("port", "add", "x", "uplink", "up0", "mac", mac(0x33), "socket", socket),
                   ctl("port", "set", "x", "mode", "private", "promisc", "on"),
                   ctl("maddr", "add", "01:00:5e:00:00:44", "port", "x")]
        port = s.daemon.port("x")
        assert (port["mode"], port["promisc"], port["mac"]) == ("private", "on", mac(0x33))
        assert port["filter"]["multicast"][0]["address"] == "01:00:5e:00:00:44"
        answers += [ctl("maddr", "del", "01:00:5e:00:00:44", "port", "x"),
                    ctl("port", "del", "x"),
                    ctl("uplink", "add", "n0", "device", "net_null0", "mtu", "1400"),
                    ctl("uplink", "set", "n0", "hairpin", "on")]
        assert s.daemon.ctl("uplink", "show", "n0")[0].items() >= \
            {"hairpin": "on", "mtu": 1400, "driver": "net_null"}.items()
        answers += [ctl("uplink", "del", "n0"), ctl("config", "reload"),
                    ctl("config", "save", str(s.daemon.dir / f"saved{raw}"))]
        assert [p["name"] for p in s.daemon.ctl("port", "show")] == ["b1", "b2"]
        if not raw:
            assert answers[0]["name"] == "x" and answers[1]["mode"] == "private"
            assert answers[6]["hairpin"] == "on" and set(answers[8]) == \
                {"added", "changed", "removed", "notes"}
    assert (s.daemon.dir / "savedTrue").read_text() == (s.daemon.dir / "savedFalse").read_text()


def test_port_show_for_people(s):
    text = s.daemon.ctl("port", "show", raw=True)
    assert re.search(rf"^1: b1@up0: <UP> mode bridge mac {B1} queues 1$", text, re.M)
    assert f"socket {s.daemon.socket_path('b2')} role server" in text
    assert f"filter broadcast {B2}(config) {mac(0x90)}(config) {GROUP}(config)" in text
    assert "from guest" not in text and "dropped" not in text
    one = s.daemon.ctl("port", "show", "b2", raw=True)
    assert one.startswith("1: b2@up0") and "b1" not in one.replace("/b1", "")
    detail = s.daemon.ctl("-d", "port", "show", "b2", raw=True)
    assert "own_source drop" in detail and len(detail) > len(one)


def test_uplink_show_for_people(s):
    text = s.daemon.ctl("uplink", "show", raw=True)
    assert re.search(rf"^1: up0: <UP> mac {UPLINK_MAC} mtu 1500 ", text, re.M)
    for part in "device net_af_packet0,iface=up0", "hairpin off", "ADDRESS", "TIER", B1:
        assert part in text
    assert "dropped" not in text


def test_counters_for_people(s):
    """-s adds them; what did not happen is left out, but not with -d."""
    text = s.daemon.ctl("-s", "port", "show", "b2", raw=True)
    assert re.search(r"to.guest.*\b1\b", text) and re.search(r"dropped +0", text)
    assert "ring_full" not in text
    assert "ring_full" in s.daemon.ctl("-s", "-d", "port", "show", "b2", raw=True)
    assert "dropped" in s.daemon.ctl("-s", "uplink", "show", raw=True)


def test_tables_for_people(s):
    for words, parts in [(["fdb", "show"], ["ADDRESS", "PORT", "UPLINK", B2, "b2"]),
                         (["maddr", "show"], ["ADDRESS", "PORT", GROUP, "b2"]),
                         (["worker", "show"], ["WORKER", "CPU", "PACKETS", "b1", "up0"])]:
        lines = s.daemon.ctl(*words, raw=True).splitlines()
        assert all(part in "\n".join(lines) for part in parts)
        column = lines[0].index(parts[1])
        assert all(len(line) > column and line[column - 1] == " " for line in lines[1:])
    assert "version" in s.daemon.ctl("version", raw=True)
    assert s.daemon.ctl("config", "show", raw=True) == s.daemon.ctl("config", "show")["text"]
    text = s.daemon.ctl("trace", "from", "up0", "src", EXTERNAL, "dst", B1, raw=True)
    assert text.startswith("deliver to b1\nrule: ")
    text = s.daemon.ctl("trace", "from", "up0", "src", EXTERNAL, "dst", mac(0xeee), raw=True)
    assert text.startswith("drop: no_port\nrule: ")


def test_pretty_json(s):
    done = s.daemon.ctl("-p", "port", "show", raw=True)
    assert json.loads(done)[0]["name"] == "b1" and done.count("\n") > 20
    assert s.daemon.ctl("-j", "port", "show", raw=True).count("\n") == 1


@pytest.mark.parametrize("short, full", [
    ("p sh", "port show"), ("po sho b2", "port show b2"), ("p", "port show"),
    ("u sh", "uplink show"), ("up", "uplink show"), ("ma s", "maddr show"), ("f s", "fdb show"),
    ("c sh", "config show"), ("v", "version"),
    (f"t from up0 src {EXTERNAL} dst {B1}", f"trace from up0 src {EXTERNAL} dst {B1}")])
def test_abbreviations(s, short, full):
    assert s.daemon.ctl(*short.split(), raw=True) == s.daemon.ctl(*full.split(), raw=True)


@pytest.mark.parametrize("short, meanings", [
    ("m", ["maddr", "monitor"]), ("p s", ["set", "show"]), ("c s", ["show", "save"])])
def test_ambiguous_abbreviations(s, short, meanings):
    done = s.daemon.ctl(*short.split(), check=False)
    assert done.returncode == 1 and "ambiguous" in done.stderr
    assert all(word in done.stderr for word in meanings)


OBJECTS = {"uplink": ["uplink add", "uplink set", "uplink del", "uplink show", "hairpin", "mtu"],
           "port": ["port add", "port set", "port del", "port show", "own_source", "nopromisc",
                    "vepa, bridge, private or passthru"],
           "maddr": ["maddr add", "maddr del", "maddr show"], "fdb": ["fdb show"],
           "worker": ["worker set", "worker show", "rebalance", "worker_cpus"], "trace": ["trace from", "vlan"],
           "config": ["config show", "config save", "config reload"], "monitor": ["monitor"],
           "version": ["version"], "shutdown": ["shutdown"]}


@pytest.mark.parametrize("name", OBJECTS)
def test_help(name):
    """Without a daemon, in both orders of the words."""
    for words in [name, "help"], ["help", name]:
        done = _run(*words)
        assert (done.returncode, done.stderr) == (0, "")
        assert all(part in done.stdout for part in OBJECTS[name])


def test_help_of_all_and_usage():
    done = _run("help")
    assert done.returncode == 0 and "exit status: 0 done, 1 usage, 2" in done.stdout
    assert all(f"  {name}" in done.stdout for name in OBJECTS)
    assert _run("-h").stdout == done.stdout
    assert _run("-V").stdout.startswith("macvctl ")
    for bad in [], ["-x"], ["help", "nonsense"], ["nonsense", "help"]:
        done = _run(*bad)
        assert done.returncode == 1 and done.stderr and not done.stdout


def test_no_daemon(tmp_path):
    path = str(tmp_path / "none.sock")
    for words in ["port", "show"], ["-j", "version"], ["monitor"], ["shutdown"]:
        done = _run("--control", path, *words)
        assert done.returncode == 3 and path in done.stderr and not done.stdout
    done = _run("version", env={"MACVSWITCH_CONTROL": path})
    assert done.returncode == 3 and path in done.stderr


def test_refused(s):
    done = s.daemon.ctl("port", "del", "nix", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "macvctl: there is no port 'nix'\n"


def test_monitor(s):
    with Monitor(s.daemon) as monitor:
        s.rpc("port.add", name="x", uplink="up0", mode="bridge", mac=mac(0x33),
              socket=s.daemon.socket_path("x"))
        with s.attach("x"):
            s.rpc("port.set", name="x", mode="vepa")
        s.daemon.wait_links(["x"], up=False)
        s.rpc("port.del", name="x")
        assert [e for e in monitor.events() if e[1] == "x"] == [
            (f"port.{what}", "x") for what in ("added", "up", "changed", "down", "removed")]
        events = [json.loads(line) for line in monitor.raw().splitlines()]
        added = next(e for e in events if e["name"] == "x")
        assert added.items() >= {"event": "port.added", "uplink": "up0", "mode": "bridge",
                                 "mac": mac(0x33)}.items()
        assert abs(added["time"] - events[-1]["time"]) < 30
        assert monitor.process.poll() is None


def test_monitor_ends_with_the_daemon():
    with Setup({"b1": MODES["b1"]}, guests=False) as s:
        monitor = subprocess.Popen([PROGRAM, "--control", s.daemon.control, "monitor"],
                                   stdout=subprocess.PIPE, text=True)
        assert s.rpc("version")
        s.daemon.stop()
        assert monitor.wait(5) in (0, 3)
        monitor.stdout.close()


def test_sockets_path_by_environment(s):
    done = _run("-j", "version", env={"MACVSWITCH_CONTROL": s.daemon.control})
    assert done.returncode == 0 and "version" in json.loads(done.stdout)
