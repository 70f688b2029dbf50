"""The I/O APIC, and the serial port that interrupts by it."""
import re

from bulkhead_lab.testing import limit

from helpers import create_linux, linux_is_up


def interrupts(node, vm):
    """How often the serial port interrupted, as Linux counts."""
    text = node.shell(vm, "cat /proc/interrupts")
    line = re.search(r"^ *\d+:((?: +\d+)+) +(?:IR-)?IO-APIC .*ttyS0", text, re.M)
    assert line, text
    return sum(int(n) for n in line[1].split())


def console_works(node, vm):
    before = interrupts(node, vm)
    text = node.shell(vm, "i=0; while [ $i -lt 500 ]; do echo line $i of five hundred; i=$((i+1)); done")
    assert re.findall(r"line (\d+) of five hundred", text) == [str(i) for i in range(500)], text[-300:]
    node.shell(vm, "stty -echo")
    start = node.do(f"vm log {vm} from=0")["next"]
    node.type(vm, "wc -c <<END\\n")
    for i in range(20):
        node.type(vm, f"{i:04}" + "abcdefghij" * 9 + "12345\\n")  # 100 bytes a line
    node.type(vm, "END\\n")
    match, _, _ = node.wait_text(vm, r"\n?(\d{4,})\r?\n", start, timeout=60)
    assert match[1] == "2000", match[1]
    after = interrupts(node, vm)
    print(f"{after - before} interrupts")
    assert after - before > 20, (before, after)


@limit(600)
def test_linux_uses_its_console_by_interrupts(t):
    for series, cpus in (("6.1", 1), ("6.12", 2)):
        lines, modules = create_linux("web", series, cpus=cpus, options="ioapic=on")
        node = t.start(lines, modules)
        linux_is_up(node, "web")
        console_works(node, "web")
        assert node.do("vm show web")["ioapic"] == "on"
        t.stop()


def test_without_an_ioapic_the_console_is_polled(t):
    lines, modules = create_linux("web", options="ioapic=off")
    node = t.start(lines, modules)
    linux_is_up(node, "web")
    assert "ttyS0" not in node.shell("web", "cat /proc/interrupts")
    assert node.shell("web", "echo still here").strip() == "still here"
