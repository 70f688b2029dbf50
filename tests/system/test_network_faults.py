"""Programs of the network that end by a fault: who notices, and for how long."""
from bulkhead_lab.testing import limit

from helpers import delete, same_as_before, held, state, until, wait_state
from network import (GUESTS, address, balance, configure, guest_is_up, pings, port, says, serve,
                     needs_wall, start, without_complaints)

MEGABYTES = 24


def begin_stream(node):
    """Sends a file from 'old' to 'new' in the background; returns its hash."""
    node.shell("new", "(nc -l -p 7000 -e sha256sum >/dev/null 2>&1 &)")
    node.shell("old", f"head -c {MEGABYTES << 20} /dev/urandom >/tmp/file", 240)
    want = says(node, "old", "sha256sum </tmp/file", 240)
    before = port(node, "old/nic0")["in_bytes"]
    node.shell("old", f"(nc {address('new')} 7000 </tmp/file >/tmp/got 2>&1 &)")
    until(lambda: port(node, "old/nic0")["in_bytes"] > before + 1_000_000, 60, "it goes")
    return want


def stream_ends(node, want):
    until(lambda: says(node, "old", "cat /tmp/got").endswith("-"), 240, "the stream ends")
    assert says(node, "old", "cat /tmp/got") == want


def connected(node, names):
    return all(port(node, f"{vm}/nic0")["connected"] for vm in names)


def kill_switch(node, names):
    """Returns when all ports are connected again: the events that were told in between."""
    before, epochs = node.last_seq(), {vm: port(node, f"{vm}/nic0")["epoch"] for vm in names}
    node.do("debug fault switch")
    node.wait("program-started", since=before, timeout=60)
    until(lambda: all(port(node, f"{vm}/nic0")["epoch"] > epochs[vm] for vm in names), 60, "new epochs")
    until(lambda: connected(node, names), 60, "connected again")
    return [e for e in node.events(since=before) if e["event"] != "port-drops"]


@limit(400)
def test_streams_go_on_when_the_switch_is_killed(t):
    node = start(t)
    want = begin_stream(node)
    events = kill_switch(node, GUESTS)
    assert port(node, "old/nic0")["in_bytes"] < MEGABYTES << 20, "the stream had ended before"
    assert {e["event"] for e in events} <= {"program-ended", "program-started", "port-connected"}, events
    stream_ends(node, want)
    for vm in GUESTS:
        assert state(node, vm) == "running" and "ALIVE" in node.shell(vm, "echo ALI''VE")
    until(lambda: pings(node, "two", address("old")), 30, "reached again")
    without_complaints(node)


@limit(600)
def test_the_gap_when_the_switch_is_killed_is_short(t):
    """One instruction is one nanosecond here: the gap is that of a machine that does as many."""
    needs_wall()
    node = start(t, ("old", "new"), icount=True)
    # Every frame that 'new' gets of the stream, with the time at which it came.
    node.shell("new", "(tcpdump -tt -n -l -s 64 -i eth0 tcp dst port 7000 >/tmp/seen 2>/tmp/said &)")
    until(lambda: "listening" in node.shell("new", "cat /tmp/said"), 60, "tcpdump listens")
    want = begin_stream(node)
    events = kill_switch(node, ("old", "new"))
    stream_ends(node, want)
    print(events)
    node.shell("new", "kill $(pidof tcpdump)")
    until(lambda: "captured" in node.shell("new", "cat /tmp/said"), 60, "tcpdump ends")
    gap = float(says(node, "new", "awk 'p && $1 - p > m { m = $1 - p } { p = $1 } END { print m }' /tmp/seen"))
    times = {e["event"]: e["t_ns"] for e in events}
    restart = (times["program-started"] - times["program-ended"]) / 1e6
    back = (max(e["t_ns"] for e in events if e["event"] in ("program-started", "port-connected"))
            - times["program-ended"]) / 1e6
    print(f"GAP program back {restart:.2f} ms, all told {back:.2f} ms, longest without a frame {gap * 1e3:.1f} ms")
    assert back < 50, events


@limit(400)
def test_a_killed_vmm_takes_its_port_along_and_nothing_else(t):
    node = start(t, ("old", "new"))
    serve(node, ("new",))
    before = held(node)
    lines, _ = configure("two")
    for line in lines.strip().split("\n"):
        node.do(line)
    guest_is_up(node, "two")
    until(lambda: pings(node, "two", address("new")), 60, "reached")
    want = begin_stream(node)
    node.shell("two", f"(iperf3 -u -b 20M -t 100 -c {address('new')} >/dev/null 2>&1 &)")
    sent = port(node, "two/nic0")["in_frames"]
    until(lambda: port(node, "two/nic0")["in_frames"] > sent + 200, 60, "it sends")
    node.do("debug fault two")
    wait_state(node, "two", "crashed", "stopped")
    stream_ends(node, want)
    until(lambda: port(node, "two/nic0")["state"] == "offline", 30, "its port is offline")
    assert not port(node, "two/nic0")["connected"]
    for vm in ("old", "new"):
        assert state(node, vm) == "running" and "ALIVE" in node.shell(vm, "echo ALI''VE")
    assert pings(node, "old", address("new"))
    delete(node, "two")
    same_as_before(node, before)
    until(lambda: balance(node) == (0, 0), 30, "every frame is accounted for")
    without_complaints(node, ("old", "new"))
