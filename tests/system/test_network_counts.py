"""Counts of one and the same traffic: the switch's, the guests' and tshark's."""
import base64
import os
import re
import shutil
import subprocess

from bulkhead_lab.testing import Skip, limit

from helpers import until
from network import address, balance, iperf, port, serve, start

FRAMES = 10_000
LENGTH = 400


def guest_counts(node, vm):
    """(sent, received) as the guest's interface counts packets."""
    text = node.shell(vm, "cat /sys/class/net/eth0/statistics/tx_packets "
                          "/sys/class/net/eth0/statistics/rx_packets")
    return tuple(int(n) for n in re.findall(r"^(\d+)\s*$", text, re.M)[-2:])


def quiet_counts(node):
    """All counts of a moment in which nothing is on its way."""
    def counts():
        return {vm: (*guest_counts(node, vm), *port_counts(node, vm)) for vm in ("old", "new")}

    def settled():
        first = counts()
        return first if balance(node) == (0, 0) and counts() == first else None

    return until(settled, 60, "the network is quiet")


def port_counts(node, vm):
    shown = port(node, f"{vm}/nic0")
    return shown["in_frames"], shown["out_frames"]


def save_capture(t, node, target):
    data, at = b"", 0
    while True:
        piece = node.do(f"capture save {target} from={at}")
        data += base64.b64decode(piece["base64"])
        at = piece["next"]
        if at == piece["bytes"]:
            assert piece["lost"] == 0 and at == len(data), piece
            return t.write("capture.pcapng", data), piece["frames"]


def tshark(path, what):
    """So many frames of the file match a display filter."""
    done = subprocess.run(["tshark", "-r", path, "-Y", what, "-T", "fields", "-e", "frame.number"],
                          text=True, capture_output=True, check=True, timeout=120)
    return len(done.stdout.split())


@limit(300)
def test_switch_guests_and_tshark_count_the_same_frames(t):
    if not shutil.which("tshark"):
        raise Skip("tshark is not installed: scripts/setup")
    node = start(t, ("old", "new"), icount=True)
    for vm in ("old", "new"): # else neighbours are asked for now and then, and routers
        node.shell(vm, "sysctl -q -w net.ipv6.conf.all.disable_ipv6=1")
    serve(node, ("new",))
    before = quiet_counts(node)
    node.do("capture start old/nic0 bytes=16M snap=64")
    sent = iperf(node, "old", address("new"), f"-u -b 12M -l {LENGTH} -n {FRAMES * LENGTH}")["end"]["sum"]
    tcp = iperf(node, "old", address("new"), "-n 2M")["end"]["sum_sent"]
    after = quiet_counts(node)
    node.do("capture stop old/nic0")
    path, frames = save_capture(t, node, "old/nic0")
    more = {vm: [b - a for a, b in zip(before[vm], after[vm])] for vm in before}
    print(f"sent, received, in, out: {more}; {frames} captured in {os.path.getsize(path)} bytes")
    assert sent["packets"] == FRAMES and tcp["bytes"] >= 2e6, (sent, tcp)
    for vm, (tx, rx, came_in, went_out) in more.items():
        # An LSO send is one packet to Linux, and one frame to the switch that hands it up whole.
        assert (tx, rx) == (came_in, went_out), (vm, more)
    assert more["old"][0] == more["new"][1] and more["new"][0] == more["old"][1], more
    assert frames == tshark(path, "frame") == more["old"][0] + more["old"][1], (frames, more)
    ours = f"ip.src == {address('old')}"
    assert tshark(path, f"udp && {ours} && udp.length == {LENGTH + 8}") == FRAMES
    assert tshark(path, f"{ours} || arp.src.proto_ipv4 == {address('old')}") == more["old"][0]
    node.do("capture delete old/nic0")
