"""What is known of the guests of a host and of several: verdicts, events, a guest that hangs, and
guests that lie."""
import json
import re
import time

from bulkhead_lab import labfile
from bulkhead_lab.testing import limit, payload

from helpers import LINUX_CMDLINE, create_linux, linux_is_up, refused, state, until
from test_commands import console
from test_services import DAEMON, SERVICES, bhctl, services, warnings
from test_vmbus_linux import pass_time, quiet

DRIVER = "driver not loaded: load hv_utils"
COMPLETE = {"heartbeat": "3.0", "shutdown": "3.2", "timesync": "4.0", "kvp": "4.0", "vss": "5.0",
            "fcopy": "1.1"}


def player(name, cmdline):
    """Configuration lines of a payload that plays the services."""
    return (f'vm create {name} kernel=services.elf memory=16M cpus=1 cmdline="{cmdline}"\n'
            f"vm start {name}\n")


def verdicts(node, vm):
    return {name: row["verdict"] for name, row in services(node, vm).items()}


def is_complete(node, vm):
    rows = services(node, vm)
    return ({s: row["accepted"] for s, row in rows.items()} == COMPLETE
            and {row["verdict"] for row in rows.values()} == {"current"})


def told(node, vm):
    """[(event, text)] of the services of one guest, the good news too."""
    return [(e["event"], e["text"]) for e in node.events(vm=vm) if e["event"].startswith("service")]


# ---- four guests ----

def boot_four(t):
    lines, files = "", [payload("services")]
    for name, series in (("old", "6.1"), ("new", "6.12"), ("less", "6.1")):
        more, modules = create_linux(name, series, memory="224M", cmdline=f"{LINUX_CMDLINE} hostname={name}")
        lines, files = lines + more, files + [m for m in modules if m not in files]
    node = t.start(lines + player("play", "open=h old=1"), files, memory="1792M")
    for name in ("old", "new", "less"):
        linux_is_up(node, name)
        quiet(node, name)
    node.shell("less", "killall hv_kvp_daemon")
    return node


def check_rows(node):
    for name in ("old", "new"):
        until(lambda n=name: is_complete(node, n), 60, f"{name} complete")
    for name in ("less", "play"):
        node.wait("services-missing", vm=name, timeout=120)
    less, play = services(node, "less"), services(node, "play")
    assert {s: less[s]["verdict"] for s in SERVICES} == {s: "missing" if s == "kvp" else "current"
                                                         for s in SERVICES}, less
    assert (less["kvp"]["reason"], less["kvp"]["remedy"]) == \
        (DAEMON, "Install and start hyperv-daemons in the guest."), less["kvp"]
    beat = play.pop("heartbeat")
    assert (beat["accepted"], beat["framework"], beat["verdict"], beat["heartbeat"]) == \
        ("1.0", "1.0", "older-but-complete", "ok"), beat
    assert all((row["verdict"], row["reason"], row["accepted"]) == ("missing", DRIVER, None)
               for row in play.values()), play
    wanted = {"old": [], "new": [], "less": [("services-missing", f"kvp: {DAEMON}")],
              "play": [("services-missing", f"shutdown, timesync, kvp, vss, fcopy: {DRIVER}")]}
    assert {name: told(node, name) for name in wanted} == wanted, node.events()


def check_status(node):
    code, answer = bhctl(node, "tools", "status")
    rows = {row["name"]: row for row in answer["result"]}
    found = {n: (r["verdict"], r["vmbus"], r["os_source"], r["services_version"]) for n, r in rows.items()}
    assert code == 8 and answer["attention"], answer
    assert found == {"old": ("current", "5.3", "kvp", "3.1"), "new": ("current", "5.3", "kvp", "3.1"),
                     "less": ("missing", "5.3", found["less"][2], found["less"][3]),
                     "play": ("missing", "5.3", found["play"][2], None)}, found
    assert (rows["old"]["guest_name"], rows["new"]["guest_name"]) == ("old", "new"), rows
    assert rows["old"]["os"] == "Debian GNU/Linux 6.1.0", rows["old"]
    assert re.match(r"6\.12\.\d+", rows["new"]["build"]), rows["new"]
    assert node.do("services list play --explain")[3]["loses"].startswith("the guest's OS and addresses")


def check_switching(node):
    """What is switched off is no longer missed; what is switched on again comes back."""
    node.do("services disable less kvp")
    for service in SERVICES[1:]:
        node.do(f"services disable play {service}")
    until(lambda: bhctl(node, "tools", "status")[0] == 0, 20, "all well")
    node.do("services disable old heartbeat")
    until(lambda: verdicts(node, "old")["heartbeat"] == "absent", 20, "heartbeat off")
    node.do("services enable old heartbeat")
    until(lambda: is_complete(node, "old"), 20, "heartbeat again")
    assert [told(node, n) for n in ("old", "new")] == [[], []], node.events()
    assert len(warnings(node)) == 2, warnings(node)


@limit(300)
def test_four_guests_have_the_verdicts_and_events_that_they_deserve(t):
    node = boot_four(t)
    check_rows(node)
    check_status(node)
    check_switching(node)


# ---- a guest that stands still, is restored, hangs ----

@limit(300)
def test_only_a_guest_that_hangs_is_lost(t):
    lines, modules = create_linux("web", cmdline=f"{LINUX_CMDLINE} panic=0")
    node = t.start(lines, modules, memory="1G")
    linux_is_up(node, "web")
    quiet(node, "web")
    until(lambda: is_complete(node, "web"), 30, "complete")
    node.do("vm pause web")
    pass_time(node, 20)
    node.do("vm resume web")
    assert is_complete(node, "web"), services(node)
    pass_time(node, 7)
    assert is_complete(node, "web") and services(node)["heartbeat"]["heartbeat"] == "ok"

    node.do("vm save web as=s")
    node.do("vm poweroff web")
    node.do("vm delete web")
    before = node.last_seq()
    node.do("vm restore s name=web")
    until(lambda: is_complete(node, "web"), 10, "complete after the restore")
    pass_time(node, 7)
    assert is_complete(node, "web"), services(node)
    assert told(node, "web") == [], told(node, "web")

    begin = node.do("host show")["uptime_ns"]
    node.type("web", "echo c >/proc/sysrq-trigger\n")
    event = node.wait("service-lost", vm="web", since=before)
    took = (event["t_ns"] - begin) / 1e9
    print(f"lost after {took:.1f} s")
    assert took < 10 and event["text"].startswith("heartbeat: "), (took, event)
    assert services(node)["heartbeat"]["heartbeat"] == "lost" and state(node, "web") == "running"
    assert bhctl(node, "tools", "status")[1]["result"][0]["verdict"] == "missing"
    assert len(told(node, "web")) == 1, told(node, "web")


# ---- several hosts ----

def test_the_inventories_of_two_hosts_are_one(t):
    nodes = []
    for name in ("left", "right"):
        conf = t.write(f"{name}.conf", player(f"{name}-guest", "open=hstkvf"))
        nodes.append(labfile.Node(name, cpus=1, memory=256 << 20, conf=conf, modules=[payload("services")]))
    run = t.start_nodes(nodes)
    left, right = run.node("left"), run.node("right")
    for node in (left, right):
        until(lambda n=node: set(verdicts(n, f"{n.name}-guest").values()) == {"current"}, 30, "complete")

    def status():
        return bhctl(left, "--host", right.folder, "tools", "status")

    code, merged = status()
    assert code == 0 and merged["ok"] and not merged["attention"], merged
    assert [row["name"] for row in merged["result"]] == ["left-guest", "right-guest"], merged
    assert len({row["host"] for row in merged["result"]}) == 2, merged
    shown = left.do("host show")
    assert all((h["version"], h["build"], h["differs"], h["error"]) ==
               (shown["version"], shown["build"], False, None) for h in merged["hosts"]), merged
    right.do('vm create third kernel=services.elf memory=16M cpus=1 cmdline="open=hstk old=1"')
    right.do("vm start third")
    until(lambda: verdicts(right, "third")["kvp"] == "outdated", 10, "kvp 1.0")
    code, merged = status()
    assert code == 8 and merged["attention"] and len(merged["result"]) == 3, (code, merged)

    t.stop()
    nodes[1].conf = nodes[0].conf
    left = t.start_nodes(nodes[:1]).node("left")
    right = t.start_nodes(nodes[1:], build="release").node("right")
    for node in (left, right):
        until(lambda n=node: set(verdicts(n, "left-guest").values()) == {"current"}, 30, "complete")
    code, merged = status()
    assert code == 8 and {h["build"]: h["differs"] for h in merged["hosts"]} == \
        {"debug": True, "release": False}, merged


# ---- lies ----

def lying(t, *lies):
    """A VM for each lie, of that name."""
    node = t.start("".join(player(lie, f"open=hstkvf lie={lie}") for lie in lies), [payload("services")])
    for lie in lies:
        node.wait_text(lie, "SERVICES ready")
        until(lambda v=lie: services(node, v)["heartbeat"]["heartbeat"] == "ok", 20, "a heartbeat")
    return node


def test_hostile_076_text_of_a_guest_is_escaped(t):
    node = lying(t, "text")
    until(lambda: node.do("tools status")[0]["os_source"] == "kvp", 20, "the OS's name")
    with node.control() as control:
        for line in ("vm kvp list text", "vm ip text", "vm kvp get text key=OSName", "tools status"):
            answer = control.ask(line)
            assert answer.isprintable(), repr(answer)
        items = json.loads(control.ask("vm kvp list text"))["result"]
    # Characters of which there is but half are replaced, up to the end of the room.
    assert re.fullmatch("OS\x1b\\[2JName\ufffd+", items[0]["key"]), items
    assert re.fullmatch("\x1b]0;owned\x07\x01\x7f\ufffd+", items[0]["value"]), items
    with console(node) as screen:
        for line in ("vm kvp list text", "vm kvp get text key=OSName", "tools status"):
            seen = screen.type(f"{line}\r", "owned")
            assert not re.search("\x1b\\[2J|\x1b]|[\x01\x07\x7f]", seen), repr(seen)
    code, answer = bhctl(node, "vm", "kvp", "list", "text")
    assert code == 0 and answer["result"] == items, answer


def test_hostile_076_a_list_without_end_ends(t):
    node = lying(t, "endless")
    begin = time.monotonic()
    error = refused(node, "vm kvp list endless", "failed")
    print(f"refused after {time.monotonic() - begin:.1f} s: {error}")
    refused(node, "vm ip endless", "failed")
    assert services(node, "endless")["heartbeat"]["heartbeat"] == "ok"


def test_hostile_077_short_and_repeated_answers_do_no_harm(t):
    """An answer that is cut off is none; what answers nothing is overheard."""
    node = lying(t, "short", "replay")
    event = node.wait("service-lost", vm="short")
    assert event["text"].startswith("heartbeat: "), event
    refused(node, "vm kvp list short", "timed-out")
    refused(node, "vm shutdown short wait=2", "timed-out")
    assert {c["state"] for c in node.do("channel list short")} == {"open"}
    assert state(node, "short") == "running"

    assert [item["key"] for item in node.do("vm kvp list replay")] == 3 * ["OSName"]
    refused(node, "vm shutdown replay wait=2", "timed-out")
    assert node.vm_text("replay")[0].count("SHUTDOWN") == 1
    pass_time(node, 8)
    assert services(node, "replay")["heartbeat"]["heartbeat"] == "ok" and told(node, "replay") == []
    assert set(verdicts(node, "replay").values()) == {"current"}, services(node, "replay")


def test_hostile_077_a_heartbeat_that_stops_is_lost(t):
    node = lying(t, "stop")
    event = node.wait("service-lost", vm="stop", timeout=60)
    assert event["text"].startswith("heartbeat: "), event
    assert services(node, "stop")["heartbeat"]["heartbeat"] == "lost" and state(node, "stop") == "running"
