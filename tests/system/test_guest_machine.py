"""The machine that a stock Linux kernel finds: CPUs, clocks, interrupts, the end by a panic."""
import re

from bulkhead_lab.testing import limit, payload

from helpers import create_linux, linux_is_up, until, wait_state

# What a healthy kernel does not say.
TROUBLE = r"WARNING:|BUG:|unchecked MSR|stall|soft lockup|hard LOCKUP|call trace|unsynchronized|" \
          r"[Tt]opology.*(bug|mismatch)|Unable to read current time|firmware bug|nobody cared"
CPUS = (1, 2, 4, 8)


def check_dmesg(node, vm):
    bad = re.findall(f".*(?:{TROUBLE}).*", node.shell(vm, "dmesg"), re.I)
    assert not bad, bad


def boots(t, series):
    """One after the other, all on the same two CPUs."""
    for cpus in CPUS:
        lines, modules = create_linux("web", series, cpus=cpus, memory="320M")
        node = t.start(lines, modules)
        linux_is_up(node, "web")
        assert node.shell("web", "nproc").strip() == str(cpus)
        devices = node.shell("web", "cat /sys/devices/system/clockevents/clockevent[0-9]*/current_device")
        assert devices.split("\n").count("Hyper-V clockevent") == cpus, devices
        source = node.shell("web", "cat /sys/devices/system/clocksource/clocksource0/current_clocksource")
        assert source.split()[-1] in ("hyperv_clocksource_tsc_page", "tsc"), source
        assert re.search(r"IO-APIC.*ttyS0", node.shell("web", "cat /proc/interrupts"))
        check_dmesg(node, "web")
        t.stop()


@limit(600)
def test_linux_6_1_finds_every_number_of_cpus(t):
    boots(t, "6.1")


@limit(600)
def test_linux_6_12_finds_every_number_of_cpus(t):
    boots(t, "6.12")


@limit(400)
def test_cpus_go_offline_and_come_back(t):
    lines, modules = create_linux("web", cpus=4)
    node = t.start(lines, modules)
    linux_is_up(node, "web")
    node.shell("web", "for i in 1 2 3 4 5 6 7 8 9 10; do for c in 1 2 3; do "
                      "echo 0 > /sys/devices/system/cpu/cpu$c/online; done; for c in 1 2 3; do "
                      "echo 1 > /sys/devices/system/cpu/cpu$c/online; done; done", timeout=180)
    assert node.shell("web", "nproc").strip() == "4"
    check_dmesg(node, "web")


@limit(400)
def test_a_panic_is_told_with_its_text(t):
    for series in ("6.1", "6.12"):
        lines, modules = create_linux("web", series)
        node = t.start(lines, modules)
        linux_is_up(node, "web")
        node.type("web", "echo c > /proc/sysrq-trigger\n")
        event = node.wait("vm-panic", vm="web", timeout=60)
        assert "sysrq triggered crash" in event["text"], event
        fields = event["fields"]
        assert "Kernel panic - not syncing: sysrq triggered crash" in fields["message"], fields
        assert all(re.fullmatch("0x[0-9a-f]{16}", fields[f"p{i}"]) for i in range(5)), fields
        assert int(fields["p4"], 16) > 0, "P4 is the length of the text"
        t.stop()


def test_a_payload_starts_64_cpus(t):
    for kind, options in (("x2apic", ""), ("xapic", "mode=xapic")):
        node = t.start(f"vm create many kernel=smp.elf memory=32M cpus=64 cmdline=\"{options}\"\n"
                       "vm start many\n", [payload("smp")])
        wait_state(node, "many", "stopped", timeout=60)
        text = node.vm_text("many")[0].replace("\r", "")
        assert "SMP up 64" in text, text
        assert "SMP ipis 63 of 63" in text and "SMP broadcast 63 of 63" in text, text
        assert "SMP logical" in text and f"SMP mode {kind}" in text, text
        assert node.do("vm show many")["exit_code"] == 0, text
        t.stop()


@limit(300)
def test_dmesg_comes_at_20_kb_a_second(t):
    """In time of the emulated machine, by the guest's own clock."""
    lines, modules = create_linux("web", cmdline="console=ttyS0,115200")
    node = t.start(lines, modules, icount=True)
    linux_is_up(node, "web")
    text = node.shell("web", "a=$(cut -d' ' -f1 /proc/uptime); dmesg; b=$(cut -d' ' -f1 /proc/uptime); "
                             "echo TIMES $a $b", timeout=200)
    begin, end = (float(x) for x in re.search(r"TIMES ([0-9.]+) ([0-9.]+)", text).groups())
    rate = len(text) / (end - begin)
    print(f"{len(text)} bytes in {end - begin:.2f} s: {rate:.0f} bytes/s")
    assert rate >= 20000, rate
    until(lambda: node.do("vm list"), 10)


@limit(400)
def test_kexec_starts_a_second_kernel(t):
    """The interface is torn down and set up again; the second one is a 6.12 under a 6.1."""
    lines, modules = create_linux("web", cpus=2, memory="384M")
    node = t.start(lines, modules)
    linux_is_up(node, "web")
    before = node.do("vm log web from=0")["next"]
    node.type("web", "kexec-second\n")
    node.wait_text("web", r"GUEST-READY[\s\S]*?# ", start=before, timeout=200)
    assert node.shell("web", "uname -r").split()[-1].startswith("6.12")
    assert node.shell("web", "nproc").strip() == "2"
    source = node.shell("web", "cat /sys/devices/system/clocksource/clocksource0/current_clocksource")
    assert source.split()[-1] in ("hyperv_clocksource_tsc_page", "tsc"), source
    check_dmesg(node, "web")
