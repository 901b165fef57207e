# SPDX-License-Identifier: BSD-3-Clause
"""Nothing that a benchmark starts outlives it: a switch that polls on would spoil all later runs."""
import ctypes
import os
import signal
import time

from .busy import descendants

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def die_with_parent():
    """For Popen's preexec_fn: killed when the harness is, even by SIGKILL."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def end(process, patience=3):
    """SIGTERM, and SIGKILL for one that takes too long."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except Exception:
            process.kill()
    process.wait(10)


def sweep():
    """Kills what is left of ours, whatever interrupted its orderly end. The killed ones' names."""
    left = descendants(os.getpid()) - {os.getpid()}
    for pid in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.05)
        except ChildProcessError:
            break
    return left
