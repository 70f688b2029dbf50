"""Whatever is asked or configured wrongly is refused with cause and remedy, and nothing leaks."""
import json
import os
import random

from bulkhead_lab.testing import Skip, limit, payload

from helpers import held, kernel, refused, same_as_before, state

LINES = [
    "nonsense", "vm", "vm nonsense", "vm create", "vm create BAD kernel=hello.elf memory=16M cpus=1",
    "vm create -x kernel=hello.elf memory=16M cpus=1", "vm create x", "vm create x kernel=hello.elf",
    "vm create x kernel=hello.elf memory=16M", "vm create x kernel=hello.elf memory=lots cpus=1",
    "vm create x kernel=hello.elf memory=0 cpus=1", "vm create x kernel=hello.elf memory=16M cpus=0",
    "vm create x kernel=hello.elf memory=16M cpus=two", "vm create x kernel=hello.elf memory=16M cpus=1 color=red",
    "vm create x kernel=hello.elf memory=16M cpus=1 cpus=1", "vm create x y kernel=hello.elf memory=16M cpus=1",
    "vm create x kernel=hello.elf memory=16M cpus=1 type=windows",
    "vm create x kernel=hello.elf memory=16M cpus=1 on-crash=dance",
    'vm create x kernel="hello.elf memory=16M cpus=1', 'vm create x kernel="a\\q" memory=16M cpus=1',
    'vm create x kernel="a\\x4" memory=16M cpus=1', "vm create x kernel=hello.elf memory=99999999999999999999M cpus=1",
    "host set", "host set nope=1", "host set name=", "host set time=yesterday", "vm list --everything",
    "vm log x from=-1", "vm type", "event list severity=loud", "event list since=x", "log show from=x",
]


def test_every_bad_command_is_refused_and_changes_nothing(t):
    node = t.start("", [payload("hello")])
    before = held(node)
    for line in LINES:
        refused(node, line, ("usage", "not-found", "unsupported"))
    # An empty line and a comment ask for nothing.
    assert node.do("vm list") == []
    same_as_before(node, before)


def test_bad_configuration_lines_are_reported_and_skipped(t):
    conf = "# comment\r\n\r\n" + "".join(f"{line}\n" for line in LINES)
    conf += "host set name=survivor\n" + "x" * 5000 + "\n" + "vm create ok kernel=hello.elf memory=16M cpus=1"
    node = t.start(conf, [payload("hello")])
    assert node.do("host show")["name"] == "survivor"
    assert [vm["name"] for vm in node.do("vm list")] == ["ok"]
    events = node.events("config-error")
    numbers = {event["fields"]["line"] for event in events}
    wanted = set(range(3, 3 + len(LINES))) | {3 + len(LINES) + 1}
    assert numbers == wanted, (sorted(wanted - numbers), sorted(numbers - wanted))
    for event in events:
        assert "bulkhead.conf" in json.dumps(event), event
        assert event["fields"].get("column"), event
        assert event["text"], event


def test_bytes_that_are_no_text_are_survived(t):
    rng = random.Random(1)
    garbage = bytes(rng.randrange(256) for _ in range(20000))
    node = t.start(garbage.decode("latin-1").encode("latin-1"), [payload("hello")])
    assert node.do("vm list") == []
    with node.control() as control:
        for _ in range(20):
            noise = bytes(b for b in (rng.randrange(256) for _ in range(300)) if b not in b"\n\r\0{@")
            control.send_raw(noise + b"\n")
        answer = json.loads(control.ask("host show"))
        assert answer["id"] is None or answer["ok"], answer
    assert node.do("host show")["name"]


def test_a_line_that_cannot_be_read_is_answered_with_null(t):
    node = t.start()
    for line in (b"hello\n", b"@x vm list\n", b"@2147483648 vm list\n", b"@ vm list\n"):
        with node.control() as control:
            control.send_raw(line)
            answer = json.loads(control.read_line(20))
            assert answer["id"] is None and answer["error"]["code"] == "usage", (line, answer)


def test_a_vm_that_does_not_fit_is_refused(t):
    node = t.start("", [payload("hello")])
    before = held(node)
    error = refused(node, "vm create x kernel=hello.elf memory=64G cpus=1", "no-memory")
    assert error.get("hint") or "MiB" in error["message"] or "free" in error["message"], error
    refused(node, "vm create x kernel=hello.elf memory=1000M cpus=1", "no-memory")
    assert node.do("vm list") == []
    same_as_before(node, before)


def test_names_that_exist_or_do_not_are_told_apart(t):
    node = t.start("vm create x kernel=hello.elf memory=16M cpus=1\n", [payload("hello")])
    refused(node, "vm create x kernel=hello.elf memory=16M cpus=1", "exists")
    for verb in ("show", "start", "poweroff", "reset", "pause", "resume", "delete", "log"):
        refused(node, f"vm {verb} nope", "not-found")
    refused(node, "vm create y kernel=nope.elf memory=16M cpus=1", "not-found")
    refused(node, "vm create y kernel=hello.elf initrd=nope memory=16M cpus=1", "not-found")
    for verb in ("poweroff", "reset", "pause", "resume"):
        refused(node, f"vm {verb} x", "wrong-state")


def mutate(rng, image):
    """A few changes where loaders look: the headers, the length."""
    image = bytearray(image)
    for _ in range(rng.randrange(1, 6)):
        if rng.random() < 0.15:
            del image[rng.randrange(len(image)) :]
            image += b"\0"
        else:
            at = rng.randrange(min(len(image), 0x300))
            image[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return bytes(image)


def try_images(t, images):
    """Creates and starts a VM of each image; whatever comes of it, the host is as before."""
    modules = [t.write(f"image{i}", image) for i, image in enumerate(images)]
    node = t.start("", modules)
    seen, wrong = {}, []
    before = None
    for path in modules:
        name = os.path.basename(path)
        answer = node.answer(f"vm create m kernel={name} memory=96M cpus=1")
        if answer["ok"]:
            answer = node.answer("vm start m")
            what = node.do("vm show m")["state"] if answer["ok"] else answer["error"]["code"]
            if what == "running":
                node.answer("vm poweroff m")  # it may have ended by itself meanwhile
            node.do("vm delete m")
        else:
            what = answer["error"]["code"]
        if not answer["ok"] and what not in ("bad-image", "no-memory", "unsupported"):
            wrong.append((name, answer["error"]))
        seen[what] = seen.get(what, 0) + 1
        if before is None:
            before = held(node)
    node.do("host show")
    assert not wrong, wrong
    same_as_before(node, before)
    return seen


@limit(900)
def test_hostile_092_mutated_images_are_refused_or_contained(t):
    rng = random.Random(2)
    with open(payload("hello"), "rb") as file:
        elf = file.read()
    with open(kernel("6.1", packed=True), "rb") as file:
        bz_image = file.read()[:65536]  # its headers; a truncated kernel is broken in any case
    images = [b"", b"\0", b"\x7fELF", bz_image] + [mutate(rng, elf) for _ in range(500)]
    images += [mutate(rng, bz_image) for _ in range(496)]
    with open(payload("multiboot.bin"), "rb") as file:
        flat = file.read()
    images += [mutate(rng, flat) for _ in range(80)]
    seen = {}
    for at in range(0, len(images), 80):  # a machine takes 96 modules
        for what, count in try_images(t, images[at : at + 80]).items():
            seen[what] = seen.get(what, 0) + count
        t.stop()
    print(seen)
    assert seen.get("bad-image", 0) > 100, seen


def test_control_clients_do_not_disturb_each_other(t):
    node = t.start("", [payload("hello")])
    controls = [node.control() for _ in range(20)]
    try:
        for i, control in enumerate(controls):
            control.send_raw(b"@%d host show\n" % (i + 100))
        for i, control in enumerate(controls):
            answer = json.loads(control.read_line(30))
            assert answer["id"] == i + 100 and answer["ok"], answer
    finally:
        for control in controls:
            control.close()




@limit(900)
def test_hostile_091_an_allocation_that_fails_leaves_no_partial_vm(t):
    """The n-th allocation of the kernel fails, n = 1, 2, ...: a clean error, nothing left."""
    node = t.start("", [payload("hello")])
    if not node.answer("debug fail-alloc n=0")["ok"]:
        raise Skip("the kernel has no 'debug fail-alloc n=N'")

    def one_round():
        """False when one of the steps was refused."""
        went_well = True
        for line in ("vm create h kernel=hello.elf memory=16M cpus=1", "vm start h"):
            answer = node.answer(line)
            if not answer["ok"]:
                assert answer["error"]["code"] in ("no-memory", "failed", "not-found"), (line, answer)
                went_well = False
        if node.do("vm list"):
            if state(node, "h") == "running":
                node.answer("vm poweroff h")
            node.do("vm delete h")
        return went_well

    one_round()
    before, failed = held(node), 0
    for after in range(1, 400):
        node.do(f"debug fail-alloc n={after}")
        if not one_round():
            failed += 1
        elif after > failed + 20:
            break  # far behind the last allocation of a round
        node.do("debug fail-alloc n=0")
        same_as_before(node, before)
    assert failed > 5, failed
