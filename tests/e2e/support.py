# SPDX-License-Identifier: BSD-3-Clause
"""A switch with its surroundings for the end-to-end tests, and the questions that they ask of it.

No fixed waits: Setup.gives() sends frames, waits until the daemon has counted each as delivered or
dropped, and takes from every receiver exactly as many as were counted. What arrives beyond that is
a stray, which the next question complains of.
"""
import contextlib
import json
import subprocess
import time

from lib import frames as F
from lib.daemon import BUILD, Daemon, poll_until
from lib.guest import GuestPort, Guests
from lib.netns import Netns
from lib.wire import Wire

UPLINK_MAC = "02:00:00:00:00:10"
EXTERNAL = "02:00:00:00:00:99"  # a station on the wire
NOBODY = "02:00:00:00:00:77"
GROUP = "01:00:5e:01:02:03"
OTHER_GROUP = "01:00:5e:01:02:04"
ALL_HOSTS = "01:00:5e:00:00:01"
ALL_HOSTS6 = "33:33:00:00:00:01"
LLDP = "01:80:c2:00:00:0e"
WIRE = "wire"


def mac(n):
    return f"52:54:00:00:{n >> 8:02x}:{n & 255:02x}"


MODES = {name: {"mode": mode, "mac": mac(i + 1)} for i, (name, mode) in enumerate([
    ("b1", "bridge"), ("b2", "bridge"), ("v1", "vepa"), ("v2", "vepa"),
    ("p1", "private"), ("p2", "private")])}


class Setup:
    """Namespace, veth up0 - wire0, wire, daemon, guests of all vhost-user ports.

    ports: as Daemon takes them. guests: False for none, or {port: further GuestPort fields}.
    """

    def __init__(self, ports=None, guests=True, uplink=None, daemon=None, mtu=1500, eal=""):
        self.ports = dict(ports or {})
        self.guest_fields = guests if isinstance(guests, dict) else {}
        self.with_guests, self.mtu = guests is not False, mtu
        self.uplink = {"device": "net_af_packet0,iface=up0", **(uplink or {})}
        self.daemon_keys, self.eal = daemon, eal
        self.stack = contextlib.ExitStack()
        self.guests = self.process = None

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.ns = stack.enter_context(Netns("e2e"))
            self.ns.veth("up0", "wire0", mac=UPLINK_MAC, mtu=self.mtu)
            self.wire = stack.enter_context(Wire(self.ns, "wire0"))
            self.daemon = stack.enter_context(Daemon(
                self.ns, {"up0": self.uplink}, self.ports, eal=self.eal, daemon=self.daemon_keys))
            self.rpc = self.daemon.rpc
            if self.with_guests:
                self.guests = stack.enter_context(self.attach(
                    *(name for name, p in self.ports.items() if "device" not in p)))
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *failure):
        return self.stack.__exit__(*failure)

    def guest_port(self, name, **fields):
        return GuestPort(name, self.daemon.socket_path(name),
                         **{**self.guest_fields.get(name, {}), **fields})

    def attach(self, *names, **fields):
        """Guests for these ports, all up."""
        guests = Guests([self.guest_port(name, **fields) for name in names], mtu=self.mtu)
        try:
            self.daemon.wait_links(names)
        except BaseException:
            guests.kill()
            raise
        return guests

    @contextlib.contextmanager
    def attached(self, name):
        """One more guest meanwhile, of a process of its own, that gives() knows of as well."""
        with self.attach(name) as guests:
            self.guests.guests[name] = guests[name]
            try:
                yield guests
            finally:
                del self.guests.guests[name]

    def endpoint(self, name):
        return self.wire if name == WIRE else self.guests[name]

    def endpoints(self):
        names = [] if self.guests is None else list(self.guests.guests)
        return {name: self.endpoint(name) for name in [WIRE, *names]}

    def counters(self):
        return counters(self.daemon)

    def strays(self):
        """{receiver: frames} that nobody asked for; other programs' are not looked at."""
        found = {name: [f for f in end.poll() if F.frame_number(f) is not None]
                 for name, end in self.endpoints().items()}
        return {name: frames for name, frames in found.items() if frames}

    def gives(self, source, *frames, queue=0):
        """Sends frames from a guest or "wire". Returns the receivers of one frame, sorted, or a
        list of that for several. A receiver of a changed frame shows as "NAME~changed"."""
        assert self.strays() == {}, "a frame came that was not counted when it was asked for"
        before = self.counters()
        uplinks = [u["name"] for u in self.rpc("uplink.show")]
        origin = uplinks[0] if source == WIRE else source
        for frame in frames:
            if source == WIRE:
                self.wire.send(frame)
            else:
                self.guests[source].send(frame, queue)
        after = poll_until(lambda: self._settled(before, origin, len(frames)), 5,
                           f"{len(frames)} frames from {source} are counted")
        got = {name: [] for name in [WIRE, *after] if name not in uplinks}
        for name, c in after.items():
            count = c["to_packets"] - before[name]["to_packets"]
            receiver = WIRE if name in uplinks else name
            if count == 0 or receiver not in self.endpoints():
                continue
            while len(got[receiver]) < count:
                new = self.endpoint(receiver).collect(3, count=count - len(got[receiver]))
                assert new, f"{receiver}: {count} frames counted, got {len(got[receiver])}"
                got[receiver] += [f for f in new if F.frame_number(f) is not None]
        results = [self._receivers(frame, got) for frame in frames]
        assert not any(got.values()), f"frames of nobody: {got}"
        return results[0] if len(frames) == 1 else results

    def _settled(self, before, origin, n):
        now = self.counters()
        if set(now) == set(before) and \
                now[origin]["from_packets"] - before[origin]["from_packets"] == n and \
                balance(now) == balance(before):
            return now
        return None

    @staticmethod
    def _receivers(frame, got):
        names = []
        for name, frames in got.items():
            for copy in [f for f in frames if F.frame_number(f) == F.frame_number(frame)]:
                frames.remove(copy)
                names.append(name if copy == frame else f"{name}~changed")
        return sorted(names)

    def drops(self, source, *frames):
        """Sends frames that nobody gets: {reason: count}, at all ports and uplinks together."""
        before = drop_sums(self.counters())
        got = self.gives(source, *frames)
        assert not any(got), f"delivered to {got}"
        after = drop_sums(self.counters())
        return {r: n - before.get(r, 0) for r, n in after.items() if n != before.get(r, 0)}

    def settings(self):
        """All that port.show and uplink.show say, without what traffic changes."""
        return [{k: v for k, v in o.items() if k not in ("counters", "removed_ports")}
                for o in self.rpc("port.show") + self.rpc("uplink.show")]


def counters(daemon):
    """{name: {from_packets, from_bytes, to_packets, to_bytes, copies, drops}} of each port and
    uplink, and "removed UPLINK" for the ports that uplink had before."""
    def plain(c):
        return {k.replace("_guest", "").replace("_wire", ""): v for k, v in c.items()}
    found = {p["name"]: plain(p["counters"]) for p in daemon.rpc("port.show")}
    for u in daemon.rpc("uplink.show"):
        found[u["name"]] = plain(u["counters"])
        found[f"removed {u['name']}"] = plain(u["removed_ports"])
    return found


def balance(c):
    """0 when every frame that came in is accounted for (dataplane/counters.h)."""
    return sum(x["from_packets"] + x["copies"] - x["to_packets"] - sum(x["drops"].values())
               for x in c.values())


def drop_sums(c):
    sums = {}
    for x in c.values():
        for reason, n in x["drops"].items():
            sums[reason] = sums.get(reason, 0) + n
    return sums


def sunk(s, name, count, source=None):
    """The stats of a sink once count frames (of one source MAC) are there, or after a while: what
    the daemon has delivered may still wait in the guest's ring."""
    at_rest(s.daemon)

    def stats():
        got = s.guests.stats(name)
        return got["streams"].get(source, got) if source else got
    with contextlib.suppress(TimeoutError):
        poll_until(lambda: stats()["received"] >= count, 3, f"{name} has got {count} frames")
    return stats()


def at_rest(daemon, timeout=10):
    """The counters once they no longer change."""
    def same():
        first = counters(daemon)
        time.sleep(0.05)
        return first if counters(daemon) == first else None
    return poll_until(same, timeout, "the counters stand still")


@contextlib.contextmanager
def changed(s, name, **keys):
    """Keys of a port are other ones meanwhile (values as texts)."""
    before = s.daemon.port(name)
    old = {key: before.get(key, "") for key in keys}  # maddr is not among port.show's members
    s.rpc("port.set", name=name, **keys)
    try:
        yield
    finally:
        s.rpc("port.set", name=name, **old)


class Monitor:
    """macvctl monitor in the background; events() are those so far."""

    def __init__(self, daemon):
        self.path = daemon.dir / "events"
        with open(self.path, "wb") as out:
            self.process = subprocess.Popen(
                [str(BUILD / "control/macvctl/macvctl"), "-j", "--control", daemon.control,
                 "monitor"], stdin=subprocess.DEVNULL, stdout=out)
        self.daemon, self.marker = daemon, 0

    def events(self, timeout=5):
        """All events until now: one that we cause ourselves comes after them."""
        self.marker += 1
        name, socket = f"mark{self.marker}", str(self.daemon.dir / "mark.sock")
        self.daemon.rpc("port.add", name=name, uplink="up0", socket=socket)
        self.daemon.rpc("port.del", name=name)

        def seen():
            events = [json.loads(line) for line in self.path.read_text().splitlines()]
            return any(e["event"] == "port.removed" and e["name"] == name for e in events) \
                and events
        return [(e["event"], e["name"]) for e in poll_until(seen, timeout, "the events come")
                if not e["name"].startswith("mark")]

    def raw(self):
        self.events()
        return self.path.read_text()

    def __enter__(self):
        deadline = time.monotonic() + 5
        while True:  # until it listens: its first event comes
            try:
                self.events(timeout=0.5)
                return self
            except TimeoutError:
                assert time.monotonic() < deadline, "macvctl monitor shows nothing"

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(5)
