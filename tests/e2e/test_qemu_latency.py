# SPDX-License-Identifier: BSD-3-Clause
"""scripts/join-latency: from a guest's join to its first frame; 30 joins, or 100 by --long."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/join-latency"


@pytest.mark.timeout(120)
def test_a_joined_groups_frames_come_soon():
    joins = "100" if int(os.environ.get("MACVSWITCH_LONG") or 0) else "30"
    done = subprocess.run([sys.executable, str(SCRIPT), "-n", joins, "--json"], text=True,
                          stdout=subprocess.PIPE, timeout=110, check=False)
    print(done.stdout)
    result = json.loads(done.stdout)
    assert done.returncode == 0 and result["joins"] == int(joins)
    assert result["event to first frame"]["median"] < 10
