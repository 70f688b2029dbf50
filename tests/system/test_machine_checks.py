"""Broken hardware (case 12 of the catalogue): errors that QEMU's monitor reports to a CPU."""
import os
import time

from bulkhead_lab.testing import payload

from helpers import count_of, qmp, until, wait_state

# Bank 9; status: valid and enabled, and for the second also uncorrected.
CORRECTED = "mce 0 9 0x9000000000000000 0x0 0x0 0x0"
UNCORRECTED = "mce 0 9 0xb200000000000000 0x5 0x0 0x0"


def log_of(node):
    return node.do("log show")["text"]


def test_hostile_012_an_nmi_does_not_stop_the_host(t):
    node = t.start("vm create c kernel=counter.elf memory=16M cpus=1\nvm start c\n",
                   [payload("counter")])
    with qmp(node) as monitor:
        monitor.do("inject-nmi")
    first = count_of(node, "c")
    assert count_of(node, "c") > first
    until(lambda: "NMI" in log_of(node), 10, "the NMI in the log")


def test_hostile_012_a_corrected_error_is_logged(t):
    node = t.start()
    with qmp(node) as monitor:
        monitor.monitor(CORRECTED)
    until(lambda: "bank 9, status 0x9000000000000000" in log_of(node), 20, "the error in the log")
    assert "corrected" in log_of(node)
    node.do("host show")


def _strike(t, arguments):
    """One CPU, and a guest that does not let go of it: the error meets the guest."""
    node = t.start("vm create bystander kernel=counter.elf memory=16M cpus=1\n",
                   [payload("counter"), payload("clijmp")], cpus=1)
    node.do(f"vm create bad kernel=clijmp.elf memory=16M cpus=1 {arguments}")
    node.do("vm start bad")
    node.wait_text("bad", "CLIJMP")
    time.sleep(0.5)
    with qmp(node) as monitor:
        monitor.monitor(UNCORRECTED)
    return node


def _lives(node):
    node.do("vm start bystander")
    first = count_of(node, "bystander")
    assert count_of(node, "bystander") > first


def test_hostile_012_an_uncorrected_error_in_a_guest_costs_its_vm(t):
    node = _strike(t, "cmdline=idt=0")
    wait_state(node, "bad", "crashed")
    crash = node.do("vm show bad")["crash"]
    assert "hardware error" in crash["cause"], crash
    assert "bank 9" in log_of(node) and "its VM ends" in log_of(node), log_of(node)
    _lives(node)


def test_hostile_012_an_uncorrected_error_that_a_guest_takes_is_logged(t):
    """QEMU's TCG gives the exception to the guest although it is intercepted: this payload ends
    itself by it (code 0xee), and what the banks say is found afterwards."""
    node = _strike(t, "")
    wait_state(node, "bad", "stopped", "crashed")
    until(lambda: "bank 9, status 0xb200000000000000" in log_of(node), 20, "the error in the log")
    _lives(node)


def test_hostile_012_an_uncorrected_error_in_the_kernel_dumps_and_resets(t):
    node = t.start(cpus=1)
    with qmp(node) as monitor:
        try:
            monitor.monitor(UNCORRECTED)
        except ConnectionError:
            pass  # QEMU, told to end at a reset, may be gone before it answers

    def console():
        with open(os.path.join(node.folder, "console.log"), encoding="utf-8", errors="replace") as f:
            return f.read()
    until(lambda: "The machine is reset now" in console(), 20, "the dump")
    text = console()
    assert "PANIC: uncorrected machine check" in text and "back trace:" in text, text[-2000:]

    def is_gone():
        try:
            with qmp(node):
                return False
        except OSError:
            return True
    until(is_gone, 20, "the reset")
