"""Creating, starting, ending and deleting: states, exit codes, and nothing left behind."""
from bulkhead_lab.testing import limit, payload

from helpers import (count_of, create_linux, held, linux_is_up, refused, same_as_before, state, until,
                     wait_state)


def test_a_payload_says_hello_and_ends_with_its_exit_code(t):
    node = t.start("vm create h kernel=hello.elf memory=16M cpus=1 cmdline=exit=42\nvm start h\n",
                   [payload("hello")])
    node.wait("vm-stopped", vm="h", timeout=20)
    text, end = node.vm_text("h")
    assert "Hello from ring 0" in text and "Microsoft Hv" in text and "exit=42" in text, text
    shown = node.do("vm show h")
    assert shown["exit_code"] == 42 and shown["state"] == "stopped", shown
    tail, again = node.vm_text("h", end - 5)
    assert tail == text[-5:] and again == end
    ids = [e["event"] for e in node.events(vm="h")]
    assert ids == ["vm-created", "vm-started", "vm-stopped"], ids


def test_states_follow_the_commands(t):
    node = t.start("", [payload("counter")])
    shown = node.do("vm create c kernel=counter.elf memory=16M cpus=1")
    assert shown["state"] == "created" and shown["exit_code"] is None, shown
    assert shown["memory_bytes"] == 16 << 20 and shown["cpus"] == 1, shown
    assert node.do("vm start c")["state"] == "running"
    node.wait_text("c", "COUNTER")
    refused(node, "vm start c", "wrong-state")
    refused(node, "vm delete c", "wrong-state")
    assert node.do("vm pause c")["state"] == "paused"
    refused(node, "vm pause c", "wrong-state")
    uptime = node.do("vm show c")["uptime_ns"]
    assert node.do("vm resume c")["state"] == "running"
    first = count_of(node, "c")
    assert count_of(node, "c") > first and node.do("vm show c")["uptime_ns"] > uptime
    seq = node.last_seq()
    assert node.do("vm reset c")["state"] == "running"
    node.wait("vm-reset", vm="c", since=seq)
    node.wait_text("c", r"COUNTER[\s\S]*COUNTER")
    assert node.do("vm poweroff c")["state"] == "stopped"
    assert node.do("vm start c")["state"] == "running"
    node.do("vm poweroff c")
    node.do("vm delete c")
    refused(node, "vm show c", "not-found")


def test_a_paused_vm_gets_no_time(t):
    node = t.start("vm create c kernel=counter.elf memory=16M cpus=1\nvm start c\n",
                   [payload("counter")], cpus=1, icount=True)
    node.wait_text("c", "COUNTER")
    before = count_of(node, "c")
    node.do("vm pause c")
    host = node.do("host show")
    until(lambda: node.do("host show")["uptime_ns"] - host["uptime_ns"] > 3e8, 60)
    node.do("vm resume c")
    rounds = count_of(node, "c") - before
    assert rounds < 3e8, rounds  # fewer rounds than went by: a round is at least one instruction


def test_a_crash_restarts_a_vm_that_wants_it(t):
    node = t.start("vm create c kernel=triplefault.elf memory=16M cpus=1 on-crash=restart cmdline=wait=1\n"
                   "vm start c\n", [payload("triplefault")])
    node.wait_text("c", "TRIPLEFAULT")
    node.type("c", "x")
    node.wait_text("c", r"TRIPLEFAULT[\s\S]*TRIPLEFAULT", timeout=30)
    assert state(node, "c") == "running"


def test_linux_powers_off_and_reboots(t):
    lines, modules = create_linux("web")
    node = t.start(lines, modules)
    linux_is_up(node, "web")
    start = node.do("vm log web from=0")["next"]
    node.type("web", "reboot -f\\n")
    node.wait("vm-reset", vm="web", timeout=60)
    node.wait_text("web", "GUEST-READY", start, timeout=200)
    node.wait_text("web", r"GUEST-READY[\s\S]*# ", start, timeout=60)
    node.type("web", "poweroff -f\\n")
    node.wait("vm-stopped", vm="web", timeout=60)
    assert state(node, "web") == "stopped"


def test_what_is_typed_arrives_whole(t):
    lines, modules = create_linux("web")
    node = t.start(lines, modules)
    linux_is_up(node, "web")
    node.shell("web", "stty -echo")
    start = node.do("vm log web from=0")["next"]
    node.type("web", "wc -c <<END\\n")
    for i in range(40):
        node.type("web", f"{i:04}" + "abcdefghij" * 9 + "12345\\n")  # 100 bytes a line
    node.type("web", "END\\n")
    match, _, _ = node.wait_text("web", r"\n?(\d{4,})\r?\n", start, timeout=60)
    assert match[1] == "4000", match[1]


@limit(600)
def test_a_hundred_rounds_leave_nothing_behind(t):
    node = t.start("", [payload("hello")])
    before = None
    for number in range(101):
        node.do("vm create h kernel=hello.elf memory=16M cpus=1")
        node.do("vm start h")
        if number % 2:
            wait_state(node, "h", "stopped")
        else:
            if state(node, "h") == "running":
                answer = node.answer("vm poweroff h")
                assert answer["ok"] or answer["error"]["code"] == "wrong-state", answer
        node.do("vm delete h")
        if before is None:
            before = held(node)
    same_as_before(node, before)


@limit(600)
def test_idle_guests_leave_the_cpus_halted(t):
    """Under icount, so that the host's own speed and load are not what is measured."""
    one, modules = create_linux("one")
    two, more = create_linux("two", "6.12")
    node = t.start(one + two, modules + more, icount=True)
    for vm in ("one", "two"):
        linux_is_up(node, vm)

    def after(host, seconds):
        """The host when so much of its time has passed."""
        return until(lambda: (now := node.do("host show"))["uptime_ns"] - host["uptime_ns"]
                     > seconds * 1e9 and now, 200, "time to pass")

    # The guests' own settling (deferred work after boot) is not what is measured.
    first = after(node.do("host show"), 5)
    last = after(first, 10)
    passed = last["uptime_ns"] - first["uptime_ns"]
    for a, b in zip(first["cpus"], last["cpus"]):
        share = (b["halted_ns"] - a["halted_ns"]) / passed
        print(f"CPU {a['id']}: halted {share:.1%} of {passed / 1e9:.1f} s")
        assert share >= 0.95, (a["id"], share)
