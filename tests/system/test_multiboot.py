"""Kernels with a Multiboot 1 header: what they are told is what they were given."""
import re

from bulkhead_lab.testing import payload

from helpers import held, refused, same_as_before

FILES = {"alpha": b"first module", "beta.bin": bytes(range(256)) * 40, "gamma": b"\0"}


def checksum(content):
    """FNV-1a, as the payload computes it."""
    total = 0x811C9DC5
    for byte in content:
        total = (total ^ byte) * 0x01000193 & 0xFFFFFFFF
    return total


def expected(kernel, cmdline, image_end, modules):
    """Every line that the payload prints, but for the image's end, which is its own."""
    lines = ["MULTIBOOT eax 2badb002 protected 1 paging 0 interrupts 0",
             f"image 100000 to {image_end:x}", "flags 24d", f"command line '{kernel} {cmdline}'",
             "loader 'Bulkhead'", "lower 639 upper 15360", "memory 0 9fc00 type 1",
             "memory 9fc00 60400 type 2", "memory 100000 f00000 type 1"]
    at = image_end
    for name in modules:
        content = FILES[name]
        at = at + 0xFFF & ~0xFFF
        lines.append(f"module {name} at {at:x} bytes {len(content)} sum {checksum(content):x}")
        at += len(content)
    return lines + ["MULTIBOOT done"]


def run(t, kernel, options, modules):
    """Starts @kernel with these modules and compares what it prints."""
    node = t.start("", [payload(kernel), *(t.write(name, content) for name, content in FILES.items())])
    shown = node.do(f"vm create m kernel={kernel} memory=16M cpus=1 {options}"
                    + (f" modules={','.join(modules)}" if modules else ""))
    assert shown["modules"] == modules, shown
    node.do("vm start m")
    node.wait("vm-stopped", vm="m", timeout=20)
    printed = node.vm_text("m")[0].replace("\r", "").splitlines()
    end = int(re.fullmatch(r"image 100000 to ([0-9a-f]+)", printed[1])[1], 16)
    cmdline = re.search(r"cmdline=(.*)", options)
    wanted = expected(kernel, cmdline[1].strip('"') if cmdline else "", end, modules)
    assert printed == wanted, "\n".join([*printed, "--- wanted:", *wanted])
    return node.do("vm show m")


def test_an_elf_kernel_is_recognised_and_told_all(t):
    shown = run(t, "multiboot.elf", 'cmdline="exit=3 a=b"', ["alpha", "beta.bin", "gamma"])
    assert shown["exit_code"] == 3 and shown["type"] == "auto", shown


def test_a_flat_kernel_is_loaded_by_its_addresses(t):
    assert run(t, "multiboot.bin", "type=multiboot", ["beta.bin"])["exit_code"] == 0


def test_a_kernel_without_modules_finds_none(t):
    run(t, "multiboot.bin", "", [])


def test_what_does_not_belong_together_is_refused_with_a_remedy(t):
    node = t.start("", [payload("hello"), payload("multiboot.elf"), t.write("alpha", b"x")])
    before = held(node)
    create = "vm create x memory=16M cpus=1"
    for line, hint in (
        ("kernel=hello.elf modules=alpha", "initrd="),
        ("kernel=hello.elf modules=alpha type=pvh", "initrd="),
        ("kernel=multiboot.elf initrd=alpha", "modules="),
        ("kernel=multiboot.elf initrd=alpha type=multiboot", "modules="),
    ):
        error = refused(node, f"{create} {line}", "usage")
        assert hint in error["hint"], error
    refused(node, f"{create} kernel=hello.elf type=multiboot", "bad-image")
    refused(node, f"{create} kernel=multiboot.elf type=pvh", "bad-image")
    refused(node, f"{create} kernel=multiboot.elf modules=alpha,nope", "not-found")
    same_as_before(node, before)


def test_modules_that_do_not_fit_are_refused(t):
    node = t.start("", [payload("multiboot.elf"), t.write("large", bytes(3 << 20))])
    error = refused(node, "vm create x kernel=multiboot.elf modules=large memory=4M cpus=1", "no-memory")
    assert "module large" in error["message"] and "memory" in error["hint"], error
    node.do("vm create x kernel=multiboot.elf modules=large memory=5M cpus=1")
