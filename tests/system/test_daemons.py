"""What a stock guest and its hyperv-daemons do when the host asks: values, addresses, backup, files,
an orderly end. Several questions share a boot."""
import hashlib
import re
import time

from bulkhead_lab.testing import limit, payload

from helpers import LINUX_CMDLINE, create_linux, linux_is_up, refused, state, until
from test_services import services, warnings
from test_vmbus_linux import dmesg, quiet

POOL = "/var/lib/hyperv/.kvp_pool_0"
RECORD = (512, 2048)  # a key and its value
LONG = "\u00e9\u044f" * 475  # 1,900 bytes, in UTF-8 and in UTF-16


def start(t, series="6.1", words="", files=(), wanted=("kvp", "vss", "fcopy")):
    """A guest whose daemons have answered."""
    lines, modules = create_linux("web", series, cmdline=f"{LINUX_CMDLINE} {words}".strip())
    node = t.start(lines, [*modules, *files], memory="1G")
    linux_is_up(node, "web")
    quiet(node, "web")
    if wanted:
        until(lambda: all(services(node)[s]["verdict"] == "current" for s in wanted), 30, "daemons")
    return node


# ---- values and addresses ----

def values(node):
    return {item["key"]: item["value"] for item in node.do("vm kvp list web")}


def says(node, command):
    return node.shell("web", command).strip()


def check_items(node):
    """The ten intrinsic items are what the guest itself prints."""
    found, release, os = values(node), says(node, "uname -r"), node.shell("web", "cat /etc/os-release")
    wanted = {"FullyQualifiedDomainName": says(node, "hostname -f"), "IntegrationServicesVersion": "3.1",
              "NetworkAddressIPv4": "", "NetworkAddressIPv6": "", "OSBuildNumber": release,
              "OSName": re.search(r'^NAME="(.+)"$', os, re.M)[1],
              "OSMajorVersion": re.search(r'^VERSION_ID="(.+)"$', os, re.M)[1], "OSMinorVersion": "",
              "OSVersion": release.split("-")[0], "ProcessorArchitecture": says(node, "uname -m")}
    assert found == wanted, (found, wanted)
    assert len(wanted) == 10 and wanted["FullyQualifiedDomainName"] and release.count("-") >= 1, wanted


def check_addresses(node):
    assert node.do("vm ip web") == []
    node.shell("web", "modprobe dummy; ip link set dummy0 up; ip addr add 192.0.2.7/24 dev dummy0")
    node.shell("web", "ip addr add 198.51.100.9/32 dev dummy0; ip addr add 2001:db8::7/64 dev dummy0")
    found = {(a["address"], a["family"]) for a in node.do("vm ip web")}
    wanted = {("192.0.2.7", "ipv4"), ("198.51.100.9", "ipv4"), ("2001:db8::7", "ipv6")}
    print(found)
    assert wanted <= found, found
    assert all(a.startswith("fe80:") for a, _ in found - wanted), found
    listed = values(node)
    assert listed["NetworkAddressIPv4"] == "192.0.2.7;198.51.100.9", listed


def in_pool(node, index, text, at):
    """Whether record @index of the guest's pool file has @text as its key (@at 0) or value (1)."""
    offset, data = index * sum(RECORD) + at * RECORD[0], text.encode() + b"\0"
    answer = node.shell("web", f"tail -c +{offset + 1} {POOL} | head -c {len(data)} | sha256sum")
    return hashlib.sha256(data).hexdigest() in answer


def check_values(node):
    pairs = [("plain", "a value"), ("gr\u00f6\u00dfe \u20ac", "\u4e2d\u6587 \U0001f600 x"), ("long", LONG)]
    for index, (key, value) in enumerate(pairs):
        assert node.do(f'vm kvp set web key="{key}" value="{value}"')["key"] == key
        assert in_pool(node, index, key, 0) and in_pool(node, index, value, 1), (key, value)
        got = node.do(f'vm kvp get web key="{key}" pool=external')["value"]
        assert got == value, (key, got)
    listed = node.do("vm kvp list web pool=external")
    assert [(i["key"], i["value"]) for i in listed] == pairs, listed
    node.do("vm kvp set web key=plain value=other")
    assert in_pool(node, 0, "other", 1) and says(node, f"wc -c <{POOL}") == str(3 * sum(RECORD))
    node.do("vm kvp delete web key=plain")
    assert in_pool(node, 0, pairs[1][0], 0) and says(node, f"wc -c <{POOL}") == str(2 * sum(RECORD))
    refused(node, "vm kvp get web key=plain pool=external", "not-found")
    refused(node, "vm kvp delete web key=plain", "not-found")
    refused(node, f"vm kvp set web key=k value={1024 * 'x'}", "usage")
    assert node.do("vm kvp get web key=OSName")["value"] == values(node)["OSName"]


# ---- files ----

def copies(node, source, path, data):
    begin = time.monotonic()
    done = node.do(f"vm copy web source={source} to={path}", 120)
    assert done == {"name": "web", "source": source, "to": path}, done
    print(f"{len(data)} bytes in {time.monotonic() - begin:.1f} s")
    assert hashlib.sha256(data).hexdigest() in node.shell("web", f"sha256sum {path}"), path


def check_files(node, big, small):
    copies(node, "big", "/tmp/some/where/file", big)
    copies(node, "small", "/tmp/other", small)
    copies(node, "big", "/tmp/other", big)
    copies(node, "small", "/tmp/other", small)
    refused(node, "vm copy web source=big to=tmp/file", "usage")
    refused(node, "vm copy web source=big to=/tmp/", "usage")
    refused(node, "vm copy web source=nothing to=/tmp/file", "not-found")
    refused(node, "vm copy web source=big to=/proc", "failed")
    copies(node, "small", "/tmp/last", small)


def shares(t, series):
    big = b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(1 << 15))
    small = big[1000:8000]
    node = start(t, series, files=(t.write("big", big), t.write("small", small)))
    check_items(node)
    check_values(node)
    check_addresses(node)
    check_files(node, big, small)
    assert warnings(node) == [], warnings(node)


@limit(200)
def test_linux_6_1_shares_values_addresses_and_files(t):
    shares(t, "6.1")


@limit(200)
def test_linux_6_12_shares_values_addresses_and_files(t):
    shares(t, "6.12")


# ---- backup ----

def written(node):
    return int(says(node, "wc -l </mnt/count"))


def goes_on(node):
    before = written(node)
    until(lambda: written(node) > before, 10, "the writer goes on")


def stands_still(node):
    before = written(node)
    node.shell("web", "sleep 1")
    return written(node) == before


@limit(200)
def test_a_frozen_guest_writes_nothing_until_it_is_thawed(t):
    node = start(t, words="load=brd,crc32c_generic,ext4", wanted=["vss"])
    node.shell("web", "mkfs.ext4 -q /dev/ram0 8M && mount /dev/ram0 /mnt")
    node.shell("web", "while sleep 0.05; do echo x >>/mnt/count; done & sleep 0.2")
    goes_on(node)
    refused(node, "vm thaw web", "wrong-state")
    assert node.do("vm freeze web limit=60") == {"name": "web", "frozen": True}
    assert stands_still(node)
    refused(node, "vm freeze web", "wrong-state")
    assert stands_still(node)
    assert node.do("vm thaw web") == {"name": "web", "frozen": False}
    goes_on(node)
    refused(node, "vm thaw web", "wrong-state")
    assert warnings(node) == []

    node.do("vm freeze web limit=4")
    assert stands_still(node)
    frozen = node.do("host show")["uptime_ns"]
    event = node.wait("vm-thawed-by-limit", vm="web")
    assert event["t_ns"] - frozen < 4e9, event
    goes_on(node)
    refused(node, "vm thaw web", "wrong-state")
    node.do("vm freeze web")
    assert stands_still(node)
    node.do("vm thaw web")
    goes_on(node)
    assert [e for e, _ in warnings(node)] == ["vm-thawed-by-limit"], warnings(node)

    node.do("vm freeze web")
    node.shell("web", "killall -9 hv_vss_daemon")
    for _ in range(2):
        error = refused(node, "vm thaw web", "unsupported")
        assert "hv_vss_daemon is not running; start hyperv-daemons" in error["message"], error
    assert stands_still(node)
    node.shell("web", "setsid hv_vss_daemon -n </dev/null >/dev/null 2>&1 & sleep 1")
    goes_on(node)
    refused(node, "vm thaw web", "wrong-state")


@limit(200)
def test_without_daemons_each_command_names_what_is_missing(t):
    for series in ("6.1", "6.12"):
        names_what_is_missing(t, series)
        t.stop()


def names_what_is_missing(t, series):
    node = start(t, series, "daemons=off", [t.write("big", b"x")], wanted=())
    until(lambda: "VSS IC version" in dmesg(node, "web"), 30, "the drivers are there")
    for line, daemon in (("kvp list web", "kvp"), ("kvp get web key=x", "kvp"),
                         ("kvp set web key=x value=y", "kvp"), ("kvp delete web key=x", "kvp"),
                         ("ip web", "kvp"), ("freeze web", "vss"),
                         ("copy web source=big to=/tmp/x", "fcopy")):
        error = refused(node, f"vm {line}", ("timed-out", "unsupported", "wrong-state"))
        assert f"hv_{daemon}_daemon is not running; start hyperv-daemons" in error["message"], (line, error)


# ---- the end ----

def put_shutdown_script(node):
    node.shell("web", "echo '#!/bin/sh' >/etc/rc.shutdown; chmod +x /etc/rc.shutdown")
    node.shell("web", "echo 'echo RC-RAN >/dev/console' >>/etc/rc.shutdown")


@limit(300)
def test_a_guest_ends_in_order_when_it_is_asked(t):
    node = start(t, wanted=())
    until(lambda: services(node)["shutdown"]["verdict"] == "current", 30, "shutdown")
    node.shell("web", "echo '#!/bin/sh' >/tmp/nothing; chmod +x /tmp/nothing")
    node.shell("web", "mount --bind /tmp/nothing /sbin/poweroff")
    error = refused(node, "vm shutdown web wait=5", "timed-out")
    assert error["hint"] == "vm poweroff web" and state(node, "web") == "running", error
    assert "ALIVE" in node.shell("web", "umount /sbin/poweroff; echo ALI''VE")

    put_shutdown_script(node)
    before = node.vm_text("web")[1]
    begin = time.monotonic()
    assert node.do("vm shutdown web mode=restart", 120)["state"] == "running"
    print(f"restarted after {time.monotonic() - begin:.1f} s")
    assert re.search(r"RC-RAN[\s\S]*GUEST-SHUTDOWN reboot", node.vm_text("web", before)[0])
    node.wait_text("web", r"GUEST-READY[\s\S]*?# ", before, 120)
    assert [e["event"] for e in node.events(vm="web")].count("vm-reset") == 1

    quiet(node, "web")
    until(lambda: services(node)["shutdown"]["verdict"] == "current", 30, "shutdown")
    put_shutdown_script(node)
    before = node.vm_text("web")[1]
    shown = node.do("vm shutdown web", 90)
    assert (shown["name"], shown["state"]) == ("web", "stopped"), shown
    assert re.search(r"RC-RAN[\s\S]*GUEST-SHUTDOWN poweroff", node.vm_text("web", before)[0])
    refused(node, "vm shutdown web", "wrong-state")
    assert warnings(node) == []


def test_hostile_078_a_shutdown_that_is_only_acknowledged_is_timed_out(t):
    node = t.start('vm create liar kernel=services.elf memory=16M cpus=1 cmdline="open=s"\nvm start liar\n',
                   [payload("services")])
    node.wait_text("liar", "SERVICE s")
    error = refused(node, "vm shutdown liar wait=5", "timed-out")
    assert error["hint"] == "vm poweroff liar" and state(node, "liar") == "running", error
    assert "SHUTDOWN" in node.vm_text("liar")[0]
    node.do("vm poweroff liar")
