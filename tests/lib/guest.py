# SPDX-License-Identifier: BSD-3-Clause
"""Guests: tests/guest/vguest processes, and a unix socket to each guest's frames."""
import dataclasses
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from .daemon import BUILD, poll_until

HEADER = struct.Struct("=HH")  # queue, flags: struct datagram_header
SEGMENTED = 1
OFFLOAD = 2  # of a guest that negotiated none
UNFINISHED, LARGE = 4, 8  # of one with offloads
ASKS = struct.Struct("=HHHHH")  # struct datagram_asks
ASKS_FLAG = 16
TCP_CHECKSUM, UDP_CHECKSUM, SEGMENTS, IPV6 = 1, 2, 4, 8
PORTS_PER_PROCESS = 24  # below Debian's RTE_MAX_ETHPORTS


def vguest_path():
    return os.environ.get("MACVSWITCH_VGUEST", str(BUILD / "tests/guest/vguest"))


@dataclasses.dataclass
class GuestPort:
    """What vguest's --port takes."""
    name: str
    path: str
    role: str = "client"  # of the guest: client where the daemon's port is server
    mac: str = ""
    queues: int = 1
    queue_size: int = 256
    packed: int = 0
    mrg_rxbuf: int = 1
    offloads: int = 0
    tap: str = ""

    def argument(self):
        pairs = ((key, value) for key, value in vars(self).items() if value != "")
        return ",".join(f"{key}={value}" for key, value in pairs)


class Guest:
    """One guest's frames. recv() gives (frame, queue, flags)."""

    def __init__(self, port, folder):
        self.port, self.name = port, port.name
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for option in 32, 33:  # SO_SNDBUFFORCE, SO_RCVBUFFORCE
            self.sock.setsockopt(socket.SOL_SOCKET, option, 16 << 20)
        self.sock.connect(str(Path(folder, port.name)))

    def fileno(self):
        return self.sock.fileno()

    def send(self, frame, queue=0, asks=None):
        """asks: what a guest with offloads leaves to the switch: the lengths of the Ethernet, IP
        and TCP headers, a segment's payload, and a sum of TCP_CHECKSUM and so on."""
        if asks is None:
            self.sock.sendall(HEADER.pack(queue, 0) + frame)
        else:
            self.sock.sendall(HEADER.pack(queue, ASKS_FLAG) + ASKS.pack(*asks) + frame)

    def recv(self, timeout=1.0):
        """None: nothing came. ConnectionError: the guest is gone."""
        if not select.select([self.sock], [], [], timeout)[0]:
            return None
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError(f"guest {self.name} is gone")
        return (data[HEADER.size:], *HEADER.unpack_from(data))

    def poll(self):
        """All frames that are here now."""
        frames = []
        while (got := self.recv(0)) is not None:
            frames.append(got[0])
        return frames

    def collect(self, timeout=1.0, quiet=0.2, count=None):
        """Frames until count are here, nothing came for quiet seconds, or the timeout."""
        frames, end = [], time.monotonic() + timeout
        while count is None or len(frames) < count:
            wait = min(quiet if count is None else timeout, end - time.monotonic())
            got = self.recv(wait) if wait > 0 else None
            if got is None:
                break
            frames.append(got[0])
        return frames

    def close(self):
        self.sock.close()


class _Process:
    """One vguest."""

    def __init__(self, ports, folder, mtu, log):
        command = [vguest_path(), "--dir", str(folder), "--mtu", str(mtu)]
        for port in ports:
            command += ["--port", port.argument()]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=log, bufsize=0)
        self.ports, self.folder, self.guests = ports, folder, {}
        self.buffer = b""

    def wait_ready(self, timeout):
        self.answer(timeout)
        self.guests = {p.name: Guest(p, self.folder) for p in self.ports if not p.tap}
        self.command("stats")  # answered once it has our connections: none of its frames is lost

    def answer(self, timeout=10):
        end = time.monotonic() + timeout
        while b"\n" not in self.buffer:
            wait = end - time.monotonic()
            if wait <= 0 or not select.select([self.process.stdout], [], [], wait)[0]:
                raise TimeoutError("vguest does not answer")
            data = os.read(self.process.stdout.fileno(), 1 << 20)
            if not data:
                raise RuntimeError(f"vguest ended: exit status {self.process.wait(10)}")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        answer = json.loads(line)
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer

    def command(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        return self.answer()

    def end(self, sig):
        for guest in self.guests.values():
            guest.close()
        if self.process.poll() is None:
            self.process.send_signal(sig)
        status = self.process.wait(20)
        self.process.stdin.close()
        self.process.stdout.close()
        return status


class Guests:
    """Any number of guests. guests["vm1"].send(frame); guests["vm1"].recv()."""

    def __init__(self, ports, mtu=1500, wait=True, timeout=30):
        self.dir = Path(tempfile.mkdtemp(prefix="mvsw-g"))
        self.log_path = self.dir / "log"
        self.timeout = timeout
        with open(self.log_path, "wb") as log:
            self.processes = [
                _Process(ports[i:i + PORTS_PER_PROCESS], self.dir, mtu, log)
                for i in range(0, len(ports), PORTS_PER_PROCESS)]
        self.guests = {}
        if wait:
            self.wait_ready()

    def wait_ready(self):
        try:
            for process in self.processes:
                process.wait_ready(self.timeout)
                self.guests.update(process.guests)
        except Exception as error:
            log = self.log()
            self.kill()
            raise RuntimeError(f"{error}; vguest's log:\n{log}") from error

    def __getitem__(self, name):
        return self.guests[name]

    def __iter__(self):
        return iter(self.guests.values())

    def log(self):
        return self.log_path.read_text(errors="replace")[-4000:]

    def _process(self, name):
        return next(p for p in self.processes if any(q.name == name for q in p.ports))

    def stats(self, name=None):
        """Counters of all guests by name, or of one."""
        if name is not None:
            return self._process(name).command("stats")["ports"][name]
        return {k: v for p in self.processes for k, v in p.command("stats")["ports"].items()}

    def sink(self, name):
        """From now on numbered frames are counted (stats()), not received."""
        self._process(name).command(f"sink {name}")

    def pause(self, name, on=True):
        """A paused guest leaves its receive rings alone."""
        self._process(name).command(f"{'pause' if on else 'resume'} {name}")

    def blast(self, name, count, frame, rate=0):
        """Starts count numbered copies of frame (its last 8 bytes are overwritten)."""
        self._process(name).command(f"blast {name} {count} {rate} {frame.hex()}")

    def wait_blast(self, name, timeout=60):
        poll_until(lambda: self.stats(name)["blast_left"] == 0, timeout, f"blast of {name} ends")

    def signal(self, number):
        """To every process: SIGSTOP makes the guests idle without any cost, SIGCONT ends that."""
        for process in self.processes:
            process.process.send_signal(number)

    def stop(self):
        """Ends the guests as a shutdown does; each must end with status 0."""
        statuses = [p.end(signal.SIGTERM) for p in self.processes]
        log = self.log() if any(statuses) else ""
        self._forget()
        assert not any(statuses), f"vguest: exit status {statuses}\n{log}"

    def kill(self):
        for process in self.processes:
            process.end(signal.SIGKILL)
        self._forget()

    def _forget(self):
        self.processes, self.guests = [], {}
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.kill()
        elif self.processes:
            self.stop()
