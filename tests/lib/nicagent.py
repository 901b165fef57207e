# SPDX-License-Identifier: BSD-3-Clause
"""The part of tests/lib/nicguest.py that runs inside of the guest, in a chroot of the host's root:
it owns the daemon and its guests there, and does with them what the test says.

    python3 -m lib.nicagent PORT

PORT is a virtio-serial port. A line of JSON asks for a method of an object, and gets a line with
its result or error: {"object": "daemon", "method": "rpc", "args": ["version"], "keys": {}}. Frames
are {"hex": ...}.
"""
import json
import os
import sys

from .daemon import CtlError, Daemon, RpcError
from .guest import GuestPort, Guests


def pack(value):
    """As JSON can say it."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, dict):
        return {key: pack(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [pack(v) for v in value]
    return value


def unpack(value):
    if isinstance(value, dict):
        if set(value) == {"hex"}:
            return bytes.fromhex(value["hex"])
        return {key: unpack(v) for key, v in value.items()}
    if isinstance(value, list):
        return [unpack(v) for v in value]
    return value


class Agent:
    """The object "agent"; the others are daemon, guests and guest:NAME."""

    def __init__(self):
        self.daemon = self.guests = None

    def start_daemon(self, uplinks, ports, daemon, timeout):
        self.daemon = Daemon(None, uplinks, ports, daemon=daemon, start=False)
        self.daemon.start(timeout)

    def stop_daemon(self):
        """Its log; it must end with status 0."""
        self.daemon.stop(remove=False)
        return self.daemon.log()

    def start_guests(self, ports, mtu, timeout):
        self.guests = Guests([GuestPort(**port) for port in ports], mtu=mtu, timeout=timeout)

    def stop_guests(self):
        self.guests.stop()

    def find(self, name):
        kind, _, which = name.partition(":")
        if kind == "guest":
            return self.guests[which]
        return {"agent": self, "daemon": self.daemon, "guests": self.guests}[kind]

    def answer(self, request):
        method = getattr(self.find(request["object"]), request["method"])
        try:
            return {"result": pack(method(*unpack(request["args"]), **unpack(request["keys"])))}
        except RpcError as error:
            return {"error": {"message": str(error), "code": error.code, "data": error.data},
                    "type": "rpc"}
        except CtlError as error:
            return {"error": str(error), "status": error.status, "type": "ctl"}
        except Exception as error:  # whatever it is, the test has to know
            return {"error": f"{type(error).__name__}: {error}", "type": "other"}


def main():
    agent = Agent()
    with open(os.open(sys.argv[1], os.O_RDWR), "r+b", buffering=0) as port:
        port.write(b'{"result": "ready"}\n')
        buffer = b""
        while data := port.read(1 << 16):
            buffer += data
            while b"\n" in buffer:
                line, buffer = buffer.split(b"\n", 1)
                answer = json.dumps(agent.answer(json.loads(line))).encode() + b"\n"
                while answer:
                    answer = answer[port.write(answer):]


if __name__ == "__main__":
    main()
