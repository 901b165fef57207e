# SPDX-License-Identifier: BSD-3-Clause
"""vhost-user sockets: both roles, guests and daemon killed and back, stale files, owner, mode."""
import grp
import os
import pwd
import socket
import stat

import pytest

from lib import frames as F
from lib.daemon import CtlError, poll_until
from lib.guest import Guests
from support import EXTERNAL, MODES, WIRE, Setup, mac

B1, B2 = MODES["b1"]["mac"], MODES["b2"]["mac"]
CLIENTS = {name: {**MODES[name], "socket_role": "client"} for name in ("b1", "b2")}
SERVERS = {name: {"role": "server"} for name in CLIENTS}


def _talk(s):
    """Traffic in all directions."""
    assert s.gives("b1", F.build(B2, B1)) == ["b2"]
    assert s.gives("b2", F.build(F.BROADCAST, B2)) == ["b1", WIRE]
    assert s.gives(WIRE, F.build(B1, EXTERNAL)) == ["b1"]


@pytest.mark.parametrize("ports, fields", [
    ({n: MODES[n] for n in CLIENTS}, {}), (CLIENTS, SERVERS)], ids=["server", "client"])
def test_a_guest_is_killed_and_comes_back(ports, fields):
    """In both roles of the port; SIGKILL, three times."""
    with Setup(ports, guests=False) as s:
        s.guest_fields = fields
        for _ in range(3):
            s.guests = s.attach(*ports)
            try:
                _talk(s)
            finally:
                s.guests.kill()
                s.guests = None
            s.daemon.wait_links(ports, up=False)
            assert s.drops(WIRE, F.build(B1, EXTERNAL)) == {"no_port": 1}


def test_a_guest_is_killed_amid_traffic(pair):
    """The other guest, in a process of its own, loses nothing of what the wire sends it."""
    with pair.guests:
        pass
    pair.daemon.wait_links(["b1", "b2"], up=False)
    with pair.attach("b1") as pair.guests:
        for _ in range(3):
            other = pair.attach("b2")
            other.blast("b2", 1000000, F.build(B1, B2, length=200))
            poll_until(lambda: other.stats("b2")["tx"] > 500, 10, "b2 sends")
            other.kill()
            pair.daemon.wait_links(["b2"], up=False)
        pair.guests.sink("b1")  # what is left of it
        pair.guests["b1"].collect(3)
        assert pair.gives("b1", F.build(B2, B1)) == [WIRE]
        got = pair.gives(WIRE, *[F.build(B1, EXTERNAL) for _ in range(100)])
        assert got == [["b1"]] * 100


@pytest.mark.timeout(60)
def test_the_daemon_is_killed_and_comes_back():
    """Guests in server role see the daemon connect again, and frames flow as before."""
    with Setup(CLIENTS, guests=SERVERS) as s:
        for _ in range(3):
            _talk(s)
            s.daemon.kill()
            s.daemon.start()
            s.daemon.wait_links(CLIENTS)
        _talk(s)


def test_stale_files_of_a_killed_daemon_are_replaced():
    with Setup({n: MODES[n] for n in CLIENTS}, guests=False) as s:
        paths = [s.daemon.control, *(s.daemon.socket_path(n) for n in CLIENTS)]
        s.daemon.kill()
        assert all(stat.S_ISSOCK(os.stat(p).st_mode) for p in paths)
        old = [os.stat(p).st_ctime_ns for p in paths]
        s.daemon.start()
        assert all(os.stat(p).st_ctime_ns > t for p, t in zip(paths, old))
        with s.attach(*CLIENTS) as s.guests:
            _talk(s)
        s.guests = None


def test_a_socket_that_somebody_listens_on_is_left_alone(pair):
    path = pair.daemon.socket_path("taken")
    before = pair.settings()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        born = os.stat(path).st_ctime_ns
        with pytest.raises(CtlError, match="taken.sock.*listens") as refused:
            pair.daemon.ctl("port", "add", "x", "uplink", "up0", "socket", path)
        assert refused.value.status == 2
        assert os.stat(path).st_ctime_ns == born
    assert pair.settings() == before
    pair.daemon.ctl("port", "add", "x", "uplink", "up0", "socket", path)  # stale by now
    assert os.stat(path).st_ctime_ns > born
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)  # the daemon listens


def test_a_file_that_is_no_socket_is_left_alone(pair):
    path = pair.daemon.dir / "precious"
    path.write_text("data")
    with pytest.raises(CtlError, match="precious.*not a socket"):
        pair.daemon.ctl("port", "add", "x", "uplink", "up0", "socket", path)
    assert path.read_text() == "data"
    link = pair.daemon.dir / "link"
    link.symlink_to(path)
    with pytest.raises(CtlError, match="link.*not a socket"):
        pair.daemon.ctl("port", "add", "x", "uplink", "up0", "socket", link)
    assert link.is_symlink() and path.read_text() == "data"


def test_owner_and_mode():
    user, group = pwd.getpwnam("nobody"), grp.getgrnam("daemon")
    cases = {"a": ("nobody", user.pw_uid, 0), "b": ("nobody:daemon", user.pw_uid, group.gr_gid),
             "c": (":daemon", 0, group.gr_gid), "d": ("1234:2345", 1234, 2345),
             "e": (None, 0, 0)}
    ports = {n: {"socket_owner": c[0]} if c[0] else {} for n, c in cases.items()}
    with Setup(ports, guests=False, daemon={"control_group": "daemon"}) as s:
        for name, (_, uid, gid) in cases.items():
            st = os.stat(s.daemon.socket_path(name))
            assert (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)) == (uid, gid, 0o660), name
        st = os.stat(s.daemon.control)
        assert (st.st_gid, stat.S_IMODE(st.st_mode)) == (group.gr_gid, 0o660)
        before = s.settings()
        for owner in "no-such-user", ":no-such-group":
            with pytest.raises(CtlError, match=owner.strip(":")):
                s.daemon.ctl("port", "add", "x", "uplink", "up0", "socket_owner", owner,
                             "socket", s.daemon.socket_path("x"))
            assert not os.path.exists(s.daemon.socket_path("x"))
        assert s.settings() == before


def test_sockets_go_with_their_ports(pair):
    for name in "b1", "b2":
        assert os.path.exists(pair.daemon.socket_path(name))
    pair.guests.kill()
    pair.guests = None
    pair.daemon.ctl("port", "del", "b1")
    assert not os.path.exists(pair.daemon.socket_path("b1"))
    assert os.path.exists(pair.daemon.socket_path("b2"))


def test_the_control_socket_is_private(pair):
    assert stat.S_IMODE(os.stat(pair.daemon.control).st_mode) == 0o660


def test_a_client_port_waits_for_its_guest():
    """socket_role client: the daemon tries again and again until QEMU listens."""
    with Setup({"b1": CLIENTS["b1"]}, guests=False) as s:
        assert s.daemon.port("b1")["link"] == "down"
        guests = Guests([s.guest_port("b1", role="server")])
        with guests:
            s.daemon.wait_links(["b1"])
            s.guests = guests
            assert s.gives("b1", F.build(mac(9), B1)) == [WIRE]
        s.guests = None
        s.daemon.wait_links(["b1"], up=False)
