# SPDX-License-Identifier: BSD-3-Clause
"""Bad commands: each has its own message, exit status 2 (or 1 for what macvctl itself refuses),
and changes nothing."""
import os

import pytest

from lib.daemon import CtlError, RpcError
from support import EXTERNAL, GROUP, MODES, UPLINK_MAC, Setup

B1 = MODES["b1"]["mac"]


@pytest.fixture(scope="module")
def s():
    with Setup({"b1": MODES["b1"], "b2": MODES["b2"]}, guests=False) as s:
        yield s


@pytest.fixture(autouse=True)
def _nothing_changes(s):
    before = s.settings(), sorted(os.listdir(s.daemon.dir))
    yield
    assert (s.settings(), sorted(os.listdir(s.daemon.dir))) == before


def _add(s, *more, name="x", uplink="up0", socket=None):
    return ["port", "add", name, "uplink", uplink,
            "socket", socket or s.daemon.socket_path("x"), *more]


ADD = [  # further words of `port add x uplink up0 socket ...`, what the message must hold
    (["mac", "52:54:00:00:00:zz"], ["mac", "52:54:00:00:00:zz"]),
    (["mac", "52:54:00:00:00"], ["mac", "52:54:00:00:00"]),
    (["mac", GROUP], ["mac", GROUP, "multicast"]),
    (["mac", "00:00:00:00:00:00"], ["mac", "zero"]),
    (["mac", B1], ["mac", B1, "b1"]),
    (["mac", UPLINK_MAC], ["mac", UPLINK_MAC, "own address"]),
    (["maddr", B1], ["maddr", B1, "b1"]),
    (["maddr", "01:00:5e:01:02:03 x"], ["maddr", "x"]),
    (["mode", "macvlan"], ["mode", "macvlan", "vepa, bridge, private or passthru"]),
    (["mode", "passthru"], ["mode", "passthru", "b1"]),
    (["queues", "0"], ["queues", "1 to 16"]),
    (["queues", "17"], ["queues", "1 to 16"]),
    (["queues", "two"], ["queues", "two"]),
    (["promisc", "1"], ["promisc", "on or off"]),
    (["nopromisc", "on"], ["nopromisc", "passthru"]),
    (["own_source", "keep"], ["own_source", "drop or deliver"]),
    (["socket_role", "both"], ["socket_role", "server or client"]),
    (["device", "net_tap0,iface=x0"], ["device", "exactly one"]),
    (["qmp", "/run/q"], ["qmp_device"]),
]


@pytest.mark.parametrize("words, says", ADD, ids=[" ".join(w) for w, _ in ADD])
def test_port_add(s, words, says):
    with pytest.raises(CtlError) as refused:
        s.daemon.ctl(*_add(s, *words))
    assert refused.value.status == 2
    for text in ["port x", *says]:
        assert text in refused.value.stderr


def test_port_add_names(s):
    for name in "-x", "a b", "../x", "n" * 32, "", "ü":
        with pytest.raises(CtlError) as refused:
            s.daemon.ctl(*_add(s, name=name))
        assert refused.value.status == 2
    with pytest.raises(CtlError, match="b1 exists"):
        s.daemon.ctl(*_add(s, name="b1"))
    with pytest.raises(CtlError, match="no uplink 'up7'"):
        s.daemon.ctl(*_add(s, uplink="up7"))


def test_port_add_sockets(s):
    d = s.daemon
    long = str(d.dir / ("x" * 108))
    for socket, says in [(d.socket_path("b1"), "b1's"), (d.control, "control socket"),
                         (long, "107 characters"), ("relative.sock", "does not start with /"),
                         ("/nonexistent/folder/x.sock", "/nonexistent/folder"),
                         (str(d.config_path) + "/x.sock", "macvswitch.conf")]:
        with pytest.raises(CtlError) as refused:
            d.ctl(*_add(s, socket=socket))
        assert refused.value.status == 2 and says in refused.value.stderr
    with pytest.raises(CtlError, match="socket"):
        d.ctl("port", "add", "x", "uplink", "up0")


def test_the_longest_socket_path(s):
    """107 characters work."""
    path = str(s.daemon.dir / "x")
    path += "x" * (107 - len(path))
    s.daemon.ctl(*_add(s, socket=path))
    assert s.daemon.port("x")["socket"] == path and os.path.exists(path)
    s.daemon.ctl("port", "del", "x")


@pytest.mark.parametrize("words, says", [
    (["device", "net_nosuch0"], "net_nosuch0"),
    (["device", "0000:ff:1f.7"], "0000:ff:1f.7"),
    (["device", "net_af_packet9,iface=nosuch"], "nosuch"),
    (["device", "net_af_packet0,iface=wire0"], "uplink up0's"),
    (["device", "net_null9", "mtu", "67"], "68 to 9600"),
    (["device", "net_null9", "hairpin", "maybe"], "on or off"),
    (["device", "net_null9", "queues", "999"], "queues"),
    (["device", ""], "empty")])
def test_uplink_add(s, words, says):
    with pytest.raises(CtlError) as refused:
        s.daemon.ctl("uplink", "add", "new", *words)
    assert refused.value.status == 2 and says in refused.value.stderr


@pytest.mark.parametrize("words, says", [
    (["uplink", "add", "up0", "device", "net_null9"], "up0 exists"),
    (["uplink", "del", "up0"], "up0 has 2 ports"),
    (["uplink", "del", "nix"], "nix"), (["uplink", "set", "nix", "mtu", "1400"], "nix"),
    (["uplink", "show", "nix"], "nix"), (["port", "show", "nix"], "nix"),
    (["port", "del", "nix"], "nix"), (["port", "set", "nix", "mode", "vepa"], "nix"),
    (["maddr", "show", "port", "nix"], "nix"),
    (["maddr", "add", "x:y", "port", "b1"], "x:y"),
    (["port", "set", "b1", "mode", "router"], "router"),
    (["port", "set", "b1", "socket", "/tmp/x"], "fixed"),
    (["port", "set", "b1", "queues", "2"], "fixed"),
    (["port", "set", "b1", "uplink", "up0"], "fixed"),
    (["uplink", "set", "up0", "device", "net_null1"], "fixed"),
    (["uplink", "set", "up0", "queues", "1"], "fixed"),
    (["uplink", "set", "up0", "hairpin", "1"], "on or off"),
    (["trace", "from", "up0", "src", EXTERNAL, "dst", B1, "vlan", "4096"], "vlan"),
    (["config", "save", "relative"], "absolute")], ids=" ".join)
def test_refused_by_the_daemon(s, words, says):
    with pytest.raises(CtlError) as refused:
        s.daemon.ctl(*words)
    assert refused.value.status == 2
    assert says in refused.value.stderr


def test_messages_differ(s):
    """Each refusal has a text of its own."""
    texts = set()
    for words, _ in ADD:
        with pytest.raises(CtlError) as refused:
            s.daemon.ctl(*_add(s, *words))
        texts.add(refused.value.stderr)
    assert len(texts) == len(ADD)


@pytest.mark.parametrize("words", [
    ["nonsense"], ["port", "nonsense"], ["port", "add"], ["port", "add", "x"],
    ["port", "add", "x", "uplink", "up0", "colour", "red"], ["port", "add", "x", "uplink"],
    ["port", "add", "x", "uplink", "up0", "mode"], ["port", "set", "b1"], ["port", "set"],
    ["port", "del"], ["uplink", "add", "x"], ["maddr", "add", GROUP], ["maddr", "add"],
    ["trace", "from", "b1"], ["trace"], ["port", "show", "b1", "b2"], ["version", "please"],
    ["port", "add", "x", "uplink", "up0", "mode", "vepa", "mode", "vepa"],
    ["port", "show", "b1", "-j"], ["m"], ["config", "s"]], ids=" ".join)
def test_usage(s, words):
    """What macvctl itself refuses: exit status 1, and the word in question or what is missing."""
    done = s.daemon.ctl(*words, check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("macvctl: ") and len(done.stderr) > 20


def test_passthru_beside_others(s):
    with pytest.raises(RpcError, match="b1"):
        s.rpc("port.add", name="x", uplink="up0", mode="passthru",
              socket=s.daemon.socket_path("x"))
