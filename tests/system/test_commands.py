"""The grammar and the answers of the control port, and what the console shows."""
import json
import socket
import time

from bulkhead_lab.owner import unix_path
from bulkhead_lab.testing import payload

from helpers import refused, until

CONF = ("host set name=box\n"
        'vm create "web" kernel=hello.elf memory=16384K cpus=1 cmdline="exit=7 say=\\"x\\" # no comment"\n')


def start(t, conf=CONF):
    return t.start(conf, [payload("hello"), payload("counter")])


def test_host_show_has_what_is_promised(t):
    host = start(t).do("host show")
    for key in ("name", "version", "build", "cpus", "uptime_ns", "memory_bytes", "memory_free_bytes",
                "handle_count", "virt", "boot"):
        assert key in host, key
    assert host["name"] == "box" and host["virt"] == "svm" and host["boot"] == "pvh", host
    assert len(host["cpus"]) == 2 and host["cpus"][1]["id"] == 1 and "halted_ns" in host["cpus"][0], host
    assert 0 < host["memory_free_bytes"] < host["memory_bytes"] <= 1 << 30, host
    assert 0 < host["uptime_ns"] < 300e9, host


def test_an_answer_is_one_line_and_events_do_not_split_it(t):
    node = start(t)
    with node.control() as control:
        for i in range(30):
            control.send_raw(b"@%d vm start web\n@%d host show\n" % (2 * i + 1, 2 * i + 2))
        ids = []
        while len(ids) < 60:
            line = json.loads(control.read_line(30))
            if "id" in line:
                ids.append(line["id"])
        # What takes time is answered when it is done: the order may change, nothing is lost.
        assert sorted(ids) == list(range(1, 61)), ids


def test_quotes_escapes_and_sizes_are_understood(t):
    node = start(t)
    assert node.do("vm show web")["memory_bytes"] == 16 << 20
    node.do("vm start web")
    until(lambda: node.do("vm show web")["state"] == "stopped")
    assert node.do("vm show web")["exit_code"] == 7
    text = node.vm_text("web")[0]
    assert 'exit=7 say="x" # no comment' in text, text


def test_events_are_listed_and_filtered(t):
    node = start(t, CONF + "nonsense\n")
    events = node.do("event list")
    ids = [e["event"] for e in events]
    assert "host-ready" in ids and "vm-created" in ids and "config-error" in ids, ids
    assert [e["seq"] for e in events] == sorted({e["seq"] for e in events})
    for event in events:
        assert event["severity"] in ("info", "warning", "error") and event["t_ns"] > 0, event
    assert all(e.get("vm") == "web" for e in node.do("event list vm=web"))
    ready = next(e for e in events if e["event"] == "host-ready")
    assert all(e["seq"] > ready["seq"] for e in node.do(f"event list since={ready['seq']}"))
    worse = [e["event"] for e in node.do("event list severity=warning")]
    assert "config-error" in worse and "vm-created" not in worse, worse
    seqs = [e["seq"] for e in node.events()]
    assert ready["seq"] == max(e["seq"] for e in events if e["event"] in ("host-ready", "config-error", "vm-created"))
    assert ready["seq"] in seqs


def test_help_describes_every_command(t):
    node = start(t)
    described = json.dumps(node.do("help --json"))
    for words in ("vm", "create", "poweroff", "host", "event", "log", "kernel", "on-crash"):
        assert words in described, words
    assert "poweroff" in json.dumps(node.do("help vm"))


def test_log_show_has_kernel_and_programs(t):
    result = start(t).do("log show")
    assert result["next"] > 0 and result["text"], result


def test_host_check_names_remedies(t):
    for line in start(t).do("host check"):
        assert line["need"] in ("must", "should", "sriov"), line
        assert line["state"] in ("ok", "missing", "unknown"), line
        assert line["feature"] and (line["state"] == "ok" or line["remedy"]), line


def test_the_clock_can_be_set(t):
    node = start(t)
    node.do("host set time=2031-02-03T04:05:06Z")
    refused(node, "host set time=2031-13-03T04:05:06Z", "usage")


def test_abbreviations_are_for_people_only(t):
    node = start(t)
    refused(node, "vm li", "usage")
    with console(node) as screen:
        assert "web" in screen.type("vm li\r", "web")


class console:
    """The console as a person sees it."""

    def __init__(self, node):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        _, path = unix_path(f"{node.folder}/console.sock")
        self._socket.connect(path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def type(self, text, wanted, timeout=20):
        """Types and returns what appears until it has @wanted."""
        self._socket.sendall(text.encode())
        seen, end = "", time.monotonic() + timeout
        while wanted not in seen:
            self._socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                data = self._socket.recv(4096)
            except TimeoutError:
                raise AssertionError(f"no {wanted!r} after {text!r}: {seen!r}") from None
            assert data, f"the console has ended: {seen!r}"
            seen += data.decode("utf-8", "replace")
        return seen


def test_the_console_takes_commands_and_attaches_to_a_vm(t):
    node = start(t, "vm create c kernel=counter.elf memory=16M cpus=1\nvm start c\n")
    node.wait_text("c", "COUNTER")
    with console(node) as screen:
        listing = screen.type("vm list\r", "running")
        assert "c" in listing
        screen.type("vm console c\r", "\n")
        screen.type("x", "COUNT ")
        screen.type("\x1d", ">")
        screen.type("vm list\r", "running")


def test_shutdown_ends_the_machine(t):
    node = start(t)
    node.do("vm start web")
    node.do("host shutdown")
    until(node.has_ended, 30, "the machine powers off")
