# SPDX-License-Identifier: BSD-3-Clause
"""Side-by-side benchmarks; run by scripts/bench, not by the tests."""
