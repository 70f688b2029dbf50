"""A guest or a program that fails takes down no more than its compartment."""
import re
import time

from bulkhead_lab import client
from bulkhead_lab.testing import limit, payload

from helpers import (count_and_tsc_of, count_of, create_linux, delete, held, linux_is_up, qmp,
                     same_as_before, state, until, wait_state)

COUNTER = "vm create neighbour kernel=counter.elf memory=16M cpus=1\nvm start neighbour\n"


def start(t, *payloads, **options):
    """A node with a counting neighbour and these payloads at hand."""
    modules = [payload(name) for name in ("counter", *payloads)]
    node = t.start(COUNTER, modules, **options)
    node.wait_text("neighbour", "COUNTER")
    # A second VM's first round may leave page tables of the manager behind for the next one.
    node.do("vm create warm kernel=counter.elf memory=16M cpus=1")
    node.do("vm start warm")
    delete(node, "warm")
    return node


def host_answers(node):
    """Asks host show, which must answer within 1 s of the emulated machine's time: that is less
    than what passes from one answer to the next. Returns the host's uptime in ns."""
    first, uptime = (node.do("host show")["uptime_ns"] for _ in range(2))
    took = (uptime - first) / 1e9
    assert took < 1, f"host show took {took:.2f} s"
    return uptime


def pass_time(node, end_ns):
    """Waits until the host's uptime is @end_ns. Each question costs the emulated machine 0.2 ms, so
    it foretells from how fast time passes when to ask again."""
    now, begin, wall = host_answers(node), None, 0
    while now < end_ns:
        rate = (now - begin) / wall if begin else 1e9
        asked = time.monotonic()
        time.sleep(max(0.02, (end_ns - now) / max(rate, 1e7)))
        begin, now = now, host_answers(node)
        wall = time.monotonic() - asked


def speed(node, window_ns=5e9):
    """The neighbour's rounds per second of the emulated machine's time, by its own clock."""
    count, begin = count_and_tsc_of(node, "neighbour")
    pass_time(node, host_answers(node) + window_ns)
    count_after, end = count_and_tsc_of(node, "neighbour")
    return (count_after - count) * 1e9 / (end - begin)


def share_beside(node, alone, incidents, period_ns):
    """The part of its fair share that the neighbour gets while @incidents happen, one each
    @period_ns; an incident is a function that returns for how many ns another VM could run.

    There is one CPU and all VMs have the same weight: the fair share of a window is the window less
    half of the time in which another VM could run. Whatever else the incidents cost is thus missing
    from the share, be it in the kernel or in the manager, and so is what our questions cost."""
    count, begin = count_and_tsc_of(node, "neighbour")
    due, busy = host_answers(node), 0
    for incident in incidents:
        busy += incident()
        due += period_ns
        pass_time(node, due)
    count_after, end = count_and_tsc_of(node, "neighbour")
    share = (count_after - count) * 1e9 / alone / (end - begin - busy / 2)
    print(f"window {(end - begin) / 1e9:.2f} s, another VM for {busy / 1e9:.2f} s, share {share:.4f}")
    return share


def told_by_triplefault(printed):
    """What triplefault.c says of itself: the addresses of its last exit and of its ud2, and CR3."""
    told = re.search(r"TRIPLEFAULT cpuid (\w+) ud2 (\w+) cr3 (\w+)\r?\n", printed)
    return (int(number, 16) for number in told.groups())


def crash_is_recorded_as_told(crash, printed):
    """The record of triplefault.c's crash must have what that says it set up."""
    _, ud2, cr3 = told_by_triplefault(printed)
    assert crash["cause"] == f"triple fault at rip=0x{ud2:x}", crash
    registers = {name: int(value, 16) for name, value in crash["registers"].items()}
    order = ("rax rcx rdx rbx rsp rbp rsi rdi " + " ".join(f"r{i}" for i in range(8, 16))).split()
    expected = {name: 0xC0DE0000 + i for i, name in enumerate(order)}
    # CR0 PG, ET, PE; CR4 PAE; EFER NXE, LMA, LME: start.S.
    expected |= {"rip": ud2, "cr0": 0x80000011, "cr2": 0x123456789ABCD000, "cr3": cr3, "cr4": 0x20,
                 "efer": 0xD00}
    flags = registers.pop("rflags")
    assert flags & 0x202 == 2, f"bit 1 is always set, interrupts are off: {flags:#x}"
    assert registers == expected, (registers, expected)
    assert int(crash["cr2"], 16) == expected["cr2"] and int(crash["cr3"], 16) == cr3, crash
    assert int(crash["error_code"], 16) == 0, "a shutdown has no error code"
    code = bytes.fromhex(crash["code"])
    assert code == (b"\x0f\x0b" + b"these bytes follow the ud2 ...")[:len(code)], code
    assert crash["vcpu"] == 0 and len(code) >= 15, crash


def exits_of_the_guest(crash):
    """The recorded exits but those for interrupts of the host, which may come at any time."""
    return [e for e in crash["exits"] if e["kind"] != "interrupt"]


def exits_are_recorded_as_told(crash, printed):
    """The last exits are those that triplefault.c says it causes, after those that printed it."""
    cpuid, ud2, _ = told_by_triplefault(printed)
    times = [e["t_ns"] for e in crash["exits"]]
    assert len(times) == 32 and all(a < b for a, b in zip(times, times[1:])), times
    exits = exits_of_the_guest(crash)
    last = [(e["kind"], int(e["rip"], 16), e["code"]) for e in exits[-2:]]
    # AMD64 APM vol. 2, "SVM Intercept Exit Codes": VMEXIT_CPUID, VMEXIT_SHUTDOWN, VMEXIT_IOIO.
    assert last == [("cpuid", cpuid, 0x72), ("shutdown", ud2, 0x7F)], exits
    assert {(e["kind"], e["code"]) for e in exits[:-2]} == {("io", 0x7B)}, exits
    ports = {int(e["detail"], 16) >> 16 for e in exits[:-2]}
    assert ports <= {0x3F8, 0x3FD} and ports, exits


def test_hostile_001_a_triple_fault_crashes_only_its_vm(t):
    node = start(t, "triplefault")
    before = held(node)
    node.do("vm create bad kernel=triplefault.elf memory=16M cpus=1")
    node.do("vm start bad")
    event = node.wait("vm-crashed", vm="bad", timeout=20)
    shown = node.do("vm show bad")
    assert shown["state"] == "crashed", shown
    assert shown["exits"]["shutdown"] == 1 and shown["exits"]["cpuid"] == 1, shown
    printed = node.vm_text("bad")[0]
    crash_is_recorded_as_told(shown["crash"], printed)
    exits_are_recorded_as_told(shown["crash"], printed)
    assert shown["crash"]["exits"][-1]["t_ns"] < event["t_ns"], (shown, event)
    assert event["text"] == shown["crash"]["cause"], event
    assert event["fields"] == {k: v for k, v in shown["crash"].items() if k != "exits"}, event
    host_answers(node)
    count_of(node, "neighbour")
    delete(node, "bad")
    same_as_before(node, before)


def test_a_guest_that_cannot_be_told_of_a_fault_is_shut_down(t):
    """Also when what is missing is memory: without the combination to #DF and to a shutdown it
    would fault for ever."""
    node = start(t, "triplefault")
    for how, end, code in (("cr3", "crashed", None), ("idt", "crashed", None), ("stack", "stopped", 8)):
        before = held(node)
        node.do(f"vm create bad kernel=triplefault.elf memory=16M cpus=1 cmdline=how={how}")
        node.do("vm start bad")
        wait_state(node, "bad", "crashed", "stopped", timeout=20)
        shown = node.do("vm show bad")
        assert shown["state"] == end, (how, shown)
        if end == "crashed":
            assert shown["crash"]["cause"].startswith("triple fault at rip="), (how, shown)
            assert shown["exits"]["shutdown"] == 0, "the hypervisor found it, not the CPU"
            faults = shown["exits"]["nested_page_fault"]
            assert 3 <= faults <= 8, (how, faults)
        else:
            assert shown["exit_code"] == code, shown
            assert "DOUBLE FAULT error 0" in node.vm_text("bad")[0]
        host_answers(node)
        delete(node, "bad")
        same_as_before(node, before)


@limit(600)
def test_hostile_001_triple_faults_are_noticed_within_10_ms_and_leave_the_neighbour_its_share(t):
    node = start(t, "triplefault", icount=True, cpus=1)
    alone = speed(node, 2e9)
    before = held(node)
    node.do("vm create bad kernel=triplefault.elf memory=16M cpus=1 cmdline=wait=1")

    def incident():
        seq, begin = node.last_seq(), host_answers(node)
        text = node.do("vm log bad from=0")["next"]
        node.do("vm start bad")
        node.wait_text("bad", "TRIPLEFAULT", text)
        node.type("bad", "x")
        crashed = node.wait("vm-crashed", vm="bad", since=seq)["t_ns"]
        host_answers(node)
        # The guest's last exit but two was the read of our byte: a few instructions before.
        typed = exits_of_the_guest(node.do("vm show bad")["crash"])[-3]
        assert typed["kind"] == "io" and int(typed["detail"], 16) >> 16 == 0x3F8, typed
        assert 0 < crashed - typed["t_ns"] < 10e6, (crashed, typed)
        return crashed - begin

    share = share_beside(node, alone, [incident] * 12, 0.4e9)
    assert share >= 0.98, share
    delete(node, "bad")
    same_as_before(node, before)


@limit(600)
def test_hostile_003_a_vm_that_never_yields_gets_its_fair_share_only(t):
    node = start(t, "clijmp", icount=True, cpus=1)
    alone = speed(node)
    before = held(node)
    node.do("vm create bad kernel=clijmp.elf memory=16M cpus=1")
    node.do("vm start bad")
    node.wait_text("bad", "CLIJMP")
    shared = speed(node)
    host_answers(node)
    assert state(node, "bad") == "running"
    print(f"share {shared / alone:.4f}")
    # Both can always run: half of the CPU each, neither more nor less.
    assert 0.49 * alone <= shared <= 0.51 * alone, f"alone {alone:.3e}, beside it {shared:.3e}"
    node.do("vm poweroff bad")
    assert state(node, "bad") == "stopped"
    node.do("vm delete bad")
    same_as_before(node, before)


@limit(600)
def test_random_bytes_end_in_a_known_state_and_leave_the_neighbour_its_share(t):
    node = start(t, "randombytes", icount=True, cpus=1)
    alone = speed(node, 2e9)
    before, states = held(node), []

    def incident(seed):
        seq, begin = node.last_seq(), host_answers(node)
        node.do(f"vm create bad kernel=randombytes.elf memory=16M cpus=1 cmdline=seed={seed}")
        node.do("vm start bad")
        pass_time(node, begin + 100e6)
        shown = node.do("vm show bad")
        assert shown["exits"]["io"], "it printed something before it ran its bytes"
        states.append(shown["state"])
        if shown["state"] == "running":
            # One that halted did so at once: until then it could run.
            ended = "vm-started" if shown["vcpus"][0]["is_halted"] else "vm-stopped"
        else:
            ended = f"vm-{shown['state']}"
        delete(node, "bad")
        return node.wait(ended, vm="bad", since=seq)["t_ns"] - begin

    share = share_beside(node, alone, [lambda s=seed: incident(s) for seed in range(32)], 0.3e9)
    print(states)
    assert set(states) <= {"running", "stopped", "crashed"}, states
    assert share >= 0.98, share
    same_as_before(node, before)


def test_a_vmm_that_dies_takes_its_vm_only(t):
    node = start(t, "hello")
    before = held(node)
    node.do("vm create bad kernel=counter.elf memory=16M cpus=1")
    node.do("vm start bad")
    node.wait_text("bad", "COUNTER")
    node.do("debug fault bad")
    node.wait("vmm-died", vm="bad", timeout=20)
    wait_state(node, "bad", "crashed")
    assert "COUNTER" in node.vm_text("bad")[0], "the log is kept over a crash of the vmm"
    host_answers(node)
    first = count_of(node, "neighbour")
    assert count_of(node, "neighbour") > first
    node.do("vm start bad")
    node.wait_text("bad", "COUNTER[\\s\\S]*COUNTER")
    delete(node, "bad")
    same_as_before(node, before)


@limit(600)
def test_vmms_that_die_leave_the_neighbour_its_share(t):
    node = start(t, icount=True, cpus=1)
    alone = speed(node, 2e9)
    before = held(node)
    node.do("vm create bad kernel=counter.elf memory=16M cpus=1")

    def incident():
        seq, begin = node.last_seq(), host_answers(node)
        node.do("vm start bad")
        pass_time(node, begin + 100e6)
        node.do("debug fault bad")
        died = node.wait("vmm-died", vm="bad", since=seq)
        host_answers(node)
        assert state(node, "bad") == "crashed"
        return died["t_ns"] - begin

    share = share_beside(node, alone, [incident] * 12, 0.4e9)
    assert share >= 0.98, share
    delete(node, "bad")
    same_as_before(node, before)


def test_a_manager_that_dies_comes_back_and_knows_its_vms(t):
    node = start(t, "hello")
    node.do("vm create other kernel=hello.elf memory=16M cpus=1")
    before = held(node)
    first = count_of(node, "neighbour")
    seq = node.last_seq()
    try:
        node.do("debug fault manager", timeout=20)
    except (client.TimedOut, client.CommandError):
        pass
    node.wait("program-started", since=seq, timeout=30)
    vms = {vm["name"]: vm for vm in node.do("vm list", timeout=30)}
    assert vms["neighbour"]["state"] == "running" and vms["other"]["state"] == "created", vms
    assert vms["neighbour"]["memory_bytes"] == 16 << 20, vms
    assert count_of(node, "neighbour") > first
    assert "COUNTER" in node.vm_text("neighbour")[0]
    node.do("vm start other")
    wait_state(node, "other", "stopped")
    for _ in range(3):
        node.do("debug fault manager", timeout=20)
        until(lambda: node.events("program-started"), 30)
        node.do("host show", timeout=30)
    delete(node, "other")
    node.do("vm create other kernel=hello.elf memory=16M cpus=1")
    same_as_before(node, before)


@limit(600)
def test_managers_that_die_leave_the_neighbour_its_share(t):
    node = start(t, icount=True, cpus=1)
    alone = speed(node, 2e9)
    before = held(node)

    def incident():
        seq = node.last_seq()
        node.do("debug fault manager", timeout=20)
        # Nobody is there to answer until the manager is back, so it is asked then.
        node.wait("program-started", since=seq, timeout=30)
        host_answers(node)
        assert state(node, "neighbour") == "running"
        return 0  # no other VM runs

    share = share_beside(node, alone, [incident] * 10, 0.5e9)
    assert share >= 0.98, share
    same_as_before(node, before)


def test_linux_runs_on_while_the_manager_restarts(t):
    lines, modules = create_linux("web")
    node = t.start(lines, modules)
    linux_is_up(node, "web")
    node.do("debug fault manager")
    node.wait("program-started", timeout=30)
    assert node.shell("web", "echo still here").strip() == "still here"


def test_hostile_013_memory_outside_of_ram_shows_nothing(t):
    node = start(t, "outside")
    node.do("vm create bad kernel=outside.elf memory=16M cpus=1 ioapic=off")
    node.do("vm start bad")
    until(lambda: state(node, "bad") != "running", 60)
    text = node.vm_text("bad")[0].replace("\r", "")
    assert state(node, "bad") == "stopped" and "OTHER" not in text, text
    bits = int(re.search(r"^OUTSIDE done bits (\d+)$", text, re.M)[1])
    assert 36 <= bits <= 52, bits
    holes = [(0xC0000000, 0xDFFFFFFF), (0xE0000000, 0xEFFFFFFF), (0xFEC01000, 0xFECFFFFF),
             (0xFED00000, 0xFED003FF), (0xFED40000, 0xFED44FFF), (0xFEE00000, 0xFEE00FFF),
             (0xFFFF0000, 0xFFFFFFFF)]
    powers = [(1 << bit, (2 << bit) - 1) for bit in range(24, 48)]  # RAM ends at 16 MiB
    ranges = re.findall(r"^RANGE (\w+) (\w+) accesses (\d+) gp (\d+) ones (\d+) reserved (\d+) "
                        r"other (\d+)$", text, re.M)
    assert [(int(r[0], 16), int(r[1], 16)) for r in ranges] == holes + powers, text
    for first, *counts in ranges:
        total, gp, ones, reserved, other = map(int, counts[1:])
        expected = (0, 32) if int(first, 16) >> bits else (32, 0)
        assert total == 32 and other == 0 and (gp + ones, reserved) == expected, (first, counts)
    walk = re.search(r"^WALK accesses (\d+) gp (\d+) pf (\d+) other 0$", text, re.M)
    assert int(walk[1]) == int(walk[2]) + int(walk[3]) == bits - 24, walk[0]
    edge = re.search(r"^EDGE accesses 7 gp (\d) ones (\d) other 0$", text, re.M)
    assert int(edge[1]) + int(edge[2]) == 7, edge[0]
    # All but the first 2 MiB, where the payload itself is.
    assert f"RAM words {14 << 17} changed 0\n" in text, text
    host_answers(node)
    count_of(node, "neighbour")


def test_what_a_guest_must_not_do_is_refused(t):
    node = start(t, "probe")
    expected = {
        "svm": [f"{i} exception 6" for i in ("vmrun", "vmload", "vmsave", "stgi", "clgi", "skinit", "invlpga")],
        "cr": [f"{i} exception 13" for i in ("cr4.40", "cr4.15", "cr4.la57", "cr4.vmxe",
                                             "cr8.16")] + ["cr8.3 ran"],
        "fpu": ["cr4.osxsave ran", "xcr0.7 ran"] + [f"{i} exception 13" for i in
                                                    ("xcr0.6", "xcr0.5", "xcr0.63", "xcr1")],
        "msr": ["efer.svme refused", "efer.reserved refused"],
        "port": ["PROBE done"],
        "cpuid": ["cpuid 40000000:"],
    }
    for what, lines in expected.items():
        node.do(f"vm create bad kernel=probe.elf memory=16M cpus=1 cmdline=do={what}")
        node.do("vm start bad")
        until(lambda: state(node, "bad") != "running", 60, what)
        text = node.vm_text("bad")[0].replace("\r", "")
        assert state(node, "bad") == "stopped", (what, text[-1000:])
        for line in [*lines, "PROBE done"]:
            assert line in text, (what, line, text[-2000:])
        delete(node, "bad")
    count_of(node, "neighbour")


@limit(600)
def test_hostile_015_memory_of_a_deleted_vm_is_not_seen_again(t):
    node = t.start("", [payload("canary")], memory="72M", cpus=1)
    # More than half of what is free: each VM must get pages of the one before.
    free = node.do("host show")["memory_free_bytes"]
    bytes_each = (free * 5 // 8) & -(2 << 20)
    print(f"{bytes_each >> 20} of {free >> 20} MiB")
    assert free < 2 * bytes_each < 2 * free, free
    for number in range(100):
        node.do(f"vm create c kernel=canary.elf memory={bytes_each >> 20}M cpus=1")
        seq = node.last_seq()
        node.do("vm start c")
        node.wait("vm-stopped", vm="c", since=seq)
        text = node.vm_text("c")[0]
        words = re.search(r"CANARY hits 0 dirty 0 words (\d+)\r?\n", text)
        # All but the first 4 MiB: firmware's tables, the payload, and what the loader put behind.
        assert words and 8 * int(words[1]) >= bytes_each - (4 << 20), (number, text)
        node.do("vm delete c")


def test_hostile_071_no_function_may_master_the_bus(t):
    node = t.start("", nics=_nics(), boot="uefi")
    with qmp(node) as monitor:
        # Command registers through the configuration space that the firmware has mapped.
        for line in monitor.monitor("info mtree -f").split("\n"):
            if "pcie-mmcfg-mmio" in line:
                base = int(line.split("-")[0], 16)
                break
        else:
            raise AssertionError("the machine has no memory-mapped configuration space")
        seen = 0
        for bus in range(4):
            space = monitor.memory(base + (bus << 20), 1 << 20)
            for function in range(256):
                config = space[function << 12 : (function << 12) + 64]
                if config[0:2] in (b"\xff\xff", b"\0\0"):
                    continue
                seen += 1
                # A bridge's bit lets through what lies behind it: it is cleared too.
                assert not config[4] & 4, f"{bus:02x}:{function >> 3:02x}.{function & 7}"
        assert seen >= 5, seen


def _nics():
    from bulkhead_lab import labfile
    return [labfile.Nic("igb", "x", "52:54:00:00:0a:01"), labfile.Nic("e1000e", "y", "52:54:00:00:0a:02")]
