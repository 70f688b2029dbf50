"""The QEMU machine of a node: its boot files and its command line."""
import os
import shutil
import subprocess
import tempfile

from . import newc
from .labfile import LabError

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OVMF_CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
OVMF_VARS = "/usr/share/OVMF/OVMF_VARS_4M.fd"
ICOUNT = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-seed", "1",
          "-rtc", "base=2026-01-01T00:00:00,clock=vm"]

# A boot ROM of one question: does the CPU that it runs on have SVM? CPUID 80000001h, ECX bit 2,
# goes to the debug exit port: QEMU ends with 2 * value + 1.
_PROBE = bytes.fromhex(
    "66b801000080"  # mov eax, 0x80000001
    "0fa2"          # cpuid
    "6689c8"        # mov eax, ecx
    "66c1e802"      # shr eax, 2
    "2401"          # and al, 1
    "baf400"        # mov dx, 0xf4
    "ee"            # out dx, al
    "f4ebfd"        # hlt, again
)


def qemu_program():
    """QEMU, or what stands in for it in the lab's own tests."""
    return os.environ.get("BULKHEAD_LAB_QEMU", "qemu-system-x86_64")


def kvm_has_svm():
    """Proves by a guest under KVM that it sees SVM; False when KVM cannot be used at all."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK) or "BULKHEAD_LAB_QEMU" in os.environ:
        return False
    return guest_sees_svm("kvm", "host")


def guest_sees_svm(accel, cpu):
    """Asks a guest of one instruction or two; False also when the machine cannot start."""
    rom = bytearray(b"\xf4" * 65536)
    rom[0 : len(_PROBE)] = _PROBE
    rom[0xFFF0:0xFFF3] = b"\xe9" + (0x10000 - 0xFFF3).to_bytes(2, "little")  # jmp 0
    with tempfile.NamedTemporaryFile() as file:
        file.write(rom)
        file.flush()
        try:
            result = subprocess.run(
                [qemu_program(), "-machine", "pc", "-accel", accel, "-cpu", cpu, "-m", "16M",
                 "-nodefaults", "-display", "none", "-no-reboot", "-bios", file.name,
                 "-device", "isa-debug-exit,iobase=0xf4,iosize=1"],
                stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False)
        except (subprocess.TimeoutExpired, OSError):
            return False
    return result.returncode == 3


def choose_accel(wanted, icount):
    """'tcg' or 'kvm' for what the user asked: auto, tcg or kvm."""
    if icount:
        if wanted == "kvm":
            raise LabError("--icount counts instructions, which KVM cannot; leave out --accel kvm")
        return "tcg"
    if wanted == "auto":
        return "kvm" if kvm_has_svm() else "tcg"
    if wanted == "kvm" and not kvm_has_svm():
        raise LabError("KVM gives its guests no SVM here (or /dev/kvm is not accessible); load "
                       "kvm_amd with nested=1 on an AMD machine, or use --accel tcg")
    return wanted


def module_files(node):
    """[(name, path)] of what the node gets as modules, bulkhead.conf first."""
    files = [("bulkhead.conf", node.conf)] if node.conf else []
    return files + [(os.path.basename(path), path) for path in node.modules]


def make_modules_cpio(node, path):
    """Data starts on page boundaries, so that the hypervisor can use the modules in place."""
    archive = newc.Archive()
    for name, source in module_files(node):
        with open(source, "rb") as file:
            archive.file(name, file.read(), align=4096)
    with open(path, "wb") as file:
        file.write(archive.bytes())


def make_fat_image(node, program, path):
    """A FAT volume as it would be put on a USB stick."""
    files = [("EFI/BOOT/BOOTX64.EFI", program)]
    files += [(f"bulkhead/{name}", source) for name, source in module_files(node)]
    # 512-byte sectors, some room for the directories and the file system's own tables.
    size = sum(os.path.getsize(source) + 65536 for _, source in files)
    kilobytes = max(size // 1024 * 102 // 100 + 4096, 40 * 1024)
    env = {**os.environ, "MTOOLS_SKIP_CHECK": "1", "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
    def run(*command):
        subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL)
    run("mkfs.vfat", "-F", "32", "-n", "BULKHEAD", "-C", path, str(kilobytes))
    run("mmd", "-i", path, "::EFI", "::EFI/BOOT", "::bulkhead")
    for name, source in files:
        run("mcopy", "-i", path, source, f"::{name}")


def make_boot_files(node, folder, boot, build, kernel=None):
    """Writes what the machine boots from into @folder; returns QEMU's arguments for it."""
    base = kernel or os.path.join(ROOT, "build", build, "bulkhead")
    program = f"{base}.efi" if boot == "uefi" else f"{base}.elf"
    if not os.path.exists(program) and "BULKHEAD_LAB_QEMU" not in os.environ:
        raise LabError(f"{program} is missing; run make")
    if boot == "pvh":
        make_modules_cpio(node, f"{folder}/modules.cpio")
        return ["-kernel", program, "-initrd", f"{folder}/modules.cpio"]
    make_fat_image(node, program, f"{folder}/boot.img")
    shutil.copyfile(OVMF_VARS, f"{folder}/vars.fd")
    return ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF_CODE}",
            "-drive", f"if=pflash,format=raw,file={folder}/vars.fd",
            "-drive", f"if=none,id=boot,format=raw,file={folder}/boot.img",
            "-device", "ide-hd,drive=boot,bus=ide.0,bootindex=1"]


def base_arguments(node, accel, icount):
    """The machine without boot files, serial ports and network links."""
    args = ["-name", node.name, "-machine", "q35,kernel-irqchip=split" if node.iommu else "q35"]
    args += ICOUNT if icount else ["-accel", accel]
    args += ["-cpu", "host" if accel == "kvm" else "max", "-smp", str(node.cpus),
             "-m", f"{node.memory >> 10}K", "-nodefaults", "-display", "none", "-no-reboot"]
    if node.iommu:
        args += ["-device", "intel-iommu,intremap=on,device-iotlb=on,caching-mode=off"]
    for i, nic in enumerate(node.nics):
        args += ["-device", f"pcie-root-port,id=rp{i},bus=pcie.0,chassis={i + 1},slot={i + 1}",
                 "-device", f"{nic.model},id=nic{i},netdev=n{i},bus=rp{i},mac={nic.mac},romfile="]
    return args
