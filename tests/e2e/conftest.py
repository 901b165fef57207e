# SPDX-License-Identifier: BSD-3-Clause
"""What all end-to-end tests share: a time limit for each, and the set-ups as fixtures.

    @pytest.mark.timeout(90)      # seconds; 30 without the mark
    def test_it(switch): ...

A module that wants other ports than `switch` has builds its own Setup (support.py), most of them
once for the module.
"""
import os
import signal

import pytest

from support import MODES, Setup

DEFAULT_TIMEOUT = 30


def pytest_configure(config):
    config.addinivalue_line("markers", "timeout(seconds): the test fails after that long")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    """Set-up, test and tear-down each have the test's time limit; fixtures of a module count for
    the first test that uses them."""
    mark = item.get_closest_marker("timeout")
    item.time_limit = mark.args[0] if mark else DEFAULT_TIMEOUT
    yield
    signal.alarm(0)


def _limited(item):
    def on_alarm(*_):
        raise TimeoutError(f"{item.nodeid}: not done after {item.time_limit} s")
    signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(item.time_limit)
    yield
    signal.alarm(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item):
    yield from _limited(item)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    yield from _limited(item)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item):
    yield from _limited(item)


@pytest.fixture(scope="session", autouse=True)
def _root():
    if os.geteuid() != 0:
        pytest.exit("the end-to-end tests need root: namespaces, veth, raw sockets", 1)


@pytest.fixture(scope="module")
def switch():
    """Two ports each in mode bridge (b1, b2), vepa (v1, v2) and private (p1, p2), guests up."""
    with Setup(MODES) as s:
        yield s
        assert s.strays() == {}, "frames that no test was told of"


@pytest.fixture
def pair():
    """Fresh for each test: bridge ports b1 and b2 with guests."""
    with Setup({"b1": MODES["b1"], "b2": MODES["b2"]}) as s:
        yield s
