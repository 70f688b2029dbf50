"""Starts and ends the machines of a lab file: one run, one folder."""
import json
import os
import signal
import subprocess
import sys
import time

from . import labfile, machine, owner
from .client import Node
from .labfile import LabError

READY_LIMIT_S = 120
LAB = os.path.join(machine.ROOT, "scripts", "lab")


def prepare():
    """What 'make run' does first: sets up what is missing and builds."""
    if "BULKHEAD_LAB_QEMU" in os.environ or "BULKHEAD_LAB_NO_BUILD" in os.environ:
        return
    for command in (["scripts/setup"], ["make", "-s", "-j2"]):
        result = subprocess.run(command, cwd=machine.ROOT, stdin=subprocess.DEVNULL,
                                stdout=sys.stderr, check=False)
        if result.returncode:
            raise LabError(f"{' '.join(command)} failed; its messages are above")


class Run:
    """The folder of a run. start() starts the machines; the folder alone is enough to use one."""

    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        self.names = []

    def node(self, name="a"):
        return Node(self.folder, name)

    def must_be_new(self):
        """Raises LabError when the folder holds something, for example another run."""
        if os.path.exists(self.folder) and (not os.path.isdir(self.folder) or os.listdir(self.folder)):
            raise LabError(f"{self.folder} is not empty; name a folder that does not exist yet")

    def start(self, nodes, accel="auto", icount=False, boot="pvh", build="debug", extra=(),
              tied=False, kernel=None):
        """Starts the machines, does not wait for them. @nodes: from labfile.load. @tied: they end
        with this process. @extra: more arguments for QEMU. @kernel: another hypervisor file than
        the build's, without its ending."""
        self.must_be_new()
        os.makedirs(self.folder, exist_ok=True)
        accel = machine.choose_accel(accel, icount)
        spec = {"program": machine.qemu_program(), "nodes": []}
        for node in nodes:
            folder = f"{self.folder}/{node.name}"
            os.mkdir(folder)
            command = [machine.qemu_program(), *machine.base_arguments(node, accel, icount)]
            command += machine.make_boot_files(node, folder, boot, build, kernel)
            command += ["-qmp", "unix:qmp.sock,server=on,wait=off", *extra]
            spec["nodes"].append({"name": node.name, "command": command,
                                  "links": [nic.link for nic in node.nics]})
        self.names = [node.name for node in nodes]
        with open(f"{self.folder}/run.json", "w", encoding="utf-8") as file:
            json.dump(spec, file, indent=1)
        with open(f"{self.folder}/owner.log", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-B", LAB, "own", "--dir", self.folder], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
                preexec_fn=owner.die_with_parent if tied else None)
        while not os.path.exists(f"{self.folder}/owner.json"):
            if process.poll() is not None:
                raise LabError(f"cannot start the machines: {self._owner_log()}")
            time.sleep(0.02)

    def _owner_log(self):
        with open(f"{self.folder}/owner.log", encoding="utf-8", errors="replace") as file:
            return file.read()[-2000:].strip()

    def wait_ready(self, limit=READY_LIMIT_S, report=lambda text: None):
        """Waits until every node said host-ready. Raises LabError with the end of the console."""
        begin = time.monotonic()
        waiting = list(self.names)
        while waiting:
            for name in list(waiting):
                node = self.node(name)
                ended = node.has_ended()
                if node.events("host-ready"):
                    waiting.remove(name)
                    report(f"{name}: host-ready after {time.monotonic() - begin:.1f} s")
                elif ended:
                    raise LabError(f"node {name} ended before it was ready;{self._last_words(node)}")
                elif time.monotonic() - begin > limit:
                    raise LabError(f"node {name} did not say host-ready within {limit} s;"
                                   f"{self._last_words(node)}")
            time.sleep(0.05)

    def _last_words(self, node):
        text = ""
        for what in ("qemu", "console"):
            lines = node.log(what).replace("\r", "").strip().split("\n")
            lines = lines[1:] if what == "qemu" else lines
            if lines and lines != [""]:
                text += f"\n--- end of {node.folder}/{what}.log\n" + "\n".join(lines[-25:])
        return text

    def _owner(self):
        """The owner's process id while it lives, else None."""
        try:
            with open(f"{self.folder}/owner.json", encoding="ascii") as file:
                told = json.load(file)
        except (OSError, ValueError):
            return None
        return told["pid"] if owner.start_time(told["pid"]) == told["start"] else None

    def stop(self, limit=10):
        """Ends what start() started and nothing else."""
        pid = self._owner()
        if pid is None:
            return
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + limit
        while self._owner() == pid:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass
            if time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
                end += limit
            time.sleep(0.02)


def load(path):
    return labfile.load(path)
