"""VMBus and its services as stock Linux guests find them with their own drivers."""
import re
import time

from bulkhead_lab.testing import limit

from helpers import LINUX_CMDLINE, create_linux, linux_is_up, until, wait_state
from test_guest_machine import check_dmesg

INSTANCE = "b1d0000{}-6b68-4c1e-9a0{}-62756c6b6864"
# Class, instance, and the version that dmesg names.
SERVICES = [
    ("57164f39-9115-4e78-ab55-382f3bd5422d", INSTANCE.format(1, 1), "Heartbeat IC version 3.0"),
    ("0e0b6031-5213-4934-818b-38d90ced39db", INSTANCE.format(2, 2), "Shutdown IC version 3.2"),
    ("9527e630-d0ae-497b-adce-e80ab0175caf", INSTANCE.format(3, 3), "TimeSync IC version 4.0"),
    ("a9a0f4e7-5a45-4d96-b827-8a841e8c03e6", INSTANCE.format(4, 4), "KVP IC version 4.0"),
    ("35fa2e29-ea23-4236-96ae-3a6ebacba440", INSTANCE.format(5, 5), "VSS IC version 5.0"),
    ("34d14be3-dee4-41c8-9ae7-6b174977c192", "eb765408-105f-49b6-b4aa-c123b64d17d4",
     "FCopy IC version 1.1"),
]
# What a boot or a load of hv_utils brings: 6.12 leaves file copy to a program, which says nothing.
NEGOTIATED = {"6.1": [s[2] for s in SERVICES], "6.12": [s[2] for s in SERVICES[:5]]}
# Linux has no VSS on a VMBus older than 3.0 (drivers/hv/hv_snapshot.c, hv_vss_init).
NEGOTIATED["2.4"] = [name for name in NEGOTIATED["6.1"] if not name.startswith("VSS")]


def quiet(node, vm):
    """Only the kernel's worst goes to the console, so that the shell's answers stay whole."""
    node.shell(vm, "dmesg -n 1")


def dmesg(node, vm):
    return node.shell(vm, "dmesg")


def is_negotiated(node, vm, series, since="Vmbus version:"):
    """All services have told their versions since the last line that contains @since."""
    text = dmesg(node, vm)
    text = text[text.rfind(since):]
    return all(name in text for name in NEGOTIATED[series])


def start(t, series="6.1", words="", options="", memory="320M", **machine):
    lines, modules = create_linux("web", series, memory=memory, options=options,
                                  cmdline=f"{LINUX_CMDLINE} {words}".strip())
    node = t.start(lines, modules, **machine)
    linux_is_up(node, "web")
    quiet(node, "web")
    return node


def devices(node, vm):
    """{instance: (class, state, channel_vp_mapping)} from the guest's sysfs."""
    node.shell(vm, "cd /sys/bus/vmbus/devices")
    text = node.shell(vm, "for d in *; do echo D $d $(cat $d/class_id $d/state $d/channel_vp*); done")
    return {m[1]: (m[2], int(m[3]), m[4])
            for m in re.finditer(r"^D (\S+) \{(\S+)\} (\d+) (.*?)$", text, re.M)}


def check_services(node, vm, series):
    """Our classes and instances are there, open, each on the relid in order and on one of two vCPUs."""
    found = devices(node, vm)
    assert set(found) == {s[1] for s in SERVICES}, found
    for number, (class_id, instance, _) in enumerate(SERVICES, 1):
        assert found[instance][:2] == (class_id, 3), (instance, found[instance])
        assert re.fullmatch(f"{number}:[01]", found[instance][2]), (instance, found[instance])
    daemons = node.shell(vm, "ps | grep 'hv_.*_daemon'")
    wanted = ["hv_kvp_daemon", "hv_vss_daemon",
              "hv_fcopy_daemon" if series == "6.1" else "hv_fcopy_uio_daemon"]
    assert all(f"{name} -n" in daemons for name in wanted), daemons


def loads_by_itself(t, series):
    node = start(t, series)
    until(lambda: is_negotiated(node, "web", series), 30, "all services negotiated")
    assert "Vmbus version:5.3" in dmesg(node, "web")
    check_services(node, "web", series)
    check_dmesg(node, "web")
    pools = node.shell("web", "ls -A /var/lib/hyperv").split()
    assert pools == [f".kvp_pool_{i}" for i in range(5)], pools


@limit(200)
def test_linux_6_1_loads_its_drivers_by_itself(t):
    loads_by_itself(t, "6.1")


@limit(200)
def test_linux_6_12_loads_its_drivers_by_itself(t):
    loads_by_itself(t, "6.12")


def reload_100_times(t, series):
    node = start(t, series)
    before = node.do("vm log web from=0")["next"]
    begin = time.monotonic()
    node.type("web", "dmesg -c >/dev/null; reload 100\n")
    node.wait_text("web", r"\nRELOADED 100", before, timeout=400)
    print(f"100 rounds in {time.monotonic() - begin:.1f} s")
    # The log holds all rounds: since the last registration of the driver.
    until(lambda: is_negotiated(node, "web", series, "Registering HyperV Utility"), 30,
          "all services negotiated again")
    check_services(node, "web", series)
    check_dmesg(node, "web")


@limit(500)
def test_linux_6_1_reloads_hv_utils_100_times(t):
    reload_100_times(t, "6.1")


@limit(500)
def test_linux_6_12_reloads_hv_utils_100_times(t):
    reload_100_times(t, "6.12")


@limit(300)
def test_a_second_kernel_finds_the_services_too(t):
    """kexec of a 6.12 in a 6.1: the first one unloads VMBus, the second connects anew."""
    node = start(t, "6.1", memory="512M")
    before = node.do("vm log web from=0")["next"]
    node.type("web", "kexec-second\n")
    node.wait_text("web", r"GUEST-READY[\s\S]*?# ", before, timeout=200)
    quiet(node, "web")
    assert node.shell("web", "uname -r").startswith("6.12")
    until(lambda: is_negotiated(node, "web", "6.12"), 30, "all services negotiated")
    assert "Vmbus version:5.3" in dmesg(node, "web")
    check_services(node, "web", "6.12")
    check_dmesg(node, "web")


@limit(500)
def test_older_versions_of_vmbus_serve_as_well(t):
    for series, number, version in (("6.1", "0x00040001", "4.1"), ("6.12", "0x00030000", "3.0"),
                                    ("6.1", "0x00020004", "2.4")):
        node = start(t, series, f"hv_vmbus.max_version={number}")
        wanted = "2.4" if version == "2.4" else series
        until(lambda w=wanted: is_negotiated(node, "web", w), 30, "all services negotiated")
        assert f"Vmbus version:{version}" in dmesg(node, "web")
        if version != "2.4":
            check_services(node, "web", series)
        check_dmesg(node, "web")
        t.stop()


# ---- the guest's clock ----

WRONG = "date -s @$(($(date +%s) - 10800)) >/dev/null"


def pass_time(node, seconds):
    """Lets that much of the emulated machine's time go by."""
    end = node.do("host show")["uptime_ns"] + seconds * 1e9
    until(lambda: node.do("host show")["uptime_ns"] >= end, 300, "time passes")


def clock_errors(node, vm):
    """Ends the VM; returns by how many ns its /dev/ptp0 and its clock are ahead of the host's. The
    guest reads both, waits 0.5 s by /dev/ptp0 and ends; the host's event says when by the host's
    clock. The emulated machine must count instructions: one is one ns."""
    start = node.do(f"vm log {vm} from=0")["next"]
    host, seq = node.do("host show"), node.last_seq()
    node.type(vm, "clock exit 500\n")
    match, _, _ = node.wait_text(vm, r"CLOCK ptp (\d+) realtime (\d+)", start)
    ptp, real = int(match[1]), int(match[2])
    event = node.wait("vm-stopped", vm=vm, since=seq, timeout=120)
    moment = host["time_ns"] - host["uptime_ns"] + event["t_ns"]
    error = ptp + 500_000_000 - moment
    print(f"ahead of the host: /dev/ptp0 {error / 1e3:.1f} us, clock {(error + real - ptp) / 1e6:.3f} ms")
    return error, error + real - ptp


def is_right(node, vm):
    ptp, clock = clock_errors(node, vm)
    assert abs(ptp) < 1e6, f"/dev/ptp0 is {ptp} ns ahead"
    assert abs(clock) < 1e9, f"the clock is {clock} ns ahead"


def wrong_by(node, vm):
    """Seconds by which the guest's clock is behind its /dev/ptp0."""
    match = re.search(r"CLOCK ptp (\d+) realtime (\d+)", node.shell(vm, "clock"))
    return (int(match[1]) - int(match[2])) / 1e9


def start_again(node, vm):
    before = node.do(f"vm log {vm} from=0")["next"]
    node.do(f"vm start {vm}")
    node.wait_text(vm, r"GUEST-READY[\s\S]*?# ", before, timeout=120)


def clock_is_right(t, series):
    """A clock that is three hours behind is right within a second of hv_utils being loaded, of the
    end of a pause of 30 s, and of a restore."""
    node = start(t, series, memory="256M", icount=True)
    node.shell("web", f"echo '#!/bin/sh' >/etc/while-unloaded; echo '{WRONG}' >>/etc/while-unloaded")
    node.shell("web", "echo 'echo WAS $(date +%s)' >>/etc/while-unloaded; chmod +x /etc/while-unloaded")
    text = node.shell("web", "reload; sleep 1", timeout=120)
    was = int(re.search(r"WAS (\d+)", text)[1])
    assert node.do("host show")["time_ns"] / 1e9 - was > 10000, was
    is_right(node, "web")

    start_again(node, "web")
    node.shell("web", WRONG)
    assert 10790 < wrong_by(node, "web") < 10810, "SAMPLE does not set the clock"
    node.do("vm pause web")
    pass_time(node, 30)
    node.do("vm resume web")
    node.shell("web", "sleep 1")
    is_right(node, "web")

    start_again(node, "web")
    node.shell("web", WRONG)
    node.do("vm save web as=s")
    node.do("vm poweroff web")
    node.do("vm delete web")
    pass_time(node, 30)
    node.do("vm restore s name=web")
    node.shell("web", "sleep 1")
    is_right(node, "web")


@limit(400)
def test_the_clock_of_linux_6_1_is_right(t):
    clock_is_right(t, "6.1")


@limit(400)
def test_the_clock_of_linux_6_12_is_right(t):
    clock_is_right(t, "6.12")


# ---- saving ----

@limit(400)
def test_services_go_on_in_a_restored_vm(t):
    for series in ("6.1", "6.12"):
        lines, modules = create_linux("web", series, memory="256M", cpus=2)
        node = t.start(lines, modules, memory="1536M")
        linux_is_up(node, "web")
        quiet(node, "web")
        until(lambda s=series: is_negotiated(node, "web", s), 30, "all services negotiated")
        node.do("vm save web as=s")
        node.do("vm poweroff web")
        node.do("vm delete web")
        node.do("vm restore s name=web")
        before = interrupts(node, "web")
        # Heartbeat and time synchronisation come by themselves.
        until(lambda b=before: all(interrupts(node, "web")[i] >= b[i] + 2
                                   for i in (SERVICES[0][1], SERVICES[2][1])), 60, "they go on")
        check_services(node, "web", series)
        node.shell("web", "reload", timeout=60)
        until(lambda s=series: is_negotiated(node, "web", s, "Registering HyperV Utility"), 30,
              "all services negotiated again")
        check_dmesg(node, "web")
        t.stop()


def interrupts(node, vm):
    """{instance: interrupts that its channel has had}"""
    node.shell(vm, "cd /sys/bus/vmbus/devices")
    text = node.shell(vm, "for d in *; do echo I $d $(cat $d/channels/*/interrupts); done")
    return {m[1]: int(m[2]) for m in re.finditer(r"^I (\S+) (\d+)", text, re.M)}


@limit(200)
def test_daemons_start_only_where_wanted(t):
    node = start(t, "6.1", "daemons=vss hostname=other")
    assert re.findall(r"hv_\w+_daemon", node.shell("web", "ps | grep '_daemon -n' | grep -v grep")) \
        == ["hv_vss_daemon"]
    text = dmesg(node, "web")
    assert "VSS IC version 5.0" in text and "KVP IC" not in text
    assert node.shell("web", "hostname -f").strip() == "other"


@limit(200)
def test_poweroff_and_reboot_are_orderly(t):
    """As the kernel runs them when the host asks."""
    node = start(t, "6.1", "load=brd,crc32c_generic,ext4")
    node.shell("web", "echo '#!/bin/sh' >/etc/rc.shutdown; chmod +x /etc/rc.shutdown")
    node.shell("web", "echo 'echo RC-RAN >/dev/console' >>/etc/rc.shutdown")
    text = node.shell("web", "mkfs.ext4 -q /dev/ram0 8M && mount /dev/ram0 /mnt && echo MOUNTED")
    assert "MOUNTED" in text, text
    before = node.do("vm log web from=0")["next"]
    node.type("web", "/sbin/poweroff\n")
    wait_state(node, "web", "stopped", timeout=60)
    assert re.search(r"RC-RAN[\s\S]*GUEST-SHUTDOWN poweroff", node.vm_text("web", before)[0])
