"""The network as stock Linux guests see it: three of them on one switch."""
import re

from bulkhead_lab.testing import limit

from helpers import refused, until
from network import (GUESTS, address, address6, balance, iperf, pairs_work, pings, port, says, serve,
                     start, tcp_flows, without_complaints)

OFFLOADS = ("rx-checksumming", "tx-checksumming", "scatter-gather", "tcp-segmentation-offload",
            "tx-tcp-segmentation", "tx-tcp6-segmentation", "generic-segmentation-offload",
            "generic-receive-offload", "large-receive-offload")


def check_balance(node):
    until(lambda: balance(node) == (0, 0), 20, "every frame is accounted for")


# ---- what is offered ----

def check_features(node):
    for vm, (_, cpus) in GUESTS.items():
        features = dict(re.findall(r"^\s*([\w-]+): (on|off)", node.shell(vm, "ethtool -k eth0"), re.M))
        assert all(features[name] == "on" for name in OFFLOADS), (vm, features)
        channels = re.findall(r"Combined:\s+(\d+)", node.shell(vm, "ethtool -l eth0"))
        assert channels == [str(cpus)] * 2, (vm, channels)
        shown = port(node, f"{vm}/nic0")
        assert (shown["channels"], shown["nvsp_version"], shown["state"]) == (cpus, "6.1", "ready"), shown


def own_addresses(node, vm, device=""):
    found = re.findall(r"inet6? ([0-9a-f.:]+)/", node.shell(vm, f"ip addr show {device}"))
    return {a for a in found if a not in ("127.0.0.1", "::1")}


def check_addresses(node):
    """What the host is told is what the guest says, of all adapters and of each."""
    for vm in GUESTS:
        assert {a["address"] for a in node.do(f"vm ip {vm}")} == own_addresses(node, vm), vm
        told = node.do(f"vm ip {vm} adapter={vm}/nic0")
        assert set(told["address"].split(";")) - {""} == own_addresses(node, vm, "eth0"), (vm, told)
        assert {address(vm), address6(vm)} <= own_addresses(node, vm, "eth0"), vm


# Debian has no script that puts addresses to use: one that does as the distributions that have one.
SET_SCRIPT = ("#!/bin/sh", ". $1", "/sbin/ip addr flush dev $DEVICE scope global",
              "/sbin/ip addr add $IPADDR0/24 dev $DEVICE")


def check_setting(node):
    for vm in GUESTS:
        where = "/usr/libexec/hypervkvpd/hv_set_ifconfig"
        node.shell(vm, f">{where}; chmod +x {where}")
        for line in SET_SCRIPT:
            node.shell(vm, f"echo '{line}' >>{where}")
        wanted = address(vm, 9)
        node.do(f"vm ip {vm} adapter={vm}/nic0 address={wanted} netmask=255.255.255.0")
        told = node.do(f"vm ip {vm} adapter={vm}/nic0")
        assert wanted in told["address"].split(";"), told
        assert wanted in own_addresses(node, vm, "eth0") and address(vm) not in own_addresses(node, vm)
    assert pings(node, "old", address("new", 9))


@limit(400)
def test_three_guests_reach_each_other(t):
    node = start(t)
    serve(node)
    check_features(node)
    check_addresses(node)
    pairs_work(node)
    check_balance(node)
    check_setting(node)
    without_complaints(node)


# ---- long frames ----

def set_mtu(node, vm, mtu):
    epoch = port(node, f"{vm}/nic0")["guest_epoch"]
    node.shell(vm, f"ip link set eth0 mtu {mtu}")
    assert f"mtu {mtu}" in node.shell(vm, "ip link show eth0"), vm
    until(lambda: port(node, f"{vm}/nic0")["mtu"] == mtu, 20, "the host knows the MTU")
    print(f"{vm}: epoch {epoch}, then {port(node, f'{vm}/nic0')['guest_epoch']}")


def check_one_long_frame(node):
    """A ping of 8,900 bytes is one frame that may not be divided."""
    node.shell("new", "(tcpdump -c 1 -i eth0 -w /tmp/dump icmp 2>/tmp/said &)")
    until(lambda: "listening" in node.shell("new", "cat /tmp/said"), 30, "tcpdump listens")
    assert pings(node, "old", address("new"), "-c 1 -W 5 -s 8900")
    until(lambda: "1 packet captured" in node.shell("new", "cat /tmp/said"), 30, "a frame")
    seen = node.shell("new", "tcpdump -v -r /tmp/dump 2>/dev/null")
    assert re.search(r"flags \[DF\].*length 8928", seen), seen


@limit(400)
def test_frames_of_9000_bytes_are_passed(t):
    node = start(t)
    serve(node)
    for vm in GUESTS:
        set_mtu(node, vm, 9000)
    until(lambda: all(pings(node, "old", address(v)) for v in ("new", "two")), 30, "back")
    check_one_long_frame(node)
    pairs_work(node, mtu=9000)
    for vm in GUESTS:
        set_mtu(node, vm, 1500)
    until(lambda: pings(node, "old", address("new")), 30, "back")
    tcp_flows(node, "old", address("two"))
    check_balance(node)
    without_complaints(node)


# ---- VLANs ----

def tag(node, vm, vlan):
    node.shell(vm, "modprobe 8021q")
    node.shell(vm, f"ip link add link eth0 name eth0.{vlan} type vlan id {vlan}")
    node.shell(vm, f"ip addr add {address(vm, vlan)}/24 dev eth0.{vlan}")
    node.shell(vm, f"ip addr add {address6(vm, vlan)}/64 dev eth0.{vlan} nodad")
    node.shell(vm, f"ip link set eth0.{vlan} up")


def listen_for(node, vm, other):
    """Writes down the frames that @vm gets of @other."""
    mac = port(node, f"{other}/nic0")["mac"]
    node.shell(vm, f"(tcpdump -l -n -i eth0 ether src {mac} >/tmp/seen 2>/tmp/said &)")
    until(lambda: "listening" in node.shell(vm, "cat /tmp/said"), 30, "tcpdump listens")


def heard(node, vm):
    node.shell(vm, "kill $(pidof tcpdump)")
    until(lambda: "captured" in node.shell(vm, "cat /tmp/said"), 30, "tcpdump ends")
    # It ends with an empty line.
    return int(says(node, vm, "grep -c . /tmp/seen"))


@limit(400)
def test_guests_reach_each_other_within_their_vlan_only(t):
    node = start(t)
    serve(node)
    for vm in ("old", "new"):
        node.do(f"port set {vm}/nic0 vlan=5")
        node.shell(vm, f"ip addr add {address(vm, 5)}/24 dev eth0")
        node.shell(vm, f"ip addr add {address6(vm, 5)}/64 dev eth0 nodad")
    node.do("port set two/nic0 vlan=trunk:5,6 native=0")
    tag(node, "two", 5)
    until(lambda: all(pings(node, "two", address(v, 5)) for v in ("old", "new")), 30, "VLAN 5")
    pairs_work(node, lambda vm: address(vm, 5), lambda vm: address6(vm, 5))

    node.do("port set new/nic0 vlan=6")
    tag(node, "two", 6)
    node.shell("new", f"ip addr add {address('new', 6)}/24 dev eth0")
    until(lambda: pings(node, "two", address("new", 6)), 30, "VLAN 6")
    listen_for(node, "old", "new")
    listen_for(node, "two", "new")
    for to in (address("old"), address("old", 5), address("two")):
        node.shell("new", f"ip neigh del {to} dev eth0 2>/dev/null")
        assert not pings(node, "new", to), to
    assert heard(node, "two") > 0, "a broadcast on VLAN 6 did not reach its trunk"
    assert heard(node, "old") == 0, ("heard on VLAN 5", node.shell("old", "cat /tmp/seen"))
    assert pings(node, "old", address("two", 5)) and pings(node, "new", address("two", 6))
    check_balance(node)
    without_complaints(node)


# ---- NICs come and go ----

def devices(node, vm):
    return set(re.findall(r"^\d+: (eth\d+)", node.shell(vm, "ip -o link"), re.M))


def check_second_nic(node):
    for vm in ("old", "new"):
        assert node.do(f"nic add {vm} switch=other")["name"] == f"{vm}/nic1"
        until(lambda v=vm: devices(node, v) == {"eth0", "eth1"}, 30, "eth1 comes")
        node.shell(vm, f"ip addr add {address(vm, 1)}/24 dev eth1; ip link set eth1 up")
    until(lambda: pings(node, "old", address("new", 1)), 30, "the second NIC works")
    told = node.do("vm ip old adapter=old/nic1")
    assert address("old", 1) in told["address"].split(";"), told
    assert port(node, "old/nic1")["in_frames"] > 0
    until(lambda: balance(node, "other") == (0, 0), 20, "every frame is accounted for")
    for vm in ("old", "new"):
        node.do(f"nic remove {vm}/nic1")
        until(lambda v=vm: devices(node, v) == {"eth0"}, 30, "eth1 goes")
        assert [n["name"] for n in node.do(f"nic list {vm}")] == [f"{vm}/nic0"]


def carrier(node, vm):
    return says(node, vm, "cat /sys/class/net/eth0/carrier")


def check_link(node):
    """Linux looks at events of the link every 2 s at most."""
    for _ in range(2):
        node.do("nic set old/nic0 link=down")
        until(lambda: carrier(node, "old") == "0", 30, "the carrier goes")
        assert not pings(node, "new", address("old"), "-c 1 -W 1")
        node.do("nic set old/nic0 link=up")
        until(lambda: carrier(node, "old") == "1", 30, "the carrier comes")
        until(lambda: pings(node, "new", address("old")), 30, "reached again")
    node.do("nic set old/nic0 speed=25G")
    until(lambda: says(node, "old", "cat /sys/class/net/eth0/speed") == "25000", 30, "its speed")


def check_address_change(node):
    own, other = port(node, "old/nic0")["mac"], "02:42:48:99:99:99"
    node.shell("old", "ip link set eth0 down")
    answer = node.shell("old", f"ip link set dev eth0 address {other} || echo REFUSED")
    assert "REFUSED" in answer and own in node.shell("old", "ip link show eth0"), answer
    node.do("port set old/nic0 spoofing=on")
    answer = node.shell("old", f"ip link set dev eth0 address {other} || echo REFUSED")
    assert "REFUSED" not in answer and other in node.shell("old", "ip link show eth0"), answer
    node.shell("old", "ip link set eth0 up")
    until(lambda: pings(node, "old", address("new")), 30, "reached from the new address")
    assert port(node, "old/nic0")["guest_mac"] == other
    assert other in node.shell("new", f"ip neigh show {address('old')}")
    told = node.do("vm ip old adapter=old/nic0")
    assert address("old") in told["address"].split(";"), told
    node.shell("old", f"ip link set eth0 down; ip link set dev eth0 address {own}; ip link set eth0 up")
    until(lambda: pings(node, "old", address("new")), 30, "reached from the old address")
    node.do("port set old/nic0 spoofing=off")


@limit(300)
def test_nics_come_and_go_while_their_guests_run(t):
    node = start(t, ("old", "new"))
    node.do("switch create other")
    for _ in range(2):
        check_second_nic(node)
    check_link(node)
    check_address_change(node)
    refused(node, "nic remove old/nic1", "not-found")
    check_balance(node)
    without_complaints(node, ("old", "new"))


@limit(300)
def test_a_promiscuous_guest_sees_floods_only(t):
    node = start(t)
    serve(node)
    listen_for(node, "two", "old")
    iperf(node, "old", address("new"), "-n 1M")
    unknown = "02:42:48:77:77:77"
    node.shell("old", f"ip neigh replace 10.0.0.77 lladdr {unknown} dev eth0 nud permanent")
    assert not pings(node, "old", "10.0.0.77", "-c 3 -i 0.2 -W 1")
    heard(node, "two")
    seen = node.shell("two", "cat /tmp/seen")
    assert seen.count("> 10.0.0.77: ICMP echo request") == 3, seen
    assert address("new") not in re.sub(r".*\bARP\b.*", "", seen), "frames for another were seen"
    assert port(node, "old/nic0")["floods"] >= 3
    check_balance(node)
