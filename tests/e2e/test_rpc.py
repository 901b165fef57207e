# SPDX-License-Identifier: BSD-3-Clause
"""The control socket takes anything from anybody: no JSON, too much, too slow, too many."""
import json
import socket
import time

import pytest

from lib import frames as F
from support import MODES, Setup

LIMIT = 1 << 20


@pytest.fixture(scope="module")
def s():
    with Setup({"b1": MODES["b1"], "b2": MODES["b2"]}) as s:
        yield s


@pytest.fixture(autouse=True)
def _undisturbed(s):
    """Whatever a test did, settings stay, guests talk and others are answered."""
    before = s.settings()
    yield
    assert s.settings() == before
    assert s.gives("b1", F.build(MODES["b2"]["mac"], MODES["b1"]["mac"])) == ["b2"]


class Connection:
    def __init__(self, s):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(s.daemon.control)
        self.file = self.sock.makefile("rb")

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else json.dumps(data).encode() + b"\n")

    def answer(self):
        line = self.file.readline()
        return json.loads(line) if line else None

    def ask(self, data):
        self.send(data)
        return self.answer()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.sock.close()


def _request(method, params=None, number=1):
    return {"jsonrpc": "2.0", "id": number, "method": method,
            **({} if params is None else {"params": params})}


GARBAGE = {
    "words": b"port show\n", "half": b'{"jsonrpc": "2.0", "id": 1,\n', "empty string": b'""\n',
    "binary": bytes(range(1, 10)) + bytes(range(11, 256)) + b"\n", "nul": b'{"a": "\0"}\n',
    "bad utf-8": b'{"jsonrpc":"2.0","id":1,"method":"\xff\xfe"}\n', "number": b"42\n",
    "deep arrays": b"[" * 100000 + b"\n", "deep objects": b'{"a":' * 50000 + b"\n",
    "deep and closed": b"[" * 3000 + b"]" * 3000 + b"\n",
    "deep params": b'{"jsonrpc":"2.0","id":1,"method":"version","params":{"a":' +
                   b"[" * 1000 + b"]" * 1000 + b"}}\n",
    "twice": b'{"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"method":"version"}\n',
    "null": b"null\n", "batch": b'[{"jsonrpc":"2.0","id":1,"method":"version"}]\n',
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage(s, kind):
    """An error, and the connection goes on."""
    with Connection(s) as c:
        answer = c.ask(GARBAGE[kind])
        assert answer["error"]["code"] in (-32700, -32600, -32602) and answer["error"]["message"]
        if kind in ("words", "half", "binary", "nul", "bad utf-8", "deep arrays"):
            assert answer["error"]["code"] == -32700 and answer["id"] is None
        assert "result" in c.ask(_request("version"))


WRONG = [
    ({"id": 1, "method": "version"}, -32600, "jsonrpc"),
    ({"jsonrpc": "1.0", "id": 1, "method": "version"}, -32600, "jsonrpc"),
    ({"jsonrpc": "2.0", "id": 1}, -32600, "method"),
    ({"jsonrpc": "2.0", "id": 1, "method": 5}, -32600, "method"),
    ({"jsonrpc": "2.0", "id": [], "method": "version"}, -32600, "id"),
    (_request("port.nonsense"), -32601, "port.nonsense"),
    (_request(""), -32601, ""),
    (_request("port"), -32601, "port"),
    (_request("port.show", []), -32602, "an array"),
    (_request("port.show", "b1"), -32602, "a string"),
    (_request("port.show", {"name": 5}), -32602, "name"),
    (_request("port.show", {"name": None}), -32602, "name"),
    (_request("port.show", {"nam": "b1"}), -32602, "nam"),
    (_request("port.add", {}), -32602, "name"),
    (_request("port.add", {"name": "x"}), -32602, "uplink"),
    (_request("port.add", {"name": "x", "uplink": "up0", "queues": 1.5}), -32602, "queues"),
    (_request("port.add", {"name": "x", "uplink": "up0", "maddr": [5]}), -32602, "maddr"),
    (_request("port.add", {"name": "x", "uplink": "up0", "mode": {}}), -32602, "mode"),
    (_request("port.add", {"name": "x", "uplink": "up0", "mode": None}), -32602, "mode"),
    (_request("port.set", {"name": "b1", "mode": True}), -32000, "mode"),
    (_request("port.set", {"name": "b1"}), -32602, "nothing to change"),
    (_request("port.set", {"name": "b1", "queues": 2}), -32000, "fixed"),
    (_request("trace", {"from": "b1", "src": "x", "dst": "y", "vlan": 5.0}), -32602, "vlan"),
    (_request("trace", {"from": "b1", "src": MODES["b1"]["mac"], "dst": MODES["b2"]["mac"],
                        "vlan": 1 << 62}), -32000, "vlan"),
    (_request("port.del", {"name": "n" * 10000}), -32000, "no port"),
]


@pytest.mark.parametrize("request_, code, says", WRONG, ids=range(len(WRONG)))
def test_wrong_requests(s, request_, code, says):
    with Connection(s) as c:
        answer = c.ask(request_)
        assert answer["error"]["code"] == code and says in answer["error"]["message"]
        assert answer["id"] == (1 if request_.get("id") == 1 else None)


def test_native_types(s):
    """Integers, booleans and arrays where they make sense."""
    with Connection(s) as c:
        assert "result" in c.ask(_request("port.set", {"name": "b2", "promisc": True,
                                                       "maddr": ["01:00:5e:00:00:09"]}))
        port = s.daemon.port("b2")
        assert port["promisc"] == "on" and len(port["filter"]["multicast"]) == 1
        assert "result" in c.ask(_request("port.set", {"name": "b2", "promisc": False,
                                                       "maddr": []}))


def test_ten_megabytes(s):
    """Refused as too long, in one line that says the limit; the daemon does not keep it."""
    big = b'{"jsonrpc": "2.0", "id": 1, "method": "port.show", "params": {"name": "' + \
        b"x" * (10 << 20)
    rss = _rss(s)
    with Connection(s) as c:
        try:
            c.send(big)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = c.answer()
        assert answer["error"]["code"] == -32600 and str(LIMIT) in answer["error"]["message"]
        assert c.answer() is None  # closed
    assert _rss(s) - rss < 8 << 10


def _rss(s):
    text = open(f"/proc/{s.daemon.process.pid}/status").read()
    return int(text.split("VmRSS:")[1].split()[0])


def test_just_below_the_limit(s):
    """A line of nearly 1 MB is a request like others."""
    with Connection(s) as c:
        answer = c.ask(_request("port.show", {"name": "x" * (LIMIT - 1000)}))
        assert answer["error"]["code"] == -32000 and "no port" in answer["error"]["message"]


def test_one_byte_at_a_time(s):
    with Connection(s) as c:
        for request in _request("port.show", {"name": "b1"}), _request("version", number="two"):
            for byte in json.dumps(request).encode() + b"\n":
                c.send(bytes([byte]))
            answer = c.answer()
            assert answer["id"] == request["id"] and "result" in answer


def test_many_requests_at_once(s):
    """Answered in order; blank lines and notifications are not."""
    with Connection(s) as c:
        lines = b""
        for i in range(500):
            lines += json.dumps(_request("version", number=i)).encode() + b"\r\n\n"
            lines += b'{"jsonrpc": "2.0", "method": "version"}\n'
        c.send(lines)
        assert [c.answer()["id"] for _ in range(500)] == list(range(500))


def test_without_a_last_newline(s):
    with Connection(s) as c:
        c.send(json.dumps(_request("version")).encode())
        c.sock.shutdown(socket.SHUT_WR)
        assert "result" in c.answer() and c.answer() is None


def test_200_connections(s):
    """All are answered, also those that say nothing for long and those that just go."""
    connections = [Connection(s) for _ in range(200)]
    try:
        for i, c in enumerate(connections):
            if i % 10 == 0:
                c.send(b'{"half')
        for i, c in enumerate(connections):
            if i % 10:
                c.send(_request("port.show", number=i))
        for i, c in enumerate(connections):
            if i % 10:
                answer = c.answer()
                assert answer["id"] == i and len(answer["result"]) == 2
        assert s.daemon.ctl("version", check=False).returncode == 0
    finally:
        for c in connections:
            c.__exit__()


def test_a_peer_that_never_reads(s):
    """The daemon drops it at some point; others are answered meanwhile."""
    with Connection(s) as c:
        c.sock.setblocking(False)
        request = json.dumps(_request("config.show")).encode() + b"\n"
        end, sent, gone = time.monotonic() + 15, 0, False
        while time.monotonic() < end and not gone:
            try:
                sent += c.sock.send(request * 100)
            except BlockingIOError:
                assert s.rpc("version")["version"]
            except (BrokenPipeError, ConnectionResetError):
                gone = True
        assert gone, f"still connected after {sent} bytes of requests"


def test_a_peer_that_leaves_at_once(s):
    for _ in range(200):
        with Connection(s) as c:
            c.send(_request("port.show"))
