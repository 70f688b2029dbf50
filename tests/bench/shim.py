"""Makes a copy of a kernel with PVH note that says its time-stamp counter before it starts."""
import os
import struct
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PT_LOAD, PT_NOTE = 1, 4
PHYS32_ENTRY = 18
HEADER = struct.Struct("<IIQQQQQQ")  # a program header of ELF64


def _assemble(address, entry):
    with tempfile.TemporaryDirectory() as folder:
        def run(*command):
            subprocess.run(command, check=True, cwd=folder)
        run("gcc", "-m32", f"-DENTRY={entry:#x}", "-c", f"{HERE}/shim.S", "-o", "shim.o")
        run("ld", "-m", "elf_i386", "-N", "--no-warn-rwx-segments", f"-Ttext={address:#x}", "-o", "shim.elf", "shim.o")
        run("objcopy", "-O", "binary", "shim.elf", "shim.bin")
        with open(f"{folder}/shim.bin", "rb") as file:
            return file.read()


def _entry_offset(image, headers):
    """Where the file holds the entry address of the PVH note, and its size in bytes."""
    for kind, _, offset, _, _, size, _, _ in headers:
        at, past = offset, offset + size
        while kind == PT_NOTE and at + 12 <= past:
            name_bytes, desc_bytes, note = struct.unpack_from("<III", image, at)
            name = image[at + 12 : at + 12 + name_bytes]
            desc = at + 12 + (name_bytes + 3 & ~3)
            if name == b"Xen\0" and note == PHYS32_ENTRY:
                return desc, desc_bytes
            at = desc + (desc_bytes + 3 & ~3)
    raise ValueError("the kernel has no PVH note")


def add(source, target):
    """Writes @target: the kernel @source with the shim in front of its PVH entry."""
    with open(source, "rb") as file:
        image = bytearray(file.read())
    table, = struct.unpack_from("<Q", image, 0x20)
    size, count = struct.unpack_from("<HH", image, 0x36)
    assert image[:5] == b"\x7fELF\x02" and size == HEADER.size
    headers = [HEADER.unpack_from(image, table + i * size) for i in range(count)]
    at, entry_bytes = _entry_offset(image, headers)
    entry = int.from_bytes(image[at : at + entry_bytes], "little")
    top = max(h[4] + h[6] for h in headers if h[0] == PT_LOAD)
    address = top + 0xFFF & ~0xFFF
    code = _assemble(address, entry)
    image += b"\0" * (-len(image) % 4096)
    headers.append((PT_LOAD, 7, len(image), address, address, len(code), len(code), 4096))
    image += code + b"\0" * (-len(code) % 8)
    image[at : at + entry_bytes] = address.to_bytes(entry_bytes, "little")
    struct.pack_into("<Q", image, 0x20, len(image))
    struct.pack_into("<H", image, 0x38, len(headers))
    image += b"".join(HEADER.pack(*h) for h in headers)
    with open(target, "wb") as file:
        file.write(image)
