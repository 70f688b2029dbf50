"""Integration services of a stock Linux guest without its daemons: what works, and what is said of
the rest."""
import json
import os
import re
import subprocess

from bulkhead_lab import machine
from bulkhead_lab.testing import limit

from helpers import LINUX_CMDLINE, create_linux, linux_is_up, refused, state, until

SERVICES = ["heartbeat", "shutdown", "timesync", "kvp", "vss", "fcopy"]
DAEMON = "daemon not running: start hyperv-daemons"


def start(t, **options):
    """A guest that loads nothing by itself."""
    lines, modules = create_linux("web", cmdline=f"{LINUX_CMDLINE} coldplug=off", **options)
    node = t.start(lines, modules, memory="1G")
    linux_is_up(node, "web")
    node.shell("web", "dmesg -n 1")
    return node


def load(node, vm="web"):
    """Loads the drivers; waits until what needs no daemon works."""
    node.shell(vm, "modprobe hv_vmbus; modprobe hv_utils")
    until(lambda: services(node, vm)["timesync"]["state"] == "ready", 20, "timesync ready")


def services(node, vm="web"):
    return {s["service"]: s for s in node.do(f"services list {vm}")}


def warnings(node):
    return [(e["event"], e["text"]) for e in node.do("event list severity=warning")]


def bhctl(node, *words):
    done = subprocess.run([os.path.join(machine.ROOT, "scripts", "bhctl"), "--host", node.folder, "--json",
                           *words], text=True, capture_output=True, timeout=60, check=False)
    return done.returncode, json.loads(done.stdout)


def test_a_guest_without_drivers_is_absent_and_with_them_negotiates(t):
    node = start(t)
    assert {s["verdict"] for s in services(node).values()} == {"absent"}
    load(node)
    found = services(node)
    assert list(found) == SERVICES, found
    for service, version in (("heartbeat", "3.0"), ("shutdown", "3.2"), ("timesync", "4.0")):
        row = found[service]
        assert (row["accepted"], row["framework"], row["verdict"]) == (version, "3.0", "current"), row
    assert found["kvp"]["verdict"] == "unknown-yet", found["kvp"]
    until(lambda: services(node)["heartbeat"]["heartbeat"] == "ok", 20, "a heartbeat")
    channels = {c["service"]: c for c in node.do("channel list web")}
    assert sorted(channels) == sorted(SERVICES), channels
    assert channels["heartbeat"]["state"] == "open" and channels["heartbeat"]["packets_in"] > 0, channels
    shown = {c["service"]: c["state"] for c in node.do("vm show web")["channels"]}
    assert shown == {service: "open" for service in SERVICES}, shown
    ids = node.shell("web", "cat /sys/bus/vmbus/devices/*/class_id")
    assert sorted(re.findall(r"\{(.*)\}", ids)) == sorted(c["class"] for c in channels.values()), ids
    assert warnings(node) == []


def test_missing_daemons_are_named_once_after_their_time(t):
    node = start(t)
    load(node)
    assert refused(node, "vm kvp list web", "timed-out")["message"].count("start hyperv-daemons")
    refused(node, "vm ip web", "timed-out")
    refused(node, "vm freeze web", ("timed-out", "unsupported"))
    refused(node, "vm thaw web", "wrong-state")
    node.wait("services-missing", vm="web")
    found = services(node)
    for service in ("kvp", "vss", "fcopy"):
        assert (found[service]["verdict"], found[service]["reason"]) == ("missing", DAEMON), found[service]
    assert found["heartbeat"]["verdict"] == "current", found
    code, status = bhctl(node, "tools", "status")
    row = status["result"][0]
    assert code == 8 and row["verdict"] == "missing" and row["vmbus"] == "5.3", (code, row)
    assert row["os"].startswith("Linux 6.1.") and row["os_source"] == "os-id", row
    assert warnings(node) == [("services-missing", f"kvp, vss, fcopy: {DAEMON}")]
    for service in ("kvp", "vss", "fcopy"):
        node.do(f"services disable web {service}")
    until(lambda: bhctl(node, "tools", "status")[0] == 0, 20, "all well")
    assert len(warnings(node)) == 1


def test_services_are_switched_while_the_guest_runs(t):
    node = start(t)
    load(node)
    for service in SERVICES[:3]:
        node.do(f"services disable web {service}")
        row = until(lambda: services(node)[service]["state"] == "off" and services(node)[service], 20, service)
        assert not row["enabled"] and row["verdict"] == "absent", row
        if service == "shutdown":
            refused(node, "vm shutdown web", "wrong-state")
        node.do(f"services enable web {service}")
        until(lambda: services(node)[service]["verdict"] == "current", 20, f"{service} again")
    assert warnings(node) == []


def test_a_driver_that_goes_is_lost_and_comes_back(t):
    node = start(t)
    load(node)
    for service in ("kvp", "vss", "fcopy"):
        node.do(f"services disable web {service}")
    for _ in range(3):
        node.shell("web", "rmmod hv_utils; modprobe hv_utils")
    until(lambda: services(node)["heartbeat"]["verdict"] == "current", 20, "heartbeat")
    assert warnings(node) == []
    node.shell("web", "rmmod hv_utils")
    node.wait("service-lost", vm="web")
    assert services(node)["heartbeat"]["heartbeat"] == "lost"
    node.shell("web", "modprobe hv_utils")
    node.wait("service-back", vm="web")
    assert [e for e, _ in warnings(node)] == ["service-lost"], warnings(node)


def test_echo_channels_are_offered(t):
    node = start(t, options="echo=3")
    load(node)
    others = [c for c in node.do("channel list web") if not c["service"]]
    assert len(others) == 1 and others[0]["state"] == "offered", others
    assert node.do("vm show web")["echo"] == 3


@limit(400)
def test_a_guest_shuts_down_and_restarts_when_it_is_asked(t):
    node = start(t)
    refused(node, "vm shutdown web", "wrong-state")
    load(node)
    boots = node.vm_text("web")[1]
    assert node.do("vm shutdown web mode=restart", 120)["state"] == "running"
    node.wait_text("web", r"GUEST-READY[\s\S]*?# ", boots, 240)
    assert [e["event"] for e in node.events(vm="web")].count("vm-reset") == 1
    node.shell("web", "dmesg -n 1")
    load(node)
    assert node.do("vm shutdown web", 90)["state"] == "stopped"
    refused(node, "vm shutdown web", "wrong-state")


def test_a_guest_that_ignores_its_shutdown_still_runs(t):
    node = start(t)
    load(node)
    node.shell("web", "mkdir -p /sbin; printf '#!/bin/sh\\nexit 0\\n' >/sbin/poweroff; chmod +x /sbin/poweroff")
    error = refused(node, "vm shutdown web wait=5", "timed-out")
    assert error["hint"] == "vm poweroff web", error
    assert state(node, "web") == "running"
    assert "ALIVE" in node.shell("web", "echo ALI''VE")


def test_a_hung_guest_has_no_heartbeat(t):
    node = start(t)
    load(node)
    until(lambda: services(node)["heartbeat"]["heartbeat"] == "ok", 20, "a heartbeat")
    before = node.last_seq()
    node.do('vm type web "echo 0 >/proc/sys/kernel/panic; echo c >/proc/sysrq-trigger\\n"')
    lost = node.wait("service-lost", vm="web", since=before)
    assert "heartbeat" in lost["text"], lost
    assert services(node)["heartbeat"]["heartbeat"] == "lost"


def test_the_guests_clock_is_the_hosts(t):
    node = start(t)
    node.shell("web", "date -u -s '2020-01-01 03:00:00'")
    node.do("host set time=2031-05-06T07:08:09Z")
    load(node)
    assert "2031-05-06 07:0" in node.shell("web", "sleep 1; date -u '+%Y-%m-%d %H:%M'")
    node.do("host set time=2033-05-06T07:08:09Z")
    until(lambda: "2033-05-06 07:" in node.shell("web", "date -u '+%Y-%m-%d %H:%M'"), 20, "the new time")
