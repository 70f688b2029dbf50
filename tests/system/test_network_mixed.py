"""The hardest test of what is delivered: mixed traffic between stock Linux guests while all that can
change does. Every stream's SHA-256 is the same at both ends, and no frame is unaccounted for."""
import itertools
import os
import random
import re
import time

from bulkhead_lab.testing import limit

from helpers import until
from network import (GUESTS, PAIRS, address, balance, guest_is_up, configure, needs_wall, pings, port,
                     says, without_complaints)

SECONDS = int(os.environ.get("BULKHEAD_MIX_SECONDS", "20"))
VLAN = 5
# The receiver of TCP answers with the hash; with TFTP, over UDP, a file and its hash are fetched.
FILES = 8
SCRIPT = """#!/bin/sh
# mix KIND TO...: until /tmp/stop is there.
kind=$1 ok=0 bad=0 late=0 number=0
shift
to_all=$*
file=/tmp/$kind
blocks='64 512 1428 1468 4000 16384 65464'

take() { tftp -g -b $block -l $2 -r $1 $to >/dev/null 2>&1; }

tcp() {
    head -c $((1 + (RANDOM << 15 | RANDOM) % (1 << RANDOM % 23))) /dev/urandom >$file
    want=$(sha256sum <$file)
    got=$(nc $to 7000 <$file)
}

udp() {
    set -- $blocks
    blocks="$2 $3 $4 $5 $6 $7 $1" block=$1 number=$(((number + 1) % FILES)) got=late
    take $number $file && take $number.hash $file.hash && got=$(sha256sum <$file)
    want=$(cat $file.hash)
}

while [ ! -e /tmp/stop ]; do
    for to in $to_all; do
        $kind
        case $got in
        "$want") ok=$((ok + 1)) ;;
        late) late=$((late + 1)); echo "LATE $to $number $block" ;;
        *) bad=$((bad + 1)); echo "BAD $to $number $block $(wc -c <$file) '$got' '$want'" ;;
        esac
    done
done
echo END ok=$ok bad=$bad late=$late
""".replace("FILES", str(FILES))


def start(t):
    """Three guests on a trunk, each with an untagged and a tagged network."""
    needs_wall()
    script = t.write("mix", SCRIPT)
    lines, files = "switch create lan\n", [script]
    for name in GUESTS:
        more, modules = configure(name, f"switch=lan vlan=trunk:1,{VLAN} native=1")
        lines, files = lines + more, files + [m for m in modules if m not in files]
    node = t.start(lines, files, memory="4G")
    for vm in GUESTS:
        guest_is_up(node, vm)
    for vm in GUESTS:
        prepare(node, vm)
    for one, other in PAIRS:
        for net in (0, VLAN):
            until(lambda a=one, b=other, n=net: pings(node, a, address(b, n)), 60, f"{one} reaches {other}")
    return node


def prepare(node, vm):
    node.shell(vm, "modprobe 8021q")
    node.shell(vm, f"ip link add link eth0 name eth0.{VLAN} type vlan id {VLAN}")
    node.shell(vm, f"ip addr add {address(vm, VLAN)}/24 dev eth0.{VLAN}; ip link set eth0.{VLAN} up")
    # Streams keep to segments that every MTU of this test allows.
    node.shell(vm, f"ip route replace 10.0.0.0/24 dev eth0 src {address(vm)} mtu 1500 advmss 1460")
    until(lambda: "mix" in node.do(f"vm copy {vm} source=mix to=/tmp/mix")["source"], 30, "copied")
    node.shell(vm, "mkdir /srv; cd /srv; for n in " + " ".join(str(n) for n in range(FILES)) + "; do "
                   "head -c $((1 + (RANDOM << 15 | RANDOM) % (4 << 2 * n))) /dev/urandom >$n; "
                   "sha256sum <$n >$n.hash; done; chmod -R a+r .; in.tftpd -l -s /srv")
    node.shell(vm, "(nc -ll -p 7000 -e sha256sum >/dev/null 2>&1 &)")


def begin(node):
    for vm in GUESTS:
        to = " ".join(address(o, n) for o in GUESTS if o != vm for n in (0, VLAN))
        for kind in ("tcp", "udp"):
            node.shell(vm, f"(sh /tmp/mix {kind} {to} >/tmp/log.{kind} 2>&1 &)")


def end(node):
    """{(vm, kind): (ok, bad, late)}"""
    found = {}
    for vm in GUESTS:
        node.shell(vm, "touch /tmp/stop")
    for vm in GUESTS:
        for kind in ("tcp", "udp"):
            until(lambda v=vm, k=kind: "END" in says(node, v, f"tail -n 1 /tmp/log.{k}"), 180,
                  f"{vm}'s streams of {kind} end")
            text = node.shell(vm, f"tail -n 20 /tmp/log.{kind}")
            print(vm, kind, text.strip())
            found[vm, kind] = tuple(int(n) for n in re.search(r"ok=(\d+) bad=(\d+) late=(\d+)", text).groups())
    return found


# ---- what changes meanwhile ----

def switch_offloads(node, vm):
    for on in ("off", "on"):
        node.shell(vm, "ethtool -K eth0 " + " ".join(f"{f} {on}" for f in ("tx", "rx", "sg", "tso", "gso")))
        yield


def change_nics(node, vm):
    name = node.do(f"nic add {vm} switch=lan")["name"]
    until(lambda: "eth1" in node.shell(vm, "ls /sys/class/net"), 60, "eth1 comes")
    node.shell(vm, "ip link set eth1 up")
    yield
    node.do(f"nic remove {name}")
    until(lambda: "eth1" not in node.shell(vm, "ls /sys/class/net"), 60, "eth1 goes")
    yield


def change_mtu(node, vm):
    for mtu in (9000, 1500):
        node.shell(vm, f"ip link set eth0 mtu {mtu}")
        until(lambda m=mtu: port(node, f"{vm}/nic0")["mtu"] == m, 60, "the MTU")
        yield


def change_channels(node, _):
    for count in (1, 2):
        node.shell("two", f"ethtool -L eth0 combined {count}")
        until(lambda c=count: port(node, "two/nic0")["channels"] == c, 60, "its channels")
        yield


def change_link(node, vm):
    for link, carrier in (("down", "0"), ("up", "1")):
        node.do(f"nic set {vm}/nic0 link={link}")
        until(lambda c=carrier: says(node, vm, "cat /sys/class/net/eth0/carrier") == c, 60, "its carrier")
        yield


def disturb(node, seconds):
    """One change after the other for so long, and back to how it was."""
    stop, done = time.monotonic() + seconds, 0
    for change in itertools.cycle((switch_offloads, change_mtu, change_nics, change_channels, change_link)):
        vm = random.choice(list(GUESTS))
        for _ in change(node, vm):
            done += 1
        if time.monotonic() > stop:
            return done


@limit(400 + 2 * SECONDS)
def test_every_stream_arrives_whole_whatever_changes(t):
    node = start(t)
    begin(node)
    changes = disturb(node, SECONDS)
    found = end(node)
    print(f"{changes} changes in {SECONDS} s")
    totals = node.do("switch show lan")["totals"]
    print({k: v for k, v in totals.items() if k not in ("cycles", "paths")})
    for (vm, kind), (ok, bad, late) in found.items():
        assert bad == 0 and ok >= 1 and late <= 1 + ok // 10, (vm, kind, ok, bad, late)
    until(lambda: balance(node) == (0, 0), 30, "every frame is accounted for")
    without_complaints(node)
