"""What several system tests use."""
import os
import time

from bulkhead_lab.qmp import Qmp
from bulkhead_lab.testing import initramfs, kernel

LINUX_CMDLINE = "console=ttyS0,115200 quiet"


def qmp(node):
    return Qmp(f"{node.folder}/qmp.sock")


def create_linux(name, series="6.1", packed=False, memory="256M", cmdline=LINUX_CMDLINE, cpus=1,
                 options=""):
    """The configuration lines that create and start a stock Linux guest, and its module files."""
    image, initrd = kernel(series, packed), initramfs(series)
    lines = (f"vm create {name} kernel={os.path.basename(image)} "
             f"initrd={os.path.basename(initrd)} memory={memory} cpus={cpus} {options} cmdline=\"{cmdline}\"\n"
             f"vm start {name}\n")
    return lines, [image, initrd]


def linux_is_up(node, vm, timeout=240):
    """Waits for the shell of a Linux guest."""
    return node.wait_text(vm, r"GUEST-READY[\s\S]*?# ", timeout=timeout)[1]


def until(condition, timeout=30, what="it"):
    """Waits until @condition() gives something true and returns that."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.05)


def state(node, vm):
    return node.do(f"vm show {vm}")["state"]


def wait_state(node, vm, *states, timeout=30):
    return until(lambda: state(node, vm) in states and state(node, vm), timeout,
                 f"vm {vm} {' or '.join(states)}")


def delete(node, vm):
    """Ends and deletes a VM, whatever its state."""
    if state(node, vm) in ("running", "paused"):
        node.do(f"vm poweroff {vm}")
    node.do(f"vm delete {vm}")


def held(node):
    """(free memory, handle count) of the host."""
    host = node.do("host show")
    return host["memory_free_bytes"], host["handle_count"]


def same_as_before(node, before, timeout=10):
    """Waits until the host holds what it held before: giving back may take a moment."""
    end = time.monotonic() + timeout
    while held(node) != before:
        if time.monotonic() > end:
            raise AssertionError(f"(free memory, handles) were {before} and are {held(node)}")
        time.sleep(0.2)


def count_and_tsc_of(node, vm, timeout=30):
    """Asks a counter payload for its count and the TSC at that moment."""
    start = node.do(f"vm log {vm} from=0")["next"]
    node.type(vm, "x")
    match, _, _ = node.wait_text(vm, r"COUNT (\d+) TSC (\d+)\r?\n", start, timeout)
    return int(match[1]), int(match[2])


def count_of(node, vm, timeout=30):
    return count_and_tsc_of(node, vm, timeout)[0]


def refused(node, line, code):
    """The command must be refused with this code (or one of these), with message and hint."""
    error = node.refused(line)
    codes = (code,) if isinstance(code, str) else code
    assert error["code"] in codes, f"{line}: {error}"
    assert error.get("message"), f"{line}: has no message: {error}"
    return error


def end_of_dmesg(text):
    return "\n".join(text.splitlines()[-60:])


