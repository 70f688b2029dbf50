"""Stock Linux guests on a virtual switch: what the tests of the network share."""
import json
import os
import re
import threading

from bulkhead_lab.testing import Skip

from helpers import LINUX_CMDLINE, create_linux, linux_is_up, until

# 6.1, 6.12, and one with two vCPUs; guest N has 10.0.0.N and fd00::N.
GUESTS = {"old": ("6.1", 1), "new": ("6.12", 1), "two": ("6.12", 2)}
NUMBER = {name: number for number, name in enumerate(GUESTS, 1)}
PAIRS = [("old", "new"), ("new", "two"), ("two", "old")]
# Linux' own word about frames longer than its MTU, which a guest that takes large frames gets, and
# one about a machine that others use, too.
USUAL = ("Driver has suspect GRO implementation", "hrtimer: interrupt took")
STREAM_SECONDS = 60


def address(vm, net=0):
    return f"10.0.{net}.{NUMBER[vm]}"


def address6(vm, net=0):
    return f"fd00:{net}::{NUMBER[vm]}" if net else f"fd00::{NUMBER[vm]}"


def configure(name, options="switch=lan"):
    """The lines that make one of GUESTS with a NIC, and its module files."""
    series, cpus = GUESTS[name]
    words = f"{LINUX_CMDLINE} hostname={name} address={address(name)}/24,{address6(name)}/64"
    lines, files = create_linux(name, series, memory="320M", cpus=cpus, cmdline=words)
    return lines.replace("vm start", f"nic add {name} {options}\nvm start"), files


def start(t, names=tuple(GUESTS), **machine):
    """A node whose guests of these names are up and reach each other."""
    if not machine.get("icount"):
        needs_wall()
    lines, files = "switch create lan\n", []
    for name in names:
        more, modules = configure(name)
        lines, files = lines + more, files + [m for m in modules if m not in files]
    node = t.start(lines, files, **{"memory": f"{1 + len(names)}G", **machine})
    for name in names:
        guest_is_up(node, name)
    for one in names:
        for other in names:
            if one < other:
                until(lambda a=one, b=other: pings(node, a, address(b)), 60, f"{one} reaches {other}")
                until(lambda a=one, b=other: pings(node, a, address6(b)), 60, f"{one} reaches {other}")
    return node


def needs_wall():
    """For tests that have not been seen green often enough."""
    if not os.environ.get("BULKHEAD_WALL"):
        raise Skip("a guest with a NIC dies now and then on the machine's clock, by a fault that is "
                   "looked for; BULKHEAD_WALL=1 runs it")


def guest_is_up(node, name):
    linux_is_up(node, name)
    node.shell(name, "stty cols 1000; dmesg -n 1; dmesg -c >/dev/null")


def complaints(node, vm):
    """The kernel's warnings and worse since its start."""
    lines = re.findall(r"^<[0-4]>.*", node.shell(vm, "dmesg -r"), re.M)
    return [line for line in lines if not any(words in line for words in USUAL)]


def without_complaints(node, names=tuple(GUESTS)):
    for vm in names:
        assert complaints(node, vm) == [], (vm, complaints(node, vm))


def pings(node, vm, to, options="-c 1 -W 2"):
    return ", 0% packet loss" in node.shell(vm, f"ping {options} {to}")


def says(node, vm, command, timeout=60):
    """The last line of what a command prints."""
    return node.shell(vm, command, timeout).strip().split("\n")[-1].strip()


def port(node, name):
    return node.do(f"port show {name}")


def iperf(node, vm, to, options):
    """What iperf3 says at the end of a run from @vm to the server at @to."""
    text = node.shell(vm, f"iperf3 -J -i 0 -c {to} {options}", STREAM_SECONDS)
    result = json.loads(text[text.index("{"):])
    assert "error" not in result, (vm, to, options, result["error"])
    return result


def serve(node, names=tuple(GUESTS)):
    """Starts the servers of iperf3."""
    for vm in names:
        node.shell(vm, "iperf3 -s -D")
        until(lambda v=vm: "LISTEN" in node.shell(v, "ss -lnt sport = 5201"), 30, "iperf3 listens")


def tcp_flows(node, vm, to, mtu=1500, amount="4M"):
    """TCP one way and then the other, with hardly a segment sent twice."""
    for way in ("", "-R"):
        end = iperf(node, vm, to, f"-n {amount} {way}")["end"]
        sent, received = end["sum_sent"], end["sum_received"]
        segments = sent["bytes"] / mtu
        print(f"TCP {vm} {way or '->'} {to}: {received['bits_per_second'] / 1e6:.0f} Mbit/s, "
              f"{sent['retransmits']} of {segments:.0f} segments again")
        # What has been read when the sender ends is less than what it sent.
        assert sent["bytes"] >= 4e6 and received["bytes"] > 1e6, end
        assert sent["retransmits"] <= max(2, segments / 100), sent


def udp_flows(node, vm, to, length=1400):
    """UDP at a rate that every guest can take: next to nothing is lost."""
    end = iperf(node, vm, to, f"-u -b 8M -n 300K -l {length}")["end"]["sum"]
    print(f"UDP {vm} -> {to}: {end['lost_packets']} of {end['packets']} lost")
    assert end["packets"] >= 300 * 1024 // length and end["lost_packets"] <= end["packets"] / 20, end


def pairs_work(node, to=address, to6=address6, mtu=1500):
    """ping, TCP and UDP between each pair, IPv4 and IPv6. @to and @to6: a guest's addresses."""
    for one, other in PAIRS:
        for target in (to(other), to6(other)):
            assert pings(node, one, target, "-c 2 -i 0.2 -W 5"), (one, target)
            tcp_flows(node, one, target, mtu)
            udp_flows(node, one, target)


def balance(node, switch="lan"):
    """What the switch calls its balance, and the same as summed up from its counters."""
    show = node.do(f"switch show {switch}")
    c = show["totals"]
    own = (c["in_frames"] + c["replicas"] + c["segments"] - c["lso_sends"] - c["out_frames"]
           - c["in_drops"]["total"] - c["out_drops"]["total"])
    return show["balance"], own


def together(*calls):
    """Runs functions at the same time; raises what the first one raised that failed."""
    failed = []

    def run(call):
        try:
            call()
        except BaseException as error:  # pylint: disable=broad-exception-caught
            failed.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
