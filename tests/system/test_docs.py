"""What README.md and docs/tour.md tell a reader to type works, and generated documents are current.

A fenced block marked `sh` is run by a shell from the root of the tree, one marked `bulkhead` is
typed at the control port of a node that runs the demo lab (with the payload guests as modules too).
`by hand` behind the mark leaves a block out; blocks with another mark are no commands. Within a
document they run in order. A line of output may follow a command behind '# '.
"""
import os
import re
import subprocess

from bulkhead_lab import labfile, machine
from bulkhead_lab.testing import Skip, limit

from helpers import linux_is_up

FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```", re.M | re.S)


def blocks(name):
    """[(mark, text)] of the fenced blocks of a document that are commands."""
    path = os.path.join(machine.ROOT, name)
    if not os.path.exists(path):
        raise Skip(f"{name} does not exist yet")
    with open(path, encoding="utf-8") as file:
        found = FENCE.findall(file.read())
    return [(info.split()[0], text) for info, text in found
            if info.split() and info.split()[0] in ("sh", "bulkhead") and "by hand" not in info]


def demo_node(t):
    node = labfile.load(os.path.join(machine.ROOT, "scripts", "labs", "demo.toml"))[0]
    guests = os.path.join(machine.ROOT, "build", "debug", "guest")
    node.modules += [os.path.join(guests, n) for n in sorted(os.listdir(guests)) if n.endswith(".elf")]
    running = t.start_nodes([node]).node("a")
    for vm in ("web", "db"):
        linux_is_up(running, vm)
    return running


def run_blocks(t, name):
    found = blocks(name)
    node = None
    env = {**os.environ, "RUN": os.path.join(t.folder, "lab")}
    for mark, text in found:
        print(f"--- {mark}\n{text}", flush=True)
        if mark == "sh":
            done = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", text], cwd=machine.ROOT, env=env,
                                  stdin=subprocess.DEVNULL, timeout=900, check=False)
            assert done.returncode == 0, f"{name}: exit {done.returncode}: {text}"
            continue
        node = node or demo_node(t)
        for line in text.split("\n"):
            line = re.sub(r"^(\w+)?> ?", "", line.split("    #")[0]).strip()
            if line and not line.startswith("#"):
                node.do(line)


@limit(1200)
def test_the_readmes_commands_work(t):
    run_blocks(t, "README.md")


@limit(1200)
def test_the_tours_commands_work(t):
    run_blocks(t, "docs/tour.md")


def test_generated_documents_are_current(t):
    names = [n for n in ("docs/commands.md", "docs/events.md", "docs/services.md") if os.path.exists(f"{machine.ROOT}/{n}")]
    if not names:
        raise Skip("docs/commands.md and docs/events.md do not exist yet")
    plan = subprocess.run(["make", "-n", "docs"], cwd=machine.ROOT, text=True, capture_output=True,
                          check=False)
    if plan.returncode:
        raise Skip("there is no target docs yet")
    old = {}
    for name in names:
        with open(os.path.join(machine.ROOT, name), "rb") as file:
            old[name] = file.read()
    subprocess.run(["make", "-s", "docs"], cwd=machine.ROOT, check=True)
    for name in names:
        with open(os.path.join(machine.ROOT, name), "rb") as file:
            assert file.read() == old[name], f"{name} was not current; it is now"
