# SPDX-License-Identifier: BSD-3-Clause
"""Lets every test below this folder say `from lib import ...`."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
