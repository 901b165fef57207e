# SPDX-License-Identifier: BSD-3-Clause
"""A minimal QMP client, for the tests' own monitor of a QEMU guest."""
import contextlib
import json
import select
import socket
import threading
import time


class QmpError(Exception):
    """QEMU answered with an error."""


class Qmp:
    """QEMU answers no greeting before all of its vhost-user sockets are connected."""

    def __init__(self, path, timeout=20):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        self.buffer, self.events = b"", []
        assert "QMP" in self._line(timeout), "no greeting"
        self.command("qmp_capabilities")

    def _line(self, timeout):
        """The next object that QEMU sends; None: not within timeout seconds."""
        end = time.monotonic() + timeout
        while b"\n" not in self.buffer:
            wait = max(0, end - time.monotonic())
            if not select.select([self.sock], [], [], wait)[0]:
                return None
            data = self.sock.recv(1 << 16)
            if not data:
                raise ConnectionError("QEMU closed its monitor")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def command(self, name, /, timeout=20, **arguments):
        """The answer's return; events that come meanwhile are kept for event()."""
        self.sock.sendall(json.dumps({"execute": name, "arguments": arguments}).encode())
        while True:
            answer = self._line(timeout)
            if answer is None:
                raise TimeoutError(f"no answer to {name}")
            if "event" in answer:
                self.events.append(answer)
            elif "error" in answer:
                raise QmpError(answer["error"]["desc"])
            elif "return" in answer:
                return answer["return"]

    def event(self, name, timeout=5):
        """The next event of that name; the others before it are forgotten. None: none came."""
        end = time.monotonic() + timeout
        while True:
            while self.events:
                event = self.events.pop(0)
                if event["event"] == name:
                    return event
            got = self._line(max(0, end - time.monotonic()))
            if got is None:
                return None
            self.events.append(got)

    def drain(self):
        """Forgets all events so far."""
        while self._line(0) is not None:
            pass
        self.events = []

    def rx_filter(self, device):
        return self.command("query-rx-filter", name=device)[0]

    def close(self):
        self.sock.close()


class QmpRelay:
    """Stands between the daemon and a monitor of QEMU's: stall() holds back what QEMU says,
    cut() ends the connection, refuse() lets none in; say() puts words into QEMU's mouth."""

    def __init__(self, path, target):
        self.path, self.target = path, target
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(4)
        self.pair, self.stalled, self.refusing, self.ended = (), False, False, False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.ended:
            with contextlib.suppress(OSError):
                ready = select.select([self.listener, *self._readable()], [], [], 0.02)[0]
                if self.listener in ready:
                    self._accept()
                for end in ready:
                    if end in self.pair:
                        self._pass(end)

    def _readable(self):
        return self.pair[:1] if self.stalled else self.pair

    def _accept(self):
        client = self.listener.accept()[0]
        if self.refusing or self.pair:
            client.close()
            return
        server = socket.socket(socket.AF_UNIX)
        server.connect(self.target)
        self.pair = (client, server)

    def _pass(self, end):
        data = end.recv(1 << 16)
        if data:
            self.pair[1 - self.pair.index(end)].sendall(data)
        else:
            self.cut()

    def connected(self):
        return bool(self.pair)

    def stall(self, on=True):
        self.stalled = on

    def refuse(self, on=True):
        self.refusing = on

    def say(self, data):
        self.pair[0].sendall(data)

    def cut(self):
        pair, self.pair = self.pair, ()
        for end in pair:
            end.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended = True
        self.thread.join(5)
        self.cut()
        self.listener.close()
