# SPDX-License-Identifier: BSD-3-Clause
"""dpdk-testpmd as a child with a prompt."""
import os
import pty
import re
import select
import subprocess
import tempfile
import time

from . import children

PROMPT = b"testpmd> "


class Testpmd:
    """eal and args: lists of words. cpu: where it polls; its main thread waits there as well."""

    def __init__(self, name, cpu, eal, args, memory=512, timeout=30):
        self.name, self.timeout = name, timeout
        self.master, slave = pty.openpty()
        self.stderr = tempfile.TemporaryFile()
        command = ["dpdk-testpmd", f"--lcores=0@{cpu},1@{cpu}", "--main-lcore=0", "--no-pci",
                   "--in-memory", "--single-file-segments", f"--file-prefix={name}", "-m",
                   str(memory), "--no-telemetry", *eal, "--", "-i", "--nb-cores=1",
                   "--total-num-mbufs=16384", "--no-flush-rx", *args]
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=self.stderr,
                                        start_new_session=True,
                                        preexec_fn=children.die_with_parent)
        os.close(slave)
        try:
            self._read()
        except BaseException:
            self.stop()
            raise

    def _read(self):
        data, end = b"", time.monotonic() + self.timeout
        while not data.endswith(PROMPT):
            wait = end - time.monotonic()
            if wait <= 0 or not select.select([self.master], [], [], wait)[0]:
                raise TimeoutError(f"{self.name}: no prompt; last: {data[-2000:]!r}")
            try:
                chunk = os.read(self.master, 65536)
            except OSError:
                chunk = b""
            if not chunk:
                self.stderr.seek(0)
                raise RuntimeError(f"{self.name} ended:\n{data[-3000:].decode(errors='replace')}"
                                   f"\n{self.stderr.read()[-3000:].decode(errors='replace')}")
            data += chunk
        return data.decode(errors="replace")

    def command(self, line):
        os.write(self.master, line.encode() + b"\n")
        return self._read()

    def packets(self, port=None):
        """(received, sent) of one port, or of all."""
        text = self.command("show port stats " + ("all" if port is None else str(port)))
        return (sum(map(int, re.findall(r"RX-packets: (\d+)", text))),
                sum(map(int, re.findall(r"TX-packets: (\d+)", text))))

    def stop(self):
        children.end(self.process)
        os.close(self.master)
        self.stderr.close()
