"""What the network between two stock Linux guests costs: instructions outside guest mode.

All that the machine has done, less what its CPU was halted, less what the guests ran in guest mode, is
our share. It is read before and after a load of N and one of 3 N; the difference is 2 N of the work
without what asking and typing cost.
"""
import os
import re
import subprocess
import time

from bulkhead_lab import client, newc, testing

HERE = os.path.dirname(os.path.realpath(__file__))
GUESTS = {"a": "10.0.0.1", "b": "10.0.0.2"}
# Row: (what, the load, N, ceiling of our share, whole machine with KVM 6.1, two programs of one Linux).
# The round trip's ceiling is to be 16,000: docs/switch.md has what is left to save.
# The last is in units of one: a datagram, or a KiB.
ROWS = [
    ("64-byte round trip", "ping", 10000, 18000, "101,000-110,000", "67,000"),
    ("64-byte UDP in bursts of 32, a frame", "burst", 32 * 1000, 5000, "56,200", "14,400"),
    ("TCP stream, a KiB", "stream", 32 * 1024, 1200, "10,950", "3,380"),
]
LIMIT_S, POLL_S = 300, 0.5


def initrd(folder):
    """Debian's initramfs as the other tests have it, and behind it an archive with the load."""
    program, path = os.path.join(folder, "netload"), os.path.join(folder, "net.cpio.gz")
    subprocess.run(["gcc", "-O2", "-Wall", "-static", "-s", "-o", program,
                    os.path.join(HERE, "netload.c")], check=True)
    archive = newc.Archive()
    archive.directory("bin")
    with open(program, "rb") as file:
        archive.file("bin/netload", file.read(), 0o755)
    with open(testing.initramfs("6.1"), "rb") as first, open(path, "wb") as out:
        data = first.read()
        out.write(data + b"\0" * (-len(data) % 4) + archive.bytes())
    return path


def start(test):
    kernel, image = testing.kernel("6.1"), initrd(test.folder)
    conf = "switch create lan\n" + "".join(
        f'vm create {name} kernel={os.path.basename(kernel)} initrd={os.path.basename(image)} '
        f'memory=384M cpus=1 cmdline="console=ttyS0,115200 quiet daemons=off hostname={name}"\n'
        f"nic add {name} switch=lan\nvm start {name}\n" for name in GUESTS)
    node = test.start(conf, [kernel, image], cpus=1, memory="2G", icount=True, build="release")
    for name, address in GUESTS.items():
        node.wait_text(name, "GUEST-READY", timeout=LIMIT_S)
        run(node, name, f"ip addr add {address}/24 dev eth0; ip link set eth0 up")
    run(node, "b", "netload serve & sleep 1")
    run(node, "a", f"ping -c 3 {GUESTS['b']}")
    return node


def run(node, vm, command):
    """Runs @command in the guest's shell. Its end is looked for seldom, since asking costs, too."""
    start = node.vm_text(vm)[1]
    node.type(vm, f"{command}; echo END-$?\\n")
    limit = time.monotonic() + LIMIT_S
    while time.monotonic() < limit:
        time.sleep(POLL_S)
        text = node.vm_text(vm, start)[0]
        found = re.search(r"^END-(\d+)", text, re.M)
        if found and found[1] == "0":
            return
        if found:
            break
    raise client.TimedOut(f"{vm}: {command}: {text[-500:]!r}")


def counters(node):
    """(all but what the CPU was halted, of it in guest mode), both in instructions."""
    host = node.do("host show")
    guest = sum(cpu["guest_ns"] for name in GUESTS for cpu in node.do(f"vm vcpus {name}"))
    busy = host["uptime_ns"] - sum(cpu["halted_ns"] for cpu in host["cpus"])
    return busy, guest


def load(node, kind, count):
    """What a load costs: (busy, in guest mode)."""
    before = counters(node)
    run(node, "a", f"netload {kind} {GUESTS['b']} {count}")
    after = counters(node)
    return tuple(x - y for x, y in zip(after, before))


def measure(node, kind, count):
    """(our share, the whole machine), each for one of @kind."""
    load(node, kind, count // 10)  # caches of the guests: neighbours, routes
    small, large = load(node, kind, count), load(node, kind, 3 * count)
    busy, guest = ((y - x) / (2 * count) for x, y in zip(small, large))
    return busy - guest, busy


def network(test, report):
    node = start(test)
    print(f"{'network, two Linux guests, one CPU':38} {'ours':>8} {'ceiling':>8} {'machine':>8} "
          f"{'KVM 6.1':>15} {'one Linux':>9}")
    for what, kind, count, ceiling, kvm, alone in ROWS:
        ours, machine = measure(node, kind, count)
        verdict = "  ok" if ours <= ceiling else "  CEILING PASSED"
        report.failed = report.failed or not ours <= ceiling
        print(f"{what:38} {ours:8,.0f} {ceiling:8,} {machine:8,.0f} {kvm:>15} {alone:>9}{verdict}",
              flush=True)
    test.stop()
