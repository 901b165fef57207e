# SPDX-License-Identifier: BSD-3-Clause
"""Network namespaces and veth pairs for tests; root only.

Names carry this process's id (mvsw-PID-...). All are deleted at exit, and those of processes that
died without doing so are deleted by the next one that makes a namespace.
"""
import atexit
import contextlib
import ctypes
import itertools
import os
import subprocess
from pathlib import Path

PREFIX = "mvsw"
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count()
_alive = {}


def run(*args, input=None, check=True):
    """Runs a command, returns its stdout; its stderr is in the exception if it fails."""
    done = subprocess.run(args, input=input, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(args)}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


class Netns:
    """A namespace without IPv6 and without addresses, unless the test adds some."""

    def __init__(self, hint="ns", ipv6=False):
        _sweep()
        self.name = f"{PREFIX}-{os.getpid()}-{hint}-{next(_numbers)}"
        run("ip", "netns", "add", self.name)
        _alive[self.name] = self
        if not ipv6:
            for which in "all", "default":
                self.sysctl(f"net/ipv6/conf/{which}/disable_ipv6", 1)
        self.ip("link", "set", "lo", "up")

    def ip(self, *args, batch=None):
        """`ip ARGS` in the namespace; batch: lines for `ip -batch -` instead."""
        if batch is not None:
            return run("ip", "-n", self.name, "-batch", "-", input="\n".join(batch) + "\n")
        return run("ip", "-n", self.name, *map(str, args))

    def run(self, *args, check=True):
        return run("ip", "netns", "exec", self.name, *map(str, args), check=check)

    def sysctl(self, key, value):
        with self.entered():
            Path("/proc/sys", key).write_text(f"{value}\n")

    @contextlib.contextmanager
    def entered(self):
        """This thread is in the namespace; sockets opened meanwhile stay in it."""
        with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{self.name}") as there:
            _setns(there.fileno())
            try:
                yield
            finally:
                _setns(home.fileno())

    def veth(self, a, b, peer=None, mac=None, mtu=1500, txqueuelen=4096):
        """A veth pair a (here) - b (here, or in the namespace peer), up, all offloads off."""
        peer = peer or self
        self.ip("link", "add", a, *(["address", mac] if mac else []), "mtu", mtu,
                "txqueuelen", txqueuelen, "type", "veth", "peer", "name", b, "mtu", mtu,
                "txqueuelen", txqueuelen, "netns", peer.name)
        for ns, name in (self, a), (peer, b):
            ns.offloads_off(name)
            ns.ip("link", "set", name, "up")

    def offloads_off(self, name):
        self.run("ethtool", "-K", name, "tx", "off", "gso", "off", "tso", "off", "gro", "off")

    def delete(self):
        if _alive.pop(self.name, None) is not None:
            run("ip", "netns", "del", self.name, check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.delete()


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _sweep():
    """Deletes the namespaces of processes that are no more."""
    for path in Path("/run/netns").glob(f"{PREFIX}-*-*"):
        pid = path.name.split("-")[1]
        if pid.isdigit() and not Path("/proc", pid).exists():
            run("ip", "netns", "del", path.name, check=False)


@atexit.register
def _delete_all():
    for ns in list(_alive.values()):
        ns.delete()
