"""Two stock Debian kernels side by side, by both boots; what Linux says about its machine."""
import hashlib
import os
import re
import subprocess

from bulkhead_lab import labfile, machine
from bulkhead_lab.testing import GUEST, Skip, limit

from helpers import create_linux, linux_is_up

BAD_WORDS = ("WARNING:", "unchecked MSR", "BUG:", "stall", "soft lockup", "Unable to read current time",
             "Call Trace", "general protection")


def check_linux(node, vm, release):
    """The guest answers what is typed at it, and its kernel log has no complaint."""
    linux_is_up(node, vm)
    name = node.shell(vm, "uname -a")
    assert re.search(rf"Linux .* {re.escape(release)}[.0-9]*", name), name
    dmesg = node.shell(vm, "dmesg", timeout=120)
    assert "Hypervisor detected: Microsoft Hyper-V" in dmesg, dmesg[-3000:]
    for words in BAD_WORDS:
        lines = [line for line in dmesg.split("\n") if words in line]
        # The RCU's own parameters have 'stall' in their names.
        lines = [line for line in lines if "rcu_cpu_stall" not in line]
        assert not lines, lines


def demo(t, boot):
    nodes = labfile.load(os.path.join(machine.ROOT, "scripts", "labs", "demo.toml"))
    node = t.start_nodes(nodes, boot=boot).node("a")
    assert node.do("host show")["boot"] == boot
    assert {vm["name"]: vm["state"] for vm in node.do("vm list")} == {"web": "running", "db": "running"}
    check_linux(node, "web", "6.1")
    check_linux(node, "db", "6.12")
    for vm in ("web", "db"):
        node.type(vm, "exit\\n")
        node.wait("vm-stopped", vm=vm, timeout=60)


@limit(600)
def test_both_kernels_reach_their_shells_by_pvh(t):
    demo(t, "pvh")


@limit(600)
def test_both_kernels_reach_their_shells_by_uefi(t):
    demo(t, "uefi")


def test_an_uncompressed_kernel_boots_by_its_pvh_note(t):
    lines, modules = create_linux("web")
    node = t.start(lines, modules)
    check_linux(node, "web", "6.1")
    cpus = node.shell("web", "grep -c ^processor /proc/cpuinfo")
    assert cpus.strip() == "1", cpus
    memory = int(re.search(r"MemTotal:\s+(\d+)", node.shell("web", "cat /proc/meminfo"))[1])
    assert 190_000 < memory < 262_144, memory
    date = node.shell("web", "date -u +%Y")
    assert 2020 <= int(date.strip()) < 2100, date


def test_guest_kernels_are_byte_equal_to_debians(t):
    packages = [f for f in os.listdir(f"{GUEST}/deb") if f.startswith("linux-image-")]
    if not packages:
        raise Skip("the downloaded packages are gone from build/guest/deb")
    digests = set()
    for package in packages:
        names = subprocess.run(f"dpkg-deb --fsys-tarfile '{GUEST}/deb/{package}' | tar -xO --wildcards "
                               "'./boot/vmlinuz-*' | sha256sum", shell=True, text=True,
                               capture_output=True, check=True).stdout
        digests.add(names.split()[0])
    for series in ("6.1", "6.12"):
        with open(f"{GUEST}/vmlinuz-{series}", "rb") as file:
            assert hashlib.sha256(file.read()).hexdigest() in digests, series


def test_make_run_without_a_terminal_prints_a_summary(t):
    done = subprocess.run([f"{machine.ROOT}/scripts/run", "--kernel", f"{GUEST}/vmlinux-6.1",
                           "--initrd", f"{GUEST}/initramfs-6.1.cpio.gz"], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("banner", "shell after", "Linux", "memory used"):
        assert words in done.stdout, done.stdout


def test_debug_stops_at_the_first_instruction_with_all_symbols(t):
    done = subprocess.run([f"{machine.ROOT}/scripts/run", "--debug"], text=True, timeout=100,
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("0xfff0", "manager.elf", "vmm.elf"):
        assert words in done.stdout, done.stdout
