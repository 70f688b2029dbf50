"""VMs with several vCPUs: made, held, ended and given back as those with one."""
from bulkhead_lab.testing import payload

from helpers import count_of, create_linux, held, linux_is_up, refused, same_as_before


def test_a_vm_with_64_vcpus_lives_and_leaves_nothing_behind(t):
    node = t.start("", [payload("hello"), payload("counter")])
    before = None
    for _ in range(3):
        node.do("vm create c kernel=counter.elf memory=16M cpus=64")
        listed = node.do("vm vcpus c")
        assert [(v["index"], v["state"]) for v in listed] == [(i, "created") for i in range(64)], listed
        node.do("vm start c")
        node.wait_text("c", "COUNTER")
        shown = node.do("vm show c")
        assert shown["cpus"] == 64 and len(shown["vcpus"]) == 64, shown
        first = count_of(node, "c")
        assert node.do("vm pause c")["state"] == "paused"
        assert {v["state"] for v in node.do("vm vcpus c")} == {"paused"}
        assert node.do("vm resume c")["state"] == "running"
        assert count_of(node, "c") > first
        node.do("vm poweroff c")
        assert {v["state"] for v in node.do("vm vcpus c")} == {"off"}
        node.do("vm delete c")
        if before is None:
            before = held(node)  # one round to warm up
    same_as_before(node, before)


def test_the_end_of_a_vm_with_several_vcpus_is_told_once(t):
    node = t.start("", [payload("hello"), payload("triplefault")])
    node.do("vm create h kernel=hello.elf memory=16M cpus=4 cmdline=exit=7")
    node.do("vm start h")
    node.wait("vm-stopped", vm="h", timeout=20)
    assert node.do("vm show h")["exit_code"] == 7
    node.do("vm create bad kernel=triplefault.elf memory=16M cpus=4")
    node.do("vm start bad")
    node.wait("vm-crashed", vm="bad", timeout=20)
    crash = node.do("vm show bad")["crash"]
    assert crash["vcpu"] == 0 and crash["exits"][-1]["kind"] == "shutdown", crash
    ids = [e["event"] for vm in ("h", "bad") for e in node.events(vm=vm)]
    assert ids == ["vm-created", "vm-started", "vm-stopped", "vm-created", "vm-started", "vm-crashed"], ids


def test_counts_of_vcpus_that_cannot_be_are_refused(t):
    node = t.start("", [payload("hello")])
    before = held(node)
    for cpus in ("0", "65", "1K", "two"):
        error = refused(node, f"vm create x kernel=hello.elf memory=16M cpus={cpus}", "usage")
        assert "1 to 64" in error["hint"], error
    same_as_before(node, before)


def test_vcpus_that_there_is_no_memory_for_are_refused_and_undone(t):
    node = t.start("", [payload("hello")], memory="128M")
    before = held(node)
    free = node.do("host show")["memory_free_bytes"] >> 20

    def fits(memory, cpus):
        answer = node.answer(f"vm create x kernel=hello.elf memory={memory}M cpus={cpus}")
        if answer["ok"]:
            node.do("vm delete x")
        else:
            assert answer["error"]["code"] == "no-memory" and answer["error"]["hint"], answer
        return answer["ok"]

    most = next(memory for memory in range(free & ~1, 0, -2) if fits(memory, 1))
    assert not fits(most, 64)
    assert fits(most - 8, 64)
    same_as_before(node, before)


def test_vm_set_says_on_which_cpus_and_how_much_a_vm_runs(t):
    node = t.start("", [payload("counter")])

    def pins():
        return [v["pinned_cpu"] for v in node.do("vm vcpus c")]

    node.do("vm create c kernel=counter.elf memory=16M cpus=3 pin=1,0")
    assert pins() == [1, 0, 1]
    node.do("vm start c")
    node.wait_text("c", "COUNTER")
    shown = node.do("vm set c pin=1 weight=200 cap=50")
    assert (shown["pin"], shown["weight"], shown["cap"]) == ([1], 200, 50), shown
    assert pins() == [1, 1, 1]
    node.do("debug fault manager")
    node.do("vm reset c")
    assert pins() == [1, 1, 1]
    first = count_of(node, "c")
    assert count_of(node, "c") > first
    error = refused(node, "vm set c pin=0,2", "usage")
    assert "below 2" in error["hint"], error
    assert node.do("vm set c pin=any cap=0")["pin"] is None
    assert pins() == [None] * 3


def test_linux_runs_on_all_its_cpus_over_pauses_and_a_restart_of_the_manager(t):
    lines, modules = create_linux("web", cpus=4)
    node = t.start(lines, modules)
    linux_is_up(node, "web")
    assert node.shell("web", "nproc").strip() == "4"
    assert [v["index"] for v in node.do("vm vcpus web")] == [0, 1, 2, 3]
    for _ in range(20):
        node.do("vm pause web")
        node.do("vm resume web")
    node.do("debug fault manager")
    node.wait("program-started", timeout=30)
    text = node.shell("web", "for c in 0 1 2 3; do (for i in 0 1 2 3 4 5 6 7 8 9; do echo from $c line $i; done) & "
                             "done; wait")
    said = {line.strip() for line in text.splitlines() if line.startswith("from ")}
    assert said == {f"from {c} line {i}" for c in range(4) for i in range(10)}, text
    assert all(v["exit_count"] > 100 for v in node.do("vm vcpus web"))
