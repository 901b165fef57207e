# SPDX-License-Identifier: BSD-3-Clause
"""The switch under test: one daemon for the whole run; each topology's ports are added to it and
deleted again, with new guests."""
from lib.daemon import Daemon
from lib.guest import GuestPort, Guests
from lib.netns import Netns
from lib.wire import Wire

from .exchange import Exchange
from .topology import WIRE


class Switch:
    """with Switch(uplink_mac) as s: with s.topology(topology) as t: t.run(frames)"""

    def __init__(self, uplink_mac):
        self.ns = Netns("switch")
        self.ns.veth("uplink", "wire", mac=uplink_mac)
        self.wire = Wire(self.ns, "wire")
        self.daemon = Daemon(self.ns, {"up0": {"device": "net_af_packet0,iface=uplink"}})

    def topology(self, topology):
        return _Ports(self, topology)

    def __enter__(self):
        self.daemon.__enter__()
        return self

    def __exit__(self, *failure):
        try:
            self.daemon.__exit__(*failure)
        finally:
            self.wire.close()
            self.ns.delete()


class _Ports:
    def __init__(self, switch, topology):
        self.switch, self.topology, self.guests = switch, topology, None

    def __enter__(self):
        for p in self.topology.ports:
            self.switch.daemon.rpc("port.add", **self._keys(p))
        path = self.switch.daemon.socket_path
        self.guests = Guests([GuestPort(p.name, path(p.name), mac=p.mac)
                              for p in self.topology.ports])
        self.switch.daemon.wait_links([p.name for p in self.topology.ports])
        self.exchange = Exchange({WIRE: self.switch.wire, **self.guests.guests})
        self.exchange.sync()
        return self

    def _keys(self, p):
        keys = {"name": p.name, "uplink": "up0", "mode": p.mode,
                "socket": self.switch.daemon.socket_path(p.name),
                "allmulticast": "on" if p.allmulticast else "off",
                "promisc": "on" if p.promisc else "off", "maddr": p.groups + p.extra}
        if p.mode == "passthru":
            return {**keys, "nopromisc": "on" if p.nopromisc else "off"}
        return {**keys, "mac": p.mac}

    def run(self, batch):
        return self.exchange.run(batch)

    def __exit__(self, *failure):
        self.guests.__exit__(*failure)
        if failure[0] is None:
            for p in self.topology.ports:
                self.switch.daemon.rpc("port.del", name=p.name)
