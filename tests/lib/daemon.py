# SPDX-License-Identifier: BSD-3-Clause
"""The daemon under test: its config file, its process, macvctl, and JSON-RPC without macvctl.

The programs come from the build folder in MACVSWITCH_BUILD (default: build in the checkout).
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BUILD = Path(os.environ.get("MACVSWITCH_BUILD",
                            Path(__file__).resolve().parents[2] / "build")).resolve()
EAL = "--no-huge -m 512 --no-pci"


class CtlError(Exception):
    """macvctl ended with another status than 0."""

    def __init__(self, status, stderr):
        super().__init__(f"macvctl: exit {status}: {stderr}")
        self.status, self.stderr = status, stderr


class RpcError(Exception):
    """The daemon answered with a JSON-RPC error."""

    def __init__(self, error):
        super().__init__(error.get("message"))
        self.code, self.data = error.get("code"), error.get("data")


def poll_until(condition, timeout, what):
    """Returns the condition's first true value; TimeoutError after timeout seconds."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"not within {timeout} s: {what}")
        time.sleep(0.02)


class Daemon:
    """uplinks and ports: {name: {key: value}}, as in the config file; a port without socket and
    device gets socket_path(name). daemon: further keys of its section. build: another folder."""

    def __init__(self, netns=None, uplinks=None, ports=None, eal="", daemon=None, start=True,
                 build=None):
        self.build = build or BUILD
        self.netns, self.process, self.connection = netns, None, None
        self.dir = Path(tempfile.mkdtemp(prefix="mvsw-d"))
        self.control = str(self.dir / "control.sock")
        self.config_path = self.dir / "macvswitch.conf"
        self.log_path = self.dir / "log"
        self.daemon = {"control": self.control, "workers": 1,
                       "eal": f"{EAL} {eal}".strip(), **(daemon or {})}
        self.uplinks, self.ports = dict(uplinks or {}), dict(ports or {})
        self.write_config()
        if start:
            self.start()

    def socket_path(self, port):
        return str(self.dir / f"{port}.sock")

    def write_config(self):
        """Writes the file from self.daemon, self.uplinks and self.ports (for reloads, too)."""
        lines = ["[daemon]", *_keys(self.daemon)]
        for name, keys in self.uplinks.items():
            lines += [f"[uplink {name}]", *_keys(keys)]
        for name, keys in self.ports.items():
            if "socket" not in keys and "device" not in keys:
                keys = {**keys, "socket": self.socket_path(name)}
            lines += [f"[port {name}]", *_keys({"uplink": "up0", **keys})]
        self.config_path.write_text("\n".join(lines) + "\n")

    def start(self, timeout=20):
        command = [str(self.build / "control/macvswitchd"), "-c", str(self.config_path)]
        if self.netns is not None:
            command = ["ip", "netns", "exec", self.netns.name, *command]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT)
        try:
            poll_until(self._answers, timeout, "the daemon answers")
        except Exception as error:
            log = self.log()
            self.kill()
            raise RuntimeError(f"{error}; its log:\n{log}") from error

    def _answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"macvswitchd ended: exit status {self.process.returncode}")
        try:
            return self.rpc("version") is not None  # not before all of the config is there
        except OSError:
            self._disconnect()
            return False

    def log(self):
        return self.log_path.read_text(errors="replace")[-8000:] if self.log_path.exists() else ""

    def ctl(self, *args, raw=False, check=True):
        """macvctl -j ARGS: the parsed answer, or None where it says nothing. raw: its text,
        without -j. check=False: returns the CompletedProcess instead of raising CtlError."""
        command = [str(self.build / "control/macvctl/macvctl"), *([] if raw else ["-j"]),
                   "--control", self.control, *map(str, args)]
        done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=60)
        if not check:
            return done
        if done.returncode != 0:
            raise CtlError(done.returncode, done.stderr.strip())
        if raw:
            return done.stdout
        return json.loads(done.stdout) if done.stdout.strip() else None

    def rpc(self, method, **params):
        """One JSON-RPC request on this object's own connection; the result, or RpcError."""
        if self.connection is None:
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(60)
            sock.connect(self.control)
            self.connection = sock.makefile("rw")
            sock.close()  # the file keeps it
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        self.connection.write(json.dumps(request) + "\n")
        self.connection.flush()
        line = self.connection.readline()
        if not line:
            self._disconnect()
            raise ConnectionError("the daemon closed the connection")
        answer = json.loads(line)
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer.get("result")

    def port(self, name):
        """port.show's object, with counters."""
        return next(p for p in self.rpc("port.show") if p["name"] == name)

    def wait_links(self, names, up=True, timeout=10):
        """Until the guests of these ports are attached and their rings run (or are not)."""
        want = "up" if up else "down"

        def there():
            links = {p["name"]: p["link"] for p in self.rpc("port.show")}
            return all(links.get(name) == want for name in names)
        poll_until(there, timeout, f"link {want} of {' '.join(names)}")

    def _disconnect(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def stop(self, remove=True):
        """SIGTERM; must end with status 0 within 10 s. remove: the folder goes with it."""
        self._disconnect()
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            log, where = self.log(), _backtrace(self.process.pid)
            self.kill()
            raise AssertionError(
                f"macvswitchd does not stop; its log:\n{log}\n{where}") from None
        assert status == 0, f"macvswitchd: exit status {status}; its log:\n{self.log()}"
        if remove:
            self.remove()

    def kill(self):
        """SIGKILL; the folder stays, for start() again, until remove()."""
        self._disconnect()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def remove(self):
        if "MACVSWITCH_KEEP" not in os.environ:
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print(f"macvswitchd's log:\n{self.log()}", file=sys.stderr)
            self.kill()
            self.remove()
        elif self.process is not None and self.process.poll() is None:
            self.stop()


def _backtrace(pid):
    """Where each thread is, if there is a gdb to ask."""
    if shutil.which("gdb") is None:
        return ""
    done = subprocess.run(["gdb", "-p", str(pid), "-batch", "-ex", "thread apply all bt 12"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, timeout=30)
    return done.stdout[-6000:]


def _keys(keys):
    def text(value):
        if isinstance(value, bool):
            return "on" if value else "off"
        return " ".join(value) if isinstance(value, (list, tuple)) else str(value)
    return [f"{key} = {text(value)}" for key, value in keys.items()]
