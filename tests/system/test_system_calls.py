"""The system calls keep their promises to a program: services/vmm/selftest.c runs in a vmm's place."""
from bulkhead_lab import testing
from bulkhead_lab.testing import limit

from helpers import held


@limit(120)
def test_system_calls_keep_their_promises(t):
    hello = testing.payload("hello")
    node = t.start("", [hello])
    node.do('vm create warm kernel=hello.elf memory=16M cpus=1 cmdline="bulkhead.selftest"')
    node.do("vm delete warm")
    before = held(node)
    for name in ("one", "two"):
        node.do(f'vm create {name} kernel=hello.elf memory=16M cpus=1 cmdline="bulkhead.selftest"')
        node.do(f"vm start {name}")
    for name in ("one", "two"):
        node.wait("vm-stopped", vm=name, timeout=60)
        text = node.do(f"vm log {name}")["text"]
        print(text)
        assert "not ok" not in text and text.count("ok ") == 12, text
        assert node.do(f"vm show {name}")["exit_code"] == 0
        node.do(f"vm delete {name}")
    assert held(node) == before, (before, held(node))
