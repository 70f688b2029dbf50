"""Walks the live page tables of kernel and programs from outside of the machine."""
import struct

from bulkhead_lab.testing import payload

from helpers import qmp

PRESENT, WRITE, USER, LARGE, NX = 1, 2, 4, 0x80, 1 << 63
ADDRESS = 0x000F_FFFF_FFFF_F000
RAM_BYTES = 512 << 20
PATTERN = struct.pack("<Q", 0xCAFEF00D5CA1AB1E) * 512


class Leaf:
    """One mapping: virtual and physical address, size and effective rights."""

    def __init__(self, root, virtual, physical, size, flags, can_execute):
        self.root, self.virtual, self.physical, self.size = root, virtual, physical, size
        self.can_write, self.is_user = bool(flags & WRITE), bool(flags & USER)
        self.can_execute = can_execute

    def __str__(self):
        rights = "r" + "w" * self.can_write + "x" * self.can_execute + "u" * self.is_user
        return f"{self.root}: {self.virtual:#x} -> {self.physical:#x}+{self.size:#x} {rights}"


def walk(ram, name, cr3):
    """The leaves of a table of four levels."""
    leaves = []

    def level(table, depth, virtual, flags, can_execute):
        if table + 4096 > len(ram):
            raise AssertionError(f"{name}: a table at {table:#x} is outside of RAM")
        for i, entry in enumerate(struct.unpack_from("<512Q", ram, table)):
            if not entry & PRESENT:
                continue
            size = 1 << (12 + 9 * depth)
            here = virtual + i * size
            if depth == 3 and i >= 256:
                here |= 0xFFFF << 48
            rights = flags & entry
            execute = can_execute and not entry & NX
            if depth == 0 or (depth < 3 and entry & LARGE):
                physical = entry & ADDRESS & ~(size - 1)
                leaves.append(Leaf(name, here, physical, size, rights, execute))
            else:
                level(entry & ADDRESS, depth - 1, here, rights, execute)

    level(cr3 & ADDRESS, 3, 0, WRITE | USER, True)
    return leaves


def frozen(node):
    """The machine's memory and the leaves of all its roots at one moment."""
    roots = node.do("debug roots")
    with qmp(node) as monitor:
        monitor.do("stop")
        ram = monitor.memory(0, RAM_BYTES)
        monitor.do("cont")
    leaves = []
    for root in roots:
        cr3 = int(root["cr3"], 0) if isinstance(root["cr3"], str) else root["cr3"]
        leaves += walk(ram, root["name"], cr3)
    return ram, roots, leaves


def start(t):
    node = t.start("vm create one kernel=canary.elf memory=32M cpus=1 cmdline=stay=1\nvm start one\n"
                   "vm create two kernel=counter.elf memory=16M cpus=1\nvm start two\n",
                   [payload("canary"), payload("counter")], memory="512M")
    node.wait_text("one", "CANARY")
    node.wait_text("two", "COUNTER")
    return node


def test_no_page_is_writable_and_executable(t):
    _, roots, leaves = frozen(start(t))
    assert {"kernel", "manager"} <= {r["name"] for r in roots}, roots
    assert len(roots) >= 4, roots  # kernel, manager and two vmms
    bad = [str(leaf) for leaf in leaves if leaf.can_write and leaf.can_execute]
    assert not bad, bad[:10]
    assert any(leaf.can_execute for leaf in leaves)


def test_no_physical_page_is_executable_here_and_writable_there(t):
    _, _, leaves = frozen(start(t))
    executable = {}
    for leaf in leaves:
        if leaf.can_execute and leaf.physical < RAM_BYTES:
            for page in range(leaf.physical, min(leaf.physical + leaf.size, RAM_BYTES), 4096):
                executable.setdefault(page, leaf)
    bad = []
    for leaf in leaves:
        if leaf.can_write and leaf.physical < RAM_BYTES:
            if leaf.size == 4096:
                hits = [leaf.physical] if leaf.physical in executable else []
            else:
                hits = [p for p in executable if leaf.physical <= p < leaf.physical + leaf.size]
            bad += [f"{p:#x}: {executable[p]} and {leaf}" for p in hits[:1]]
    assert not bad, bad[:10]


def test_no_program_can_reach_the_kernels_half(t):
    _, _, leaves = frozen(start(t))
    bad = [str(l) for l in leaves if l.is_user and l.virtual >> 47]
    assert not bad, bad[:10]


def test_guest_memory_is_only_in_its_own_vmms_window(t):
    """The canary guest has filled its memory with a pattern: where are those pages mapped?"""
    ram, _, leaves = frozen(start(t))
    guest = {at for at in range(0, RAM_BYTES, 4096) if ram[at : at + 4096] == PATTERN}
    assert len(guest) > 4000, len(guest)
    slots = set()
    for leaf in leaves:
        pages = [p for p in range(leaf.physical, leaf.physical + leaf.size, 4096) if p in guest] \
            if leaf.size <= 1 << 21 else [p for p in guest if leaf.physical <= p < leaf.physical + leaf.size]
        if not pages:
            continue
        assert not leaf.can_execute, str(leaf)
        assert leaf.root not in ("kernel", "manager"), str(leaf)
        if leaf.virtual >> 47:
            assert not leaf.is_user, str(leaf)
            slots.add((leaf.root, leaf.virtual >> 39 & 511))
    assert len(slots) <= 1, slots
    assert not any("two" in root for root, _ in slots), slots
