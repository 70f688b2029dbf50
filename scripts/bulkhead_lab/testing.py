"""Finds and runs the system tests: functions test_* in tests/system/test_*.py.

Each gets one argument, a Test, runs in a process of its own with a time limit, and its machines
end with it. A test passes when it returns, is skipped by raising Skip, and fails on all else.
"""
import importlib.util
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback

from . import labfile, machine, run

TESTS = os.path.join(machine.ROOT, "tests", "system")
GUEST = os.path.join(machine.ROOT, "build", "guest")


class Skip(Exception):
    """The test cannot run here; the text says why."""


def limit(seconds):
    """Gives a test more or less time than the usual 300 s."""
    def mark(function):
        function.limit_s = seconds
        return function
    return mark


def alone(function):
    """For a test that measures time: no other runs beside it."""
    function.alone = True
    return function


class Test:
    """What a test gets: a folder of its own and machines that end with it."""

    def __init__(self, folder):
        self.folder, self._runs = folder, []

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(text.encode() if isinstance(text, str) else text)
        return path

    def start(self, conf="", modules=(), ready=True, **options):
        """A node 'a' with this bulkhead.conf and these module files; options: those of a node
        (cpus, memory, ...) and those of Run.start."""
        names = ("cpus", "memory", "iommu", "nics")
        node = labfile.Node("a", **{k: options.pop(k) for k in names if k in options})
        if isinstance(node.memory, str):
            node.memory = labfile.size(node.memory, "memory")
        index = len(self._runs)
        node.conf = self.write(f"bulkhead-{index}.conf", conf)
        node.modules = list(modules)
        return self.start_nodes([node], ready, **options).node("a")

    def start_nodes(self, nodes, ready=True, **options):
        this = run.Run(os.path.join(self.folder, f"run{len(self._runs)}"))
        self._runs.append(this)
        this.start(nodes, tied=True, **options)
        if ready:
            this.wait_ready()
        return this

    def stop(self):
        for this in self._runs:
            this.stop()


def kernel(series="6.1", packed=False):
    """The path of a stock kernel."""
    return os.path.join(GUEST, f"{'vmlinuz' if packed else 'vmlinux'}-{series}")


def initramfs(series="6.1"):
    return os.path.join(GUEST, f"initramfs-{series}.cpio.gz")


def payload(name, build="debug"):
    """The path of a payload guest, an ELF file unless @name says else; Skip when it is not built."""
    file = name if "." in name else f"{name}.elf"
    path = os.path.join(machine.ROOT, "build", build, "guest", file)
    if not os.path.exists(path):
        raise Skip(f"{path} is not built")
    return path


def find(pattern="", folder=TESTS):
    """[(name, function)] of the tests whose name 'file.function' contains @pattern."""
    found = []
    sys.path.insert(0, folder)
    for file in sorted(os.listdir(folder)):
        if not re.fullmatch(r"test_\w+\.py", file):
            continue
        spec = importlib.util.spec_from_file_location(file[:-3], os.path.join(folder, file))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for name, function in vars(module).items():
            full = f"{file[5:-3]}.{name[5:]}"
            if name.startswith("test_") and callable(function) and pattern in full:
                found.append((full, function))
    return found


def _run_child(function, folder, result_path):
    """In a child process: writes 'ok', 'skip REASON' or 'fail REASON' and the trace."""
    os.setpgid(0, 0)
    sys.stdout = sys.stderr = open(os.path.join(folder, "output.log"), "w", buffering=1)
    os.dup2(sys.stdout.fileno(), 1)
    os.dup2(sys.stdout.fileno(), 2)
    test = Test(folder)
    try:
        function(test)
        result = "ok"
    except Skip as skip:
        result = f"skip {skip}"
    except BaseException as error:
        traceback.print_exc()
        reason = str(error) or traceback.extract_tb(error.__traceback__)[-1].line
        result = f"fail {type(error).__name__}: {reason}"
    finally:
        test.stop()
    with open(result_path, "w", encoding="utf-8") as file:
        file.write(result)
    os._exit(0)


class Job:
    """A test that is running."""

    def __init__(self, name, function):
        self.name, self.begin = name, time.monotonic()
        self.limit_s = getattr(function, "limit_s", 300)
        self.folder = tempfile.mkdtemp(prefix="bulkhead-test-")
        self._result = os.path.join(self.folder, "result")
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _run_child(function, self.folder, self._result)

    def poll(self):
        """None while it runs, then ('ok' | 'skip' | 'fail', reason)."""
        pid, _ = os.waitpid(self.pid, os.WNOHANG)
        if pid == 0:
            if time.monotonic() - self.begin < self.limit_s:
                return None
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            return "fail", f"not done within {self.limit_s} s"
        try:
            with open(self._result, encoding="utf-8") as file:
                kind, _, reason = file.read().partition(" ")
            return kind, reason
        except FileNotFoundError:
            return "fail", "the test's process ended by itself"

    def seconds(self):
        return time.monotonic() - self.begin


def _report(job, kind, reason, keep):
    line = {"ok": f"ok {job.name}", "skip": f"skip {job.name}: {reason}",
            "fail": f"not ok {job.name}: {reason}"}[kind]
    print(f"{line.splitlines()[0]} ({job.seconds():.1f} s)", flush=True)
    if kind == "fail":
        with open(os.path.join(job.folder, "output.log"), encoding="utf-8", errors="replace") as file:
            for text in file.read().splitlines()[-40:]:
                print(f"    {text}")
        print(f"    logs: {job.folder}", flush=True)
    if kind != "fail" and not keep:
        shutil.rmtree(job.folder, ignore_errors=True)


def run_all(tests, jobs=2, keep=False):
    """Runs the tests, at most @jobs at a time; returns (passed, failed, skipped) and prints."""
    waiting, running, count = list(tests), [], {"ok": 0, "fail": 0, "skip": 0}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                alone = getattr(waiting[0][1], "alone", False)
                if running and (alone or any(j.alone for j in running)):
                    break
                job = Job(*waiting[0])
                job.alone = alone
                waiting.pop(0)
                running.append(job)
            for job in list(running):
                result = job.poll()
                if result:
                    running.remove(job)
                    count[result[0]] += 1
                    _report(job, *result, keep)
            time.sleep(0.05)
    finally:
        for job in running:
            os.kill(job.pid, signal.SIGKILL)
            os.waitpid(job.pid, 0)
    return count["ok"], count["fail"], count["skip"]
