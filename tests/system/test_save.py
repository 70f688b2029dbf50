"""Saving a VM and restoring it: nothing is lost, and nothing is left behind."""
import datetime
import re

from bulkhead_lab.testing import limit, payload

from helpers import (count_of, create_linux, delete, held, linux_is_up, qmp, refused, same_as_before,
                     state)
from test_sharing import ask_clock

LOAD = ("good=$(dd if=/dev/zero bs=1M count=8 2>/dev/null | md5sum); n=0; "
        "while :; do now=$(dd if=/dev/zero bs=1M count=8 2>/dev/null | md5sum); n=$((n+1)); "
        "[ \"$now\" = \"$good\" ] && echo ROUND $n || echo MISMATCH $n; done &")
COMPLAINTS = "dmesg | grep -iE 'warn|bug|stall|lockup|unstable'"


def rounds(node, vm, more, timeout=180):
    """Waits for @more further rounds of the load; the number of the last."""
    start = node.do(f"vm log {vm} from=0")["next"]
    for _ in range(more):
        match, _, start = node.wait_text(vm, r"ROUND (\d+)\r?\n", start, timeout)
    assert not re.search(r"MISMATCH \d", node.vm_text(vm)[0])
    return int(match[1])


def complaints(node, vm):
    """What the guest's kernel has to say, without what the load printed meanwhile."""
    lines = node.shell(vm, COMPLAINTS).splitlines()
    return [line for line in lines if line.startswith("[")]


def host_time(node):
    told = node.do("host show")["time"].replace("Z", "+00:00")
    return datetime.datetime.fromisoformat(told).timestamp()


def late_by(node, vm):
    """Seconds by which the guest's clock is outside of what the host's showed before and after: on
    a busy machine the question itself takes seconds."""
    before = host_time(node)
    guest = int(re.search(r"TIME=(\d+)", node.shell(vm, "echo TIME=$(date -u +%s)"))[1])
    return max(0, before - guest, guest - host_time(node))


def test_a_saved_vm_goes_on_under_another_name(t):
    node = t.start("", [payload("counter")], memory="1G")
    before = None
    for _ in range(2):  # one round to warm up
        node.do("vm create c kernel=counter.elf memory=16M cpus=2")
        node.do("vm start c")
        node.wait_text("c", "COUNTER")
        first = count_of(node, "c")
        saved = node.do("vm save c as=s")
        assert saved["vm"] == "c" and saved["cpus"] == 2 and saved["bytes"] > 16 << 20, saved
        assert state(node, "c") == "paused"
        assert [s["name"] for s in node.do("vm saves")] == ["s"]
        node.do("vm resume c")
        assert count_of(node, "c") > first
        assert node.do("vm restore s name=d")["state"] == "running"
        again = count_of(node, "d")
        assert again > first
        assert count_of(node, "d") > again and count_of(node, "c") > first
        ids = [e["event"] for e in node.events(vm="d")]
        assert ids[-2:] == ["vm-created", "vm-restored"], ids
        delete(node, "c")
        node.do("vm restore s name=c")
        assert count_of(node, "c") > first
        node.do("vm forget s")
        delete(node, "c")
        delete(node, "d")
        if before is None:
            before = held(node)
    same_as_before(node, before)


def test_two_saves_of_a_paused_vm_are_equal(t):
    node = t.start("", [payload("counter")])
    node.do("vm create c kernel=counter.elf memory=16M cpus=3")
    node.do("vm start c")
    node.wait_text("c", "COUNTER")
    node.do("vm pause c")
    one, two = (node.do(f"vm save c as={name}")["records"] for name in ("one", "two"))
    assert {r["type"] for r in one} >= {"partition", "ioapic", "cpu", "fpu", "lapic", "synic", "msrs",
                                        "machine", "uart", "rtc"}, one
    assert [r["count"] for r in one if r["type"] == "cpu"] == [3], one
    timeless = [[r for r in records if r["type"] != "partition"] for records in (one, two)]
    assert timeless[0] == timeless[1], (one, two)


def test_what_cannot_be_saved_or_restored_is_refused(t):
    node = t.start("", [payload("counter")], memory="128M")
    node.do("vm create c kernel=counter.elf memory=16M cpus=1")
    refused(node, "vm save c as=s", "wrong-state")
    refused(node, "vm save nope as=s", "not-found")
    refused(node, "vm restore s name=d", "not-found")
    refused(node, "vm forget s", "not-found")
    node.do("vm start c")
    node.wait_text("c", "COUNTER")
    before = held(node)
    free = before[0] >> 20
    node.do(f"vm create big kernel=counter.elf memory={free - 12}M cpus=1")
    refused(node, "vm save c as=s", "no-memory")
    assert state(node, "c") == "running"
    delete(node, "big")
    same_as_before(node, before)
    node.do("vm save c as=s")
    refused(node, "vm save c as=s", "exists")
    refused(node, "vm restore s name=c", "exists")
    node.do("vm forget s")
    refused(node, "vm forget s", "not-found")
    same_as_before(node, before)


def test_a_save_survives_the_manager(t):
    node = t.start("", [payload("counter")])
    node.do("vm create c kernel=counter.elf memory=16M cpus=1")
    node.do("vm start c")
    node.wait_text("c", "COUNTER")
    first = count_of(node, "c")
    node.do("vm save c as=s")
    delete(node, "c")
    node.do("debug fault manager")
    assert [s["vm"] for s in node.do("vm saves")] == ["c"]
    node.do("vm restore s name=c")
    assert count_of(node, "c") > first


def test_linux_under_load_is_saved_and_goes_on_elsewhere(t):
    lines, modules = create_linux("web", cpus=2)
    node = t.start(lines, modules, memory="2G")
    linux_is_up(node, "web")
    node.shell("web", "dmesg -n 1")
    node.type("web", LOAD + "\\n")
    last = rounds(node, "web", 3)
    said, late = complaints(node, "web"), late_by(node, "web")
    assert late <= 3, late
    node.do("vm save web as=s")
    delete(node, "web")
    for name in ("one", "two"):  # both at once: who comes later finds that more time has passed
        node.do(f"vm restore s name={name}")
    for name in ("one", "two"):
        assert rounds(node, name, 3) > last
        assert late_by(node, name) <= late + 2, name
        assert complaints(node, name) == said, name
        rounds(node, name, 2)
    node.do("vm forget s")
    rounds(node, "one", 1)


PM_TIMER_HZ = 3579545  # ACPI, "Power Management Timer": 24 bits
PM_ROUND_S = (1 << 24) / PM_TIMER_HZ
MEMORY = 256 << 20


def uptime(node):
    return node.do("host show")["uptime_ns"] / 1e9


def clocks(node):
    """What the guest clock.c saw last, on whichever of its CPUs, and the PM timer at that moment, in
    seconds: both are looked up from outside while the machine stands still. Which round of the
    timer it is follows from the uptime."""
    with qmp(node) as monitor:
        about = uptime(node)
        monitor.do("stop")
        ticks = int(monitor.monitor("i /w 0x608").split("=")[1], 16) & 0xFFFFFF
        memory = monitor.memory(0, MEMORY)
        monitor.do("cont")
    # What a VM that is gone left behind is older.
    seen = max(int.from_bytes(memory[m.end():m.end() + 8], "little")
               for m in re.finditer(b"CLOCKNOW", memory))
    first = ticks / PM_TIMER_HZ
    return seen / 1e7, first + round((about - first) / PM_ROUND_S) * PM_ROUND_S


def pass_time(node, seconds):
    """At least so much; an idle machine's time flies."""
    end = uptime(node) + seconds
    while uptime(node) < end:
        pass


@limit(200)
def test_time_is_right_over_60_seconds_of_pausing_saving_and_restoring(t):
    """Against the machine's PM timer; four vCPUs look for a step back all the time, also from before
    the saving to after it."""
    node = t.start("vm create c0 kernel=clock.elf memory=16M cpus=4 cmdline=cpus=4\nvm start c0\n",
                   [payload("clock")], memory=MEMORY, icount=True)
    node.wait_text("c0", "CLOCK sequence [1-9]")
    ask_clock(node, "c0")
    told = [clocks(node)]
    for i in range(2):
        node.do(f"vm pause c{i}")
        pass_time(node, 8)
        node.do(f"vm resume c{i}")
        pass_time(node, 1)
        node.do(f"vm save c{i} as=s")
        delete(node, f"c{i}")
        pass_time(node, 20)
        node.do(f"vm restore s name=c{i + 1}")
        node.do("vm forget s")
        pass_time(node, 1)
        assert ask_clock(node, f"c{i + 1}")[2] == 0, "time went back"
        told.append(clocks(node))
    for (guest, machine), (guest_then, machine_then) in zip(told[1:] + told[-1:], told[:-1] + told[:1]):
        passed, error = machine - machine_then, guest - guest_then - (machine - machine_then)
        print(f"{passed:.6f} s: the guest's clock is {error * 1e6:.0f} us off, {error / passed * 1e6:.2f} ppm")
        assert abs(error) <= 50e-6 * passed, (error, passed)
    assert told[-1][1] - told[0][1] >= 60, told
