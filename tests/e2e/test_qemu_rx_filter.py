# SPDX-License-Identifier: BSD-3-Clause
"""What a Linux guest wants to receive reaches it, through QEMU's monitor, as far as it is trusted.

One guest with three NICs on three bridge ports of a NIC that filters strictly (tests/simnic): the
ports are called as they are trusted. A fourth port, with a guest of tests/guest, looks on.
"""
import contextlib
import os

import pytest

from lib import frames as F
from lib.daemon import CtlError, poll_until
from lib.qmp import QmpRelay
from qemusetup import QemuSetup, guest_does, membership
from support import EXTERNAL, GROUP, NOBODY, OTHER_GROUP, UPLINK_MAC, changed, mac

TRUST = ("off", "multicast", "on")
M = {name: mac(0x201 + i) for i, name in enumerate((*TRUST, "other"))}
NEW, NESTED = mac(0x301), mac(0x302)
GROUPS = {"v4": ("239.1.2.3", "01:00:5e:01:02:03"), "v6": ("ff0e::12:3456", "33:33:00:12:34:56")}
ROOM = {"macs": 100, "mcs": 100, "queues": 1}

long = pytest.mark.skipif(not int(os.environ.get("MACVSWITCH_LONG") or 0),
                          reason="LEFT OUT, takes long: scripts/test --long runs it")
trusts = pytest.mark.parametrize("trust", TRUST)


@pytest.fixture(scope="module")
def switch():
    ports = {name: {"mode": "bridge", "mac": M[name], "qmp": True,
                    "trust_guest_rx_filters": name} for name in TRUST}
    ports["other"] = {"mode": "bridge", "mac": M["other"]}
    with QemuSetup(ports, vguests=["other"], devargs=ROOM) as s:
        for name in "multicast", "on":
            s.wait_state(name, "synced")
        yield s


@pytest.fixture(autouse=True)
def _as_before(switch):
    """Each test leaves the switch and its NIC as it found them."""
    before = _rest(switch)
    yield
    try:
        poll_until(lambda: _rest(switch) == before, 5, "all is as before")
    except TimeoutError:
        assert _rest(switch) == before


def _rest(s):
    """Filters and the NIC's tables. Not the all-routers groups and such, which come and go by
    themselves: only what is there for good."""
    state = s.nic.state()
    return {**{name: s.filter(name) for name in M}, "link": state["link"],
            **{key: sorted(state[key]) if isinstance(state[key], list) else state[key]
               for key in ("macs", "mcs", "promisc", "allmulti")}}


def _frame(dst):
    return F.build(dst, EXTERNAL)


def _settles(s, trust, trusted_by, condition, what):
    """Until the port has taken the guest's change over, if it is trusted with such; else, after
    a time that is long enough for that, it has not."""
    if trust in trusted_by:
        s.wait_filter(trust, condition, what)
    else:
        s.vm.sh("sleep 0.3")
        assert not condition(s.filter(trust)), f"{trust}: {what}, which it is not trusted with"


MULTICAST, ALL = ("multicast", "on"), ("on",)


@trusts
@pytest.mark.parametrize("kind", GROUPS)
@pytest.mark.timeout(90)
def test_a_group_is_joined_and_left(switch, kind, trust):
    group, address = GROUPS[kind]
    assert switch.reached(_frame(address)) == []
    events = switch.sync(trust)["events"]
    if trust == "off":  # nobody asks QEMU, so that it tells the next event
        switch.vm.qmp.rx_filter(switch.device(trust))
    with membership(switch, trust, group):
        _settles(switch, trust, MULTICAST, lambda f: address in f["guest"], "joined")
        assert switch.reached(_frame(address), _frame(OTHER_GROUP)) == \
            [[trust] if trust in MULTICAST else [], []]
        assert (address in switch.nic.state()["mcs"]) == (trust in MULTICAST)
    poll_until(lambda: switch.sync(trust)["events"] > events, 5, "the event is counted")
    switch.wait_filter(trust, lambda f: address not in f["guest"], "left")
    assert switch.reached(_frame(address)) == []
    assert address not in switch.nic.state()["mcs"]


def test_a_group_of_two_is_left_by_one(switch):
    group, address = GROUPS["v4"]
    with membership(switch, "on", group):
        with membership(switch, "multicast", group):
            for name in MULTICAST:
                switch.wait_filter(name, lambda f: address in f["guest"], "joined")
            assert switch.reached(_frame(address)) == ["multicast", "on"]
            # and from a local port as well
            assert switch.reached(F.build(address, M["other"]),
                                  source=switch.guests["other"]) == ["multicast", "on"]
        switch.wait_filter("multicast", lambda f: address not in f["guest"], "left")
        assert switch.reached(_frame(address)) == ["on"]


@trusts
def test_allmulticast(switch, trust):
    eth = switch.eth[trust]
    with guest_does(switch, f"ip link set {eth} allmulticast on",
                    f"ip link set {eth} allmulticast off"):
        _settles(switch, trust, MULTICAST, lambda f: f["allmulticast"], "allmulticast")
        assert switch.reached(_frame(GROUP), _frame(NOBODY)) == \
            [[trust] if trust in MULTICAST else [], []]
        assert switch.nic.state()["allmulti"] == (trust in MULTICAST)
    if trust in MULTICAST:
        switch.wait_filter(trust, lambda f: not f["allmulticast"], "no allmulticast")
    assert switch.reached(_frame(GROUP)) == []


@trusts
def test_promisc(switch, trust):
    eth = switch.eth[trust]
    with guest_does(switch, f"ip link set {eth} promisc on", f"ip link set {eth} promisc off"):
        _settles(switch, trust, ALL, lambda f: f["promisc"], "promisc")
        got = [trust] if trust in ALL else []
        assert switch.reached(_frame(NOBODY), _frame(M["other"]), _frame(GROUP)) == [got, [], got]
        assert switch.nic.state()["promisc"] == (trust in ALL)
    if trust in ALL:
        switch.wait_filter(trust, lambda f: not f["promisc"], "no promisc")
    assert switch.reached(_frame(NOBODY)) == []


@trusts
def test_the_guests_address_changes(switch, trust):
    eth, new = switch.eth[trust], [trust] if trust in ALL else []
    with guest_does(switch, f"ip link set {eth} address {NEW}",
                    f"ip link set {eth} address {M[trust]}"):
        _settles(switch, trust, ALL, lambda f: NEW in f["guest"], "the new address")
        assert switch.reached(_frame(NEW), _frame(M[trust])) == \
            [new, [] if new else [trust]]
        assert (NEW in switch.nic.state()["macs"]) == bool(new)
        # a reflected frame is known by the address that the port really has
        assert switch.reached(F.build(F.BROADCAST, NEW), F.build(M[trust], NEW)) == \
            ([[], []] if new else [sorted(TRUST), [trust]])
    if new:
        switch.wait_filter(trust, lambda f: M[trust] in f["config"] and NEW not in f["guest"],
                           "the old address")
    assert switch.reached(_frame(NEW), _frame(M[trust])) == [[], [trust]]


@trusts
@pytest.mark.timeout(60)
def test_a_macvlan_in_the_guest(switch, trust):
    """Nested use: the frames get to the macvlan device itself."""
    eth, new = switch.eth[trust], [trust] if trust in ALL else []
    with guest_does(switch, f"ip link add link {eth} name mv0 address {NESTED} type macvlan "
                            "mode private; ip link set mv0 up", "ip link del mv0"):
        tap = switch.vm.tap("mv0")
        try:
            _settles(switch, trust, ALL, lambda f: NESTED in f["guest"], "the macvlan's address")
            frame = _frame(NESTED)
            assert switch.reached(frame, _frame(M[trust])) == [new, [trust]]
            if new:
                assert frame in tap.collect(2, quiet=0.3)
            sent = F.build(NOBODY, NESTED)
            assert switch.on_wire(trust, sent, interface="mv0")
            assert (NESTED in switch.nic.state()["macs"]) == bool(new)
        finally:
            switch.vm.untap("mv0")
    assert switch.reached(_frame(NESTED)) == []


@trusts
@pytest.mark.timeout(60)
def test_more_than_64_groups(switch, trust):
    """QEMU's table overflows: empty, and a flag that says so."""
    groups = [f"01:00:5e:10:00:{i:02x}" for i in range(70)]
    with membership(switch, trust, *groups):
        _settles(switch, trust, MULTICAST, lambda f: f["allmulticast"], "allmulticast")
        frames = [_frame(groups[i]) for i in (0, 35, 69)]
        got = [trust] if trust in MULTICAST else []
        assert switch.reached(*frames, _frame(NOBODY)) == [got, got, got, []]
    if trust in MULTICAST:
        switch.wait_filter(trust, lambda f: not f["allmulticast"] and
                           not f["guest"] & set(groups), "few groups again")
    assert switch.reached(_frame(groups[0])) == []


@trusts
@pytest.mark.timeout(60)
def test_more_than_64_addresses(switch, trust):
    addresses = [mac(0x400 + i) for i in range(70)]
    with membership(switch, trust, *addresses):
        _settles(switch, trust, ALL, lambda f: f["promisc"], "promisc")
        got = [trust] if trust in ALL else []
        assert switch.reached(*[_frame(addresses[i]) for i in (0, 35, 69)]) == [got] * 3
    if trust in ALL:
        switch.wait_filter(trust, lambda f: not f["promisc"] and
                           not f["guest"] & set(addresses), "few addresses again")
    assert switch.reached(_frame(addresses[0])) == []


@pytest.mark.parametrize("taken", ["other", "off", "uplink"])
@pytest.mark.parametrize("how", ["own", "further"])
def test_an_address_that_somebody_else_has_is_refused(switch, taken, how):
    """As the guest's own address, or as a further one: counted, shown, and it stays with its
    owner; the guest keeps what it has."""
    address = {**M, "uplink": UPLINK_MAC}[taken]
    refused = switch.sync("on")["refused"]
    eth, holder = switch.eth["on"], [taken] if taken in TRUST else []
    with (guest_does(switch, f"ip link set {eth} address {address}",
                     f"ip link set {eth} address {M['on']}") if how == "own"
          else membership(switch, "on", address)):
        poll_until(lambda: switch.sync("on")["refused"] > refused, 5, "it is counted")
        sync = switch.sync("on")
        assert sync["refused"] == refused + 1 and sync["state"] == "synced"
        assert address in sync["last_error"] and taken in sync["last_error"]
        assert switch.reached(_frame(address), _frame(M["on"])) == [holder, ["on"]]
        assert address not in switch.filter("on")["guest"]
        assert f"port on: the guest's address {address} refused" in switch.daemon.log()
        if taken == "other":
            frame = _frame(address)
            switch.wire.send(frame)
            assert frame in switch.guests["other"].collect(2, quiet=0.3)
    # the same again after it was given up counts again
    with membership(switch, "on", address):
        poll_until(lambda: switch.sync("on")["refused"] > refused + 1, 5, "it is counted again")


def test_an_untrusted_guest_is_not_refused_but_ignored(switch):
    for name in "off", "multicast":
        refused = switch.sync(name)["refused"]
        with membership(switch, name, M["other"]):
            switch.vm.sh("sleep 0.3")
            assert switch.reached(_frame(M["other"])) == []
        assert switch.sync(name)["refused"] == refused


def test_a_port_cannot_take_what_a_guest_has(switch):
    """The other way round: the guest was first."""
    with membership(switch, "on", NEW):
        switch.wait_filter("on", lambda f: NEW in f["guest"], "its further address")
        with pytest.raises(CtlError, match=f"{NEW}|on"):
            switch.daemon.ctl("port", "set", "other", "mac", NEW)
        assert switch.reached(_frame(NEW)) == ["on"]


def test_max_addresses(switch):
    """More than that many are refused, and counted; those that were there first stay, wherever
    they are in QEMU's table. The limit can be raised while the others wait."""
    groups = [f"01:00:5e:20:00:{i:02x}" for i in range(8)]
    refused = switch.sync("on")["refused"]
    base = switch.filter("on")["guest"]
    with changed(switch, "on", max_addresses=str(len(base) + 3)):
        with membership(switch, "on", *groups):
            poll_until(lambda: switch.sync("on")["refused"] >= refused + 5, 5, "5 are refused")
            assert "max_addresses" in switch.sync("on")["last_error"]
            switch.vm.sh("sleep 0.3")
            found = switch.filter("on")["guest"]
            assert len(found) == len(base) + 3
            reached = switch.reached(*map(_frame, groups))
            switch.rpc("port.set", name="on", max_addresses="64")
            assert switch.reached(*map(_frame, groups)) == [["on"]] * 8
        switch.wait_filter("on", lambda f: f["guest"] == base, "all left")
    assert base <= found and sum(map(bool, reached)) == 3


@pytest.mark.timeout(60)
def test_many_changes_coalesce_and_the_last_state_wins(switch):
    """300 changes in bursts, with one a second allowed."""
    groups = [f"01:00:5e:30:00:{i:02x}" for i in range(30)]
    with changed(switch, "on", max_filter_changes="1"):
        switch.vm.sh("for i in 1 2 3 4 5; do kill $(frames join eth2 "
                     f"{' '.join(groups)}); done", timeout=40)
        with membership(switch, "on", groups[7]):
            found = switch.wait_filter("on", lambda f: f["guest"] & set(groups) == {groups[7]},
                                       "the last state", timeout=8)
            assert not found["allmulticast"] and not found["promisc"]
            assert switch.reached(_frame(groups[7]), _frame(groups[6])) == [["on"], []]
        switch.wait_filter("on", lambda f: not f["guest"] & set(groups), "none left", timeout=8)


@pytest.mark.parametrize("address", [GROUP, NEW])
def test_static_and_guest_entries_leave_alone(switch, address):
    def static(command):
        switch.daemon.ctl("maddr", command, address, "port", "on")

    def asked(condition, what):  # QEMU's answer, as an entry shows one source only
        poll_until(lambda: condition(switch.sync("on")["queries"]), 5, what)
    static("add")
    assert switch.reached(_frame(address)) == ["on"]
    assert address in switch.filter("on")["config"]
    queries = switch.sync("on")["queries"]
    with membership(switch, "on", address):
        asked(lambda n: n > queries, "the guest's entry is there")
        assert switch.reached(_frame(address)) == ["on"]
        static("del")
        found = switch.wait_filter("on", lambda f: address in f["guest"], "it is the guest's now")
        assert address not in found["config"]
        assert switch.reached(_frame(address)) == ["on"]
        static("add")
        queries = switch.sync("on")["queries"]
    asked(lambda n: n > queries, "the guest's entry has left")
    switch.wait_filter("on", lambda f: address in f["config"], "the static entry")
    assert switch.reached(_frame(address)) == ["on"]
    static("del")
    assert switch.reached(_frame(address)) == []


def test_a_vlan_in_the_guest(switch):
    tagged = F.build(M["on"], EXTERNAL, vlans=[100])
    with guest_does(switch, "ip link add link eth2 name eth2.100 type vlan id 100; "
                            "ip link set eth2.100 up", "ip link del eth2.100"):
        poll_until(lambda: switch.sync("on").get("vlans") == [0, 100], 5, "VLANs 0 and 100")
        tap = switch.vm.tap("eth2.100")
        assert switch.reached(tagged) == ["on"]
        got = tap.collect(3, count=1)
        assert F.frame_number(got[0]) == F.frame_number(tagged)
        switch.vm.untap("eth2.100")


def test_trust_is_given_and_taken_while_frames_flow(switch):
    group, address = GROUPS["v6"]
    with membership(switch, "on", group, NEW):
        switch.wait_filter("on", lambda f: {address, NEW} <= f["guest"], "both")
        with changed(switch, "on", trust_guest_rx_filters="multicast"):
            switch.wait_filter("on", lambda f: address in f["guest"] and NEW not in f["guest"],
                               "the group alone")
            assert switch.reached(_frame(address), _frame(NEW)) == [["on"], []]
            switch.rpc("port.set", name="on", trust_guest_rx_filters="off")
            assert switch.filter("on")["guest"] == set()
            assert switch.reached(_frame(address), _frame(NEW), _frame(M["on"])) == \
                [[], [], ["on"]]
            assert switch.sync("on")["state"] == "off"
        switch.wait_filter("on", lambda f: {address, NEW} <= f["guest"], "both again")
        assert switch.reached(_frame(address), _frame(NEW)) == [["on"], ["on"]]


@pytest.mark.timeout(60)
def test_the_guests_link_follows_the_uplinks(switch):
    """Also where no filter is trusted; not where link_follow is off."""
    with changed(switch, "multicast", link_follow="off"):
        switch.nic.ctl("link down")
        for name in "off", "on":
            poll_until(lambda: not switch.carrier(name), 5, f"{name}: no carrier")
        assert switch.carrier("multicast")
        switch.nic.ctl("link up")
        for name in "off", "on":
            poll_until(lambda: switch.carrier(name), 5, f"{name}: carrier")
    switch.daemon.wait_links(TRUST)
    for name in TRUST:
        assert switch.reached(_frame(M[name])) == [name]


@pytest.mark.timeout(60)
def test_a_monitor_that_stalls_or_dies_costs_only_the_sync(switch):
    """By a relay in between: the last good filter stays, and all is in order afterwards."""
    group, address = GROUPS["v4"]
    path = f"{switch.folder}/relay"
    port = switch.daemon.port("on")
    qmp, device = switch.ports["on"]["qmp"], port["sync"]["device"]
    with QmpRelay(path, switch.vm.spare_qmp) as relay, membership(switch, "on", group):
        switch.wait_filter("on", lambda f: address in f["guest"], "joined")
        try:
            switch.rpc("port.set", name="on", qmp=path, qmp_device=device)
            poll_until(lambda: switch.sync("on")["state"] == "synced", 10, "synced by the relay")
            switch.wait_filter("on", lambda f: address in f["guest"], "joined")

            def bad(state):
                switch.wait_state("on", state, 15)
                assert switch.reached(_frame(address), _frame(M["on"]), _frame(M["off"])) == \
                    [["on"], ["on"], ["off"]]
                assert switch.sync("on")["reason"]
            relay.refuse()
            relay.cut()
            bad("connecting")
            relay.refuse(False)
            switch.wait_state("on", "synced", 15)
            relay.say(b'{"return": [}]\n' * 3)
            poll_until(lambda: switch.sync("on")["failures"] > 0, 5, "garbage is a failure")
            assert switch.reached(_frame(address)) == ["on"]
            switch.wait_state("on", "synced", 15)
            failures = switch.sync("on")["failures"]
            with contextlib.suppress(OSError):  # cut off on the way
                relay.say(b'{"return": "' + b"x" * 10_000_000)
            poll_until(lambda: switch.sync("on")["failures"] > failures, 10, "10 MB are too much")
            assert switch.reached(_frame(address)) == ["on"]
            switch.wait_state("on", "synced", 15)
            relay.stall()
            with membership(switch, "multicast", group):  # the others go on
                switch.wait_filter("multicast", lambda f: address in f["guest"], "joined")
                with membership(switch, "on", NEW):
                    switch.vm.sh("sleep 0.2")
            relay.stall(False)  # what was held back comes now
            switch.wait_state("on", "synced", 15)
        finally:
            switch.rpc("port.set", name="on", qmp=qmp, qmp_device=device)
        switch.wait_state("on", "synced", 15)
        switch.wait_filter("on", lambda f: address in f["guest"], "joined, still")


@pytest.mark.timeout(60)
def test_a_stopped_qemu_costs_others_nothing(switch):
    """SIGSTOP: the monitor answers no more, and nobody takes frames."""
    before = switch.filter("on")
    switch.vm.stall()
    try:
        switch.nic.ctl("link down")  # a reason to talk to QEMU
        poll_until(lambda: switch.rpc("uplink.show")[0]["link"] == "down", 5, "link down")
        switch.nic.ctl("link up")
        switch.wait_state("on", "failed", 15)
        assert switch.sync("on")["reason"]
        assert switch.filter("on") == before
        frame = _frame(M["other"])
        switch.wire.send(frame)
        assert frame in switch.guests["other"].collect(2, quiet=0.3)
    finally:
        switch.vm.stall(False)
    switch.wait_state("on", "synced", 20)
    assert switch.filter("on") == before
    assert switch.reached(_frame(M["on"])) == ["on"]


def _comes_back(switch, reboot):
    group, address = GROUPS["v6"]
    # the whole machine goes: what its NICs had goes with it
    switch.vm.join("eth1", group)
    switch.vm.join("eth2", group, NEW)
    switch.wait_filter("on", lambda f: {address, NEW} <= f["guest"], "joined")
    switch.wait_filter("multicast", lambda f: address in f["guest"], "joined")
    reboot()
    switch.up()
    for name in MULTICAST:
        switch.wait_state(name, "synced", 15)
        switch.wait_filter(name, lambda f: not f["promisc"] and not f["allmulticast"] and
                           address not in f["guest"] and NEW not in f["guest"] and
                           len(f["guest"]) == 3, "the filter of a fresh guest")
    assert switch.reached(_frame(address), _frame(NEW), _frame(M["on"]), _frame(M["off"])) == \
        [[], [], ["on"], ["off"]]
    with membership(switch, "on", group):
        switch.wait_filter("on", lambda f: address in f["guest"], "joined anew")
        assert switch.reached(_frame(address)) == ["on"]


@pytest.mark.timeout(90)
def test_the_guest_is_reset_in_place(switch):
    """No event tells of a device's reset."""
    _comes_back(switch, switch.vm.reset)


@pytest.mark.timeout(90)
def test_qemu_is_killed_and_another_one_started(switch):
    def restart():
        switch.vm.kill(remove=False)
        switch.daemon.wait_links(TRUST, up=False)
        assert switch.sync("on")["state"] in ("connecting", "failed")
        switch.vm.restart()
    _comes_back(switch, restart)


@pytest.mark.timeout(60)
def test_the_daemon_is_killed_and_comes_back(switch):
    """It asks at once, so that the guest's groups are there without an event."""
    group, address = GROUPS["v4"]
    with membership(switch, "on", group):
        switch.wait_filter("on", lambda f: address in f["guest"], "joined")
        switch.guests.kill()
        switch.nic.disconnect()
        switch.daemon.kill()
        switch.daemon.start()
        switch.guests = switch.attach("other")
        switch.daemon.wait_links(TRUST)
        switch.wait_filter("on", lambda f: address in f["guest"], "joined, still")
        assert switch.reached(_frame(address)) == ["on"]


@long
@pytest.mark.timeout(900)
def test_reboots_one_after_the_other(switch):
    for _ in range(5):
        _comes_back(switch, switch.vm.restart)
