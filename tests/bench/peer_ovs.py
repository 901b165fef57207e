# SPDX-License-Identifier: BSD-3-Clause
"""Open vSwitch with DPDK, with files, database, processes and a network namespace of its own (it
makes tap devices that outlive it: br0 and ovs-netdev); a running one is left alone. Guests are
dpdkvhostuser ports."""
import json
import os
import re
import shutil
import socket
import subprocess

from lib.daemon import poll_until
from lib.netns import Netns

from . import children
from .topology import OUTSIDE

VSWITCHD = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk"
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


class Ovs:
    """mac_flows: an OpenFlow rule for each address; else the NORMAL action, its table of addresses
    filled in beforehand, so that nothing is flooded because a guest has never spoken."""
    fans_out = True
    wires = ()
    hugepage_mb = 1024
    mac_flows = False

    def __init__(self, topology, cpu):
        self.topology, self.processes, self.logs = topology, [], []
        self.dir = os.path.join(topology.folder, "ovs")
        os.mkdir(self.dir)
        self.ns = Netns(self.name)
        self.env = {**os.environ, **{f"OVS_{kind}DIR": self.dir for kind in ("RUN", "DB", "LOG",
                                                                            "SYSCONF")}}
        self.db = f"unix:{self.dir}/db.sock"
        try:
            self._start(cpu)
            self._add_ports()
            self._fill()
        except BaseException as error:
            log = self._log()
            self.stop()
            if not isinstance(error, Exception):
                raise
            raise RuntimeError(f"{self.name}: {error}; its log:\n{log}") from error

    def _start(self, cpu):
        self._run("ovsdb-tool", "create", f"{self.dir}/conf.db", SCHEMA)
        self._spawn("ovsdb-server", f"{self.dir}/conf.db", f"--remote=p{self.db}",
                    f"--unixctl={self.dir}/db.ctl", "-vconsole:off", "-vsyslog:off")
        poll_until(lambda: os.path.exists(f"{self.dir}/db.sock"), 10, "ovsdb-server listens")
        config = {"dpdk-init": "true", "pmd-cpu-mask": hex(1 << cpu), "dpdk-lcore-mask":
                  hex(1 << cpu), "dpdk-socket-mem": str(self.hugepage_mb),
                  "dpdk-extra": "--in-memory --no-pci --single-file-segments --no-telemetry "
                                f"--file-prefix=mvsw-ovs-{os.getpid()}"}
        self._vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".",
                    *(f'other_config:{k}="{v}"' for k, v in config.items()))
        self._spawn("ip", "netns", "exec", self.ns.name, VSWITCHD, self.db, f"--unixctl={self.dir}/ctl",
                    f"--log-file={self.dir}/vswitchd.log", "-vconsole:off", "-vsyslog:off")
        poll_until(lambda: os.path.exists(f"{self.dir}/ctl"), 20, "ovs-vswitchd listens")

    def _add_ports(self):
        t = self.topology
        commands = ["add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev",
                    "fail_mode=secure", "other-config:mac-table-size=65536",
                    "other-config:mac-aging-time=3600"]
        self.ofport = {}
        devargs = {"pcap": f"net_pcap0,rx_pcap={t.pcap},infinite_rx=1",
                   "null": "net_null0,no-rx=1"}.get(t.wire)
        if devargs is not None:
            self.ofport["wire"] = 1
            commands += ["--", "add-port", "br0", "wire", "--", "set", "interface", "wire",
                         "type=dpdk", f'options:dpdk-devargs="{devargs}"', "ofport_request=1"]
        guests = (["wire"] if t.wire == "guest" else []) + list(t.addresses)
        for name in guests:
            self.ofport[name] = len(self.ofport) + 1
            commands += ["--", "add-port", "br0", name, "--", "set", "interface", name,
                         "type=dpdkvhostuser", f"ofport_request={self.ofport[name]}"]
        self._vsctl("--timeout=60", *commands)
        self.sockets = {name: os.path.join(self.dir, name) for name in guests}
        problems = self._vsctl("--columns=name,error", "--format=csv", "--no-headings", "find",
                               "interface", "error!=[]").strip()
        if problems:
            raise RuntimeError(problems)

    def _fill(self):
        """The address table, or a flow for each address."""
        where = [(a, name) for name, addresses in self.topology.addresses.items()
                 for a in addresses]
        if "wire" in self.ofport:
            where.append((OUTSIDE, "wire"))
        if self.mac_flows:
            flows = [f"dl_dst={a},actions=output:{self.ofport[name]}" for a, name in where]
            flows.append("dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=all")
        else:
            flows = ["actions=normal"]
            with Control(f"{self.dir}/ctl") as control:
                for a, name in where:
                    control.command("fdb/add", "br0", name, "0", a)
        self._run("ovs-ofctl", "-O", "OpenFlow13", "add-flows", f"unix:{self.dir}/br0.mgmt", "-",
                  text="\n".join(flows) + "\n")

    def wait_ready(self):
        pass

    def forwarded(self):
        text = self._appctl("dpctl/show", "-s")
        port = text[text.index(": wire ("):]
        return int(re.search(r"TX packets:(\d+)", port)[1])

    def cycles(self):
        """Of the polling thread: cycles in iterations that had frames, and those frames."""
        text = self._appctl("dpif-netdev/pmd-stats-show")
        text = text[text.index("pmd thread"):]
        busy = re.search(r"processing cycles: (\d+)", text)
        frames = re.search(r"packets received: (\d+)", text)
        return (int(busy[1]) if busy else 0, int(frames[1]) if frames else 0)

    def drops(self):
        return {}

    def _appctl(self, *command):
        with Control(f"{self.dir}/ctl") as control:
            return control.command(*command)

    def _run(self, *command, text=None):
        done = subprocess.run(command, env=self.env, input=text, text=True, timeout=90,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)[:200]}: {done.stderr.strip()}")
        return done.stdout

    def _vsctl(self, *command):
        return self._run("ovs-vsctl", f"--db={self.db}", *command)

    def _spawn(self, *command):
        self.processes.append(subprocess.Popen(command, env=self.env, stdin=subprocess.DEVNULL,
                                               stdout=subprocess.DEVNULL,
                                               stderr=subprocess.DEVNULL, start_new_session=True,
                                               preexec_fn=children.die_with_parent))

    def _log(self):
        try:
            with open(f"{self.dir}/vswitchd.log", encoding="utf-8", errors="replace") as log:
                return log.read()[-3000:]
        except OSError:
            return ""

    def stop(self):
        for process in reversed(self.processes):
            children.end(process)
        self.processes = []
        self.ns.delete()
        shutil.rmtree(self.dir, ignore_errors=True)


class OvsNormal(Ovs):
    name = "ovs-normal"


class OvsFlows(Ovs):
    name = "ovs-flows"
    mac_flows = True


class Control:
    """What ovs-appctl speaks, without a process for each of thousands of commands."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(path)
        self.decoder, self.buffer, self.number = json.JSONDecoder(), "", 0

    def command(self, method, *params):
        self.number += 1
        request = {"id": self.number, "method": method, "params": params}
        self.sock.sendall(json.dumps(request).encode())
        while True:
            try:
                answer, end = self.decoder.raw_decode(self.buffer)
                break
            except ValueError:
                data = self.sock.recv(1 << 16)
                if not data:
                    raise ConnectionError("ovs-vswitchd closed the connection") from None
                self.buffer += data.decode()
        self.buffer = self.buffer[end:].lstrip()
        if answer.get("error"):
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()
