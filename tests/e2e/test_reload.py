# SPDX-License-Identifier: BSD-3-Clause
"""`config reload` and SIGHUP apply the difference only; a bad file changes nothing at all; what
`config save` writes recreates the running state."""
import os
import signal
import subprocess

import pytest

from lib import frames as F
from lib.daemon import BUILD, CtlError, poll_until
from support import EXTERNAL, GROUP, MODES, WIRE, Monitor, Setup, mac, sunk

B1, B2 = MODES["b1"]["mac"], MODES["b2"]["mac"]


@pytest.fixture
def s():
    ports = {"b1": MODES["b1"], "b2": MODES["b2"], "spare": {"mac": mac(0x80)}}
    with Setup(ports, guests=False) as s:
        s.guest_fields = {"b2": {"queue_size": 1024}}  # what b1's ring can send at once fits
        with s.attach("b1", "b2") as s.guests:
            yield s


def _reload(s, how):
    if how == "command":
        return s.daemon.ctl("config", "reload")
    before = s.daemon.log().count("configuration reloaded") + s.daemon.log().count("reload: ")
    os.kill(_pid(s.daemon), signal.SIGHUP)
    poll_until(lambda: s.daemon.log().count("configuration reloaded")
               + s.daemon.log().count("reload: ") > before, 5, "the reload is logged")
    return None


def _pid(daemon):
    """`ip netns exec` becomes the daemon, there is no process between."""
    return daemon.process.pid


@pytest.mark.parametrize("how", ["command", "SIGHUP"])
def test_only_the_difference(s, how):
    """b1 and b2 stay as they are or change in place, spare goes, fresh comes; nothing is lost."""
    with Monitor(s.daemon) as monitor:
        s.guests.sink("b2")
        s.guests.blast("b1", 20000, F.build(B2, B1), 10000)
        d = s.daemon
        d.ports["b2"] = {**d.ports["b2"], "promisc": "on", "maddr": [GROUP]}
        del d.ports["spare"]
        d.ports["fresh"] = {"mac": mac(0x81)}
        d.uplinks["up0"] = {**d.uplinks["up0"], "hairpin": "on"}
        d.write_config()
        report = _reload(s, how)
        if report is not None:
            assert report == {"added": ["port fresh"], "changed": ["uplink up0", "port b2"],
                              "removed": ["port spare"], "notes": []}
        assert [p["name"] for p in s.rpc("port.show")] == ["b1", "b2", "fresh"]
        b2 = d.port("b2")
        assert (b2["promisc"], b2["link"], d.port("b1")["link"]) == ("on", "up", "up")
        assert b2["filter"]["multicast"] == [{"address": GROUP, "source": "config"}]
        assert s.rpc("uplink.show")[0]["hairpin"] == "on"
        for _ in range(5):  # an unchanged file: nothing to do
            assert s.daemon.ctl("config", "reload") == \
                {"added": [], "changed": [], "removed": [], "notes": []}
        s.guests.wait_blast("b1")
        got = sunk(s, "b2", 20000)
        assert (got["received"], got["gaps"], got["duplicates"]) == (20000, 0, 0)
        events = monitor.events()
        assert not [e for e in events if e[0] in ("port.down", "port.up") and e[1] in
                    ("b1", "b2")], "a link flapped"
        for event in (("port.removed", "spare"), ("port.added", "fresh"), ("port.changed", "b2"),
                      ("uplink.changed", "up0")):
            assert events.count(event) == 1
        assert ("port.changed", "b1") not in events
        assert len([e for e in events if e[0] == "config.reloaded"]) == 6
    assert s.gives(WIRE, F.build(GROUP, EXTERNAL)) == ["b2"]


BAD = {
    "key": ("mode = vepa", "moode = vepa", "moode"),
    "value": ("mode = bridge", "mode = bridges", "mode"),
    "mac": (B2, B1, B1),
    "section": ("[port spare]", "[prot spare]", "prot"),
    "twice": ("[port spare]", "[port b1]", "twice"),
    "uplink": ("uplink = up0", "uplink = up7", "up7"),
    "cut": ("[port spare]", "[port spare", "]"),
    "no pair": ("[port spare]", "[port spare]\njust words", "KEY = VALUE"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_changes_nothing(s, kind):
    """And says file, line and key. Good changes before and after the bad line do not count."""
    old, new, says = BAD[kind]
    d = s.daemon
    d.ports["spare"]["mode"] = "vepa"
    d.ports["b1"] = {**d.ports["b1"], "promisc": "on"}
    d.ports["more"] = {"mac": mac(0x82)}
    d.write_config()
    text = d.config_path.read_text()
    at = text.rindex(old)
    d.config_path.write_text(text[:at] + new + text[at + len(old):])
    line = text[:at].count("\n") + (2 if kind == "no pair" else 1)
    before = s.settings()
    with Monitor(d) as monitor:
        with pytest.raises(CtlError) as refused:
            d.ctl("config", "reload")
        assert refused.value.status == 2
        assert str(d.config_path) in refused.value.stderr and says in refused.value.stderr
        if kind not in ("mac", "uplink", "cut"):
            assert f":{line}: " in refused.value.stderr
        os.kill(_pid(d), signal.SIGHUP)
        poll_until(lambda: "nothing was changed" in d.log(), 5, "the refusal is logged")
        assert says in d.log()
        assert s.settings() == before
        assert monitor.events() == []
    assert s.gives("b1", F.build(B2, B1)) == ["b2"]


def test_a_missing_file_changes_nothing(s):
    before = s.settings()
    s.daemon.config_path.unlink()
    with pytest.raises(CtlError, match=str(s.daemon.config_path)):
        s.daemon.ctl("config", "reload")
    assert s.settings() == before


@pytest.mark.parametrize("new", ["uplink", "port"])
def test_a_device_that_does_not_exist(s, new):
    """Everything stays: what the file changes and removes as well, with no guest disturbed."""
    d = s.daemon
    if new == "uplink":
        d.uplinks["up1"] = {"device": "net_af_packet1,iface=nosuch0"}
    else:
        d.ports["zz"] = {"device": "net_nosuch0"}
    d.ports["b1"] = {**d.ports["b1"], "promisc": "on"}
    del d.ports["b2"]
    d.ports["added"] = {"mac": mac(0x83)}
    before = s.settings()
    d.write_config()
    with Monitor(d) as monitor:
        with pytest.raises(CtlError, match="nosuch") as refused:
            d.ctl("config", "reload")
        assert refused.value.status == 2
        assert s.settings() == before
        assert ("port.down", "b2") not in monitor.events(), "b2's guest was thrown out"
    assert s.gives("b1", F.build(B2, B1)) == ["b2"]
    assert s.drops(WIRE, F.build(mac(0x99), EXTERNAL)) == {"no_port": 1}


def test_ports_swap_their_addresses(s):
    d = s.daemon
    d.ports["b1"] = {**d.ports["b1"], "mac": B2}
    d.ports["b2"] = {**d.ports["b2"], "mac": B1}
    d.write_config()
    d.ctl("config", "reload")
    assert (d.port("b1")["mac"], d.port("b2")["mac"]) == (B2, B1)
    assert d.port("b1")["link"] == "up"
    assert s.gives(WIRE, F.build(B2, EXTERNAL)) == ["b1"]


def test_daemon_keys_are_noted(s):
    s.daemon.daemon["control_group"] = "root"
    s.daemon.write_config()
    report = s.daemon.ctl("config", "reload")
    assert len(report["notes"]) == 1 and "control_group" in report["notes"][0]
    assert "restart" in report["notes"][0]


def test_a_change_that_needs_a_new_port(s):
    """Another socket: the port is made anew; the others do not notice."""
    d = s.daemon
    d.ports["spare"] = {**d.ports["spare"], "socket": str(d.dir / "other.sock")}
    d.write_config()
    with Monitor(d) as monitor:
        d.ctl("config", "reload")
        events = monitor.events()
    assert ("port.removed", "spare") in events and ("port.added", "spare") in events
    assert not [e for e in events if e[1] in ("b1", "b2")]
    assert os.path.exists(d.dir / "other.sock") and not os.path.exists(d.socket_path("spare"))


def _settled(shown):
    """Without what depends on guests and on the order."""
    return [{k: v for k, v in o.items() if k not in ("link", "state", "guest", "demux")}
            for o in shown]


def test_save_recreates_everything(s):
    d = s.daemon
    s.rpc("uplink.set", name="up0", hairpin="on", mtu=1400)
    s.rpc("port.add", name="p", uplink="up0", mode="private", queues=4, promisc="on",
          maddr=[GROUP, mac(0x90)], own_source="deliver", trust_guest_rx_filters="multicast",
          socket=str(d.dir / "p.sock"), socket_role="client", qmp="/run/x.qmp", qmp_device="n0")
    s.rpc("port.add", name="h", uplink="up0", device="net_tap0,iface=host0")
    s.rpc("port.set", name="spare", allmulticast="on", mode="bridge")
    s.guests.stop()
    s.guests = None
    d.wait_links(["b1", "b2"], up=False)
    before = _settled(s.settings())
    saved = str(d.dir / "saved.conf")
    assert d.ctl("config", "save", saved) == {"file": saved}
    assert d.ctl("config", "show")["text"] == open(saved).read()
    check = subprocess.run([str(BUILD / "control/macvswitchd"), "-c", saved, "--check"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=10)
    assert (check.returncode, check.stderr) == (0, "")
    d.stop(remove=False)
    d.config_path = type(d.config_path)(saved)
    d.start()
    assert _settled(s.settings()) == before
    assert d.ctl("config", "reload") == {"added": [], "changed": [], "removed": [], "notes": []}


def test_save_without_a_name_writes_the_daemons_file(s):
    d = s.daemon
    s.rpc("port.del", name="spare")
    d.ctl("config", "save")
    assert "spare" not in d.config_path.read_text()
    assert d.ctl("config", "reload")["removed"] == []
    before = d.config_path.read_text()
    for path in "relative.conf", str(d.dir / "no" / "folder.conf"):
        with pytest.raises(CtlError) as refused:
            d.ctl("config", "save", path)
        assert refused.value.status == 2 and os.path.basename(path) in refused.value.stderr
    assert d.config_path.read_text() == before
