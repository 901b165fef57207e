# SPDX-License-Identifier: BSD-3-Clause
"""The daemon as a program: --check, signals, exit status, one instance a control socket."""
import os
import signal
import socket
import subprocess

import pytest

from lib import frames as F
from lib.daemon import BUILD, Daemon, poll_until
from support import MODES, Setup, mac

PROGRAM = str(BUILD / "control/macvswitchd")


def _run(*args, timeout=20):
    return subprocess.run([PROGRAM, *map(str, args)], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)


@pytest.fixture
def idle(tmp_path):
    """A Daemon that is not started: its file is what the tests change."""
    d = Daemon(uplinks={"up0": {"device": "net_null0"}},
               ports={"a": {"mac": mac(1)}, "b": {"mac": mac(2)}}, start=False)
    yield d
    d.kill()
    d.remove()


def test_check_of_a_good_file(idle):
    done = _run("-c", idle.config_path, "--check")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 uplinks, 2 ports" in done.stdout
    assert not os.path.exists(idle.control)
    assert os.listdir(idle.dir) == ["macvswitch.conf"]


def _insert(text, section, line):
    return text.replace(f"[{section}]", f"[{section}]\n{line}", 1)


BAD_LINES = [  # section, line that comes behind it, what the message must hold
    ("daemon", "works = 1", ["works", "workers"]),
    ("daemon", "workers = 0", ["workers", "0", "1 to"]),
    ("daemon", "workers = many", ["workers", "many"]),
    ("daemon", "control_group = a b", ["control_group", "a b"]),
    ("daemon", "worker_cpus = 5-2", ["worker_cpus", "5-2"]),
    ("daemon", "eal = 'open", ["eal", "not closed"]),
    ("uplink up0", "speed = 1", ["speed", "device, mtu, hairpin, queues"]),
    ("uplink up0", "mtu = 50", ["mtu", "50", "68 to 9600"]),
    ("uplink up0", "hairpin = yes", ["hairpin", "yes", "on or off"]),
    ("uplink up0", "queues = 0", ["queues", "0", "auto or 1 to"]),
    ("port a", "mode = macvtap", ["mode", "macvtap", "vepa, bridge, private or passthru"]),
    ("port a", "queues = 17", ["queues", "17", "1 to 16"]),
    ("port a", "own_source = pass", ["own_source", "pass", "drop or deliver"]),
    ("port a", "trust_guest_rx_filters = yes", ["trust_guest_rx_filters", "multicast or on"]),
    ("port a", "socket_role = peer", ["socket_role", "server or client"]),
    ("port a", "socket_owner = a:b:c", ["socket_owner", "a:b:c"]),
    ("port a", "maddr = 01:00:5e:00:00:02 zz", ["maddr", "zz"]),
    ("port a", "maddr = 01:00:5e:00:00:02 01:00:5e:00:00:02", ["maddr", "twice"]),
    ("port a", "nopromisc = on", ["nopromisc", "passthru"]),
    ("port a", "qmp = run/x", ["qmp", "run/x", "absolute"]),
    ("port a", "qmp = /run/x", ["qmp_device", "missing"]),
    ("port a", "device = net_tap0", ["device", "net_tap0", "exactly one"]),
    ("port a", "promisc = on\npromisc = off", ["promisc", "twice"]),
]


@pytest.mark.parametrize("section, line, says", BAD_LINES, ids=[f"{s}: {l}" for s, l, _ in
                                                               BAD_LINES])
def test_check_of_bad_lines(idle, section, line, says):
    idle.config_path.write_text(_insert(idle.config_path.read_text(), section, line))
    done = _run("-c", idle.config_path, "--check")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith(f"macvswitchd: {idle.config_path}")
    assert f"[{section}]" in done.stderr
    assert done.stderr.count("\n") == 1
    for text in says:
        assert text in done.stderr


BAD_FILES = [
    ("[gateway x]\n", ["[gateway x]", "[daemon], [uplink NAME], [port NAME]"]),
    ("[port]\n", ["[port]", "name"]),
    ("[port a b]\n", ["[port a b]"]),
    ("[port ../x]\n", ["../x"]),
    (f"[port {'n' * 40}]\n", ["n" * 40]),
    ("mode = vepa\n[daemon]\n", ["before any section"]),
    ("[daemon]\nworkers 1\n", ["KEY = VALUE"]),
    ("[port x]\nuplink = up0\nsocket = /tmp/x\n", ["up0", "no uplink"]),
    ("[uplink u]\n", ["device", "missing"]),
    ("[daemon]\n[daemon]\n", ["twice"]),
    ("[uplink u]\ndevice = net_null0\n[uplink v]\ndevice = net_null0,size=64\n",
     ["net_null0", "uplink u"]),
    ("\0", ["NUL"]),
]


@pytest.mark.parametrize("text, says", BAD_FILES, ids=range(len(BAD_FILES)))
def test_check_of_bad_files(idle, text, says):
    idle.config_path.write_text(text)
    done = _run("-c", idle.config_path, "--check")
    assert done.returncode == 1 and str(idle.config_path) in done.stderr
    assert done.stderr.count("\n") == 1
    for part in says:
        assert part in done.stderr


def test_a_file_that_is_not_there(tmp_path):
    done = _run("-c", tmp_path / "none.conf", "--check")
    assert done.returncode == 1 and "none.conf" in done.stderr


@pytest.mark.parametrize("args, status, says", [
    (["-V"], 0, "macvswitchd "), (["-h"], 0, "usage:"), (["--nonsense"], 1, "usage:"),
    (["extra"], 1, "extra"), (["--control", "relative"], 1, "relative"),
    (["--control", "/" + "x" * 120], 1, "107")])
def test_options(args, status, says):
    done = _run(*args)
    assert done.returncode == status
    assert says in (done.stdout if status == 0 else done.stderr)


def test_a_bad_file_does_not_start(idle):
    idle.config_path.write_text(_insert(idle.config_path.read_text(), "port a", "mode = x"))
    done = _run("-c", idle.config_path)
    assert done.returncode == 1 and "mode" in done.stderr
    assert not os.path.exists(idle.control)


def test_a_device_that_does_not_exist_does_not_start(idle):
    idle.uplinks["up0"] = {"device": "net_nosuch0"}
    idle.write_config()
    done = _run("-c", idle.config_path)
    assert done.returncode == 1 and "net_nosuch0" in done.stderr
    assert [f for f in os.listdir(idle.dir) if "sock" in f] == []


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name)
def test_a_clean_stop(sig):
    """Exit status 0 and no socket left, with guests attached and frames under way."""
    with Setup({"b1": MODES["b1"], "b2": MODES["b2"]}) as s:
        s.guests.sink("b2")
        s.guests.blast("b1", 100000, F.build(MODES["b2"]["mac"], MODES["b1"]["mac"]), 20000)
        poll_until(lambda: s.guests.stats("b2")["received"] > 100, 5, "frames flow")
        s.daemon.process.send_signal(sig)
        assert s.daemon.process.wait(10) == 0
        assert sorted(f for f in os.listdir(s.daemon.dir) if "sock" in f) == []
        s.guests.kill()


def test_shutdown_command(idle):
    idle.start()
    assert idle.ctl("shutdown", check=False).returncode == 0
    assert idle.process.wait(10) == 0
    assert sorted(os.listdir(idle.dir)) == ["log", "macvswitch.conf"]


def test_a_second_instance_is_refused(idle):
    """With a message that names the socket; the first one is not disturbed."""
    idle.start()
    second = Daemon(uplinks={"up0": {"device": "net_null0"}}, start=False,
                    daemon={"control": idle.control})
    try:
        for args in ["-c", second.config_path], ["-c", second.config_path, "--control",
                                                 idle.control]:
            done = _run(*args)
            assert done.returncode == 1
            assert idle.control in done.stderr and str(idle.process.pid) in done.stderr
        assert idle.rpc("version")["version"]
        idle._disconnect()
        assert len(idle.rpc("port.show")) == 2
    finally:
        second.remove()


def test_the_control_socket_of_another_program(idle):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(idle.control)
        listener.listen(1)
        done = _run("-c", idle.config_path)
        assert done.returncode == 1 and idle.control in done.stderr
        assert os.path.exists(idle.control)


@pytest.mark.parametrize("path, says", [("/nonexistent/folder/c.sock", "does not exist")])
def test_the_control_socket_in_a_missing_folder(idle, path, says):
    done = _run("-c", idle.config_path, "--control", path)
    assert done.returncode == 1 and says in done.stderr and path in done.stderr


def test_which_memory_is_said(idle):
    idle.start()
    assert "no hugepages" in idle.log()
    assert idle.rpc("version")["memory"] == "no hugepages"


def test_control_from_the_command_line(idle):
    """--control wins over the file; EAL arguments follow --."""
    other = str(idle.dir / "other.sock")
    process = subprocess.Popen([PROGRAM, "-c", idle.config_path, "--control", other, "--",
                                "--log-level=8"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        poll_until(lambda: os.path.exists(other), 10, "the socket is there")
        idle.control = other
        poll_until(lambda: idle.ctl("version", check=False).returncode == 0, 5, "it answers")
    finally:
        process.terminate()
        assert process.wait(10) == 0
    assert not os.path.exists(other)
