# SPDX-License-Identifier: BSD-3-Clause
"""The simulated NIC (tests/simnic) as uplink: its devargs, its wire, and its control socket.

    with SimNic(folder, macs=3, flows=8) as nic, \\
            Daemon(uplinks={"up0": {"device": nic.device}}, eal=nic.eal) as daemon:
        nic.send(frame)
        nic.wait_state(lambda state: not state["promisc"])
        nic.ctl("fault flow_no_steer on")

A SimNic is also a Wire: send(), poll() and collect() are the same.
"""
import atexit
import collections
import fcntl
import functools
import json
import shutil
import socket
import stat
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from .daemon import BUILD, poll_until

PLUGIN = BUILD / "tests/simnic/librte_net_simnic.so"
SOURCES = Path(__file__).resolve().parents[1] / "simnic"


class SimNicError(Exception):
    """The NIC refused a command."""


class SimNic:
    """folder: for its sockets; a short path. name: net_simnic0 to net_simnicN, each once a daemon.
    devargs: tests/simnic/simnic_args.c has them; True and False are 1 and 0."""

    def __init__(self, folder, name="net_simnic0", **devargs):
        paths = {key: str(Path(folder, f"{name}.{key}")) for key in ("wire", "peer", "ctl")}
        self.wire_path, self.ctl_path = paths["wire"], paths["ctl"]
        self.eal = f"-d {_trusted()}"
        self.device = ",".join([name, *(f"{key}={_text(value)}"
                                        for key, value in {**paths, **devargs}.items())])
        self.connection = None
        self.frames, self.arrival = collections.deque(), threading.Condition()
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(paths["peer"])
        self.sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sender.settimeout(10)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        """A full socket would hold up the NIC's transmit queue: taken at once."""
        while frame := self.sock.recv(65536):
            with self.arrival:
                self.frames.append(frame)
                self.arrival.notify_all()

    def send(self, frame):
        """Waits while the NIC does not take frames; it must be there."""
        self.sender.sendto(frame, self.wire_path)

    def poll(self):
        """All frames that are here now."""
        with self.arrival:
            frames = list(self.frames)
            self.frames.clear()
        return frames

    def collect(self, timeout=1.0, quiet=0.2, count=None):
        """Frames until count are here, nothing came for quiet seconds, or the timeout."""
        frames, end = [], time.monotonic() + timeout
        while count is None or len(frames) < count:
            wait = min(quiet if count is None else timeout, end - time.monotonic())
            with self.arrival:
                if wait <= 0 or not self.arrival.wait_for(lambda: self.frames, wait):
                    break
            frames += self.poll()
        return frames

    def ctl(self, command):
        """state, fault NAME on|off, reset, remove, link up|down, watch ADDRESS, replay N, clear."""
        if self.connection is None:
            self.connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self.connection.settimeout(10)
            self.connection.connect(self.ctl_path)
        self.connection.sendall(command.encode())
        data = self.connection.recv(1 << 20)
        if not data:
            self.disconnect()
            raise ConnectionError("the NIC is gone")
        answer = json.loads(data)
        if "error" in answer:
            raise SimNicError(f"{command}: {answer['error']}")
        return answer

    def state(self):
        return self.ctl("state")

    def wait_state(self, predicate, timeout=5, what="the NIC's state"):
        """The first state for which predicate(state) is true."""
        def matching():
            state = self.state()
            return state if predicate(state) else None
        return poll_until(matching, timeout, what)

    def disconnect(self):
        """The next command connects again (to the daemon's next instance)."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def close(self):
        self.disconnect()
        self.sock.shutdown(socket.SHUT_RDWR)  # ends the reader
        self.reader.join(10)
        self.sock.close()
        self.sender.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def build():
    """The plugin, unless it is up to date; of several test processes one builds."""
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / ".simnic.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run([str(SOURCES / "build"), str(BUILD)], check=True)


@functools.cache
def _trusted():
    """The plugin's path, built. The EAL loads none from below a folder that everybody may write to
    (a checkout in /tmp): then a copy's."""
    build()
    if not any(folder.stat().st_mode & stat.S_IWOTH for folder in PLUGIN.parents):
        return PLUGIN
    folder = tempfile.mkdtemp(dir="/run", prefix="mvsw-simnic-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return shutil.copy(PLUGIN, folder)


def _text(value):
    return str(int(value)) if isinstance(value, bool) else str(value)
