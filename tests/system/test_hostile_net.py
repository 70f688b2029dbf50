"""What a guest does to its NIC's server and to the switch costs its own frames, or its NIC, at most.

The numbers are those of the catalogue of hostile guests. On one switch are an honest pair, of which one
asks and the other answers, one that takes whatever the switch has for it, and the attacker."""
import re

from helpers import count_of, delete, state, until
from network import needs_wall
from test_containment import host_answers, start

MACS = {"echo": "02:42:48:00:01:01", "ask": "02:42:48:00:01:02", "watch": "02:42:48:00:01:03"}
CLOSED = ("closed", 1)


def peer(node, name, do, nic=""):
    node.do(f"vm create {name} kernel=netpeer.elf memory=16M cpus=1 cmdline=do={do}")
    node.do(f"nic add {name} switch=lan {nic}")
    node.do(f"vm start {name}")
    node.wait_text(name, "PEER ready")


def boot(t, **options):
    needs_wall()
    node = start(t, "netpeer", "hostile_net", "hostile_nvsp", **options)
    node.do("switch create lan")
    for name, mac in MACS.items():
        peer(node, name, name, f"mac={mac}")
    until(lambda: count_of(node, "ask") > 20, what="the pair exchanges frames")
    return node


def seen(node, name):
    """What a peer says of all frames that came: (frames, marked, foreign bytes)."""
    from_ = node.do(f"vm log {name} from=0")["next"]
    node.type(name, "x")
    match, _, _ = node.wait_text(name, r"FRAMES (\d+) MARKED (\d+) SECRET (\d+)\r?\n", from_, 30)
    return tuple(int(n) for n in match.groups())


def goes_on(node):
    """The pair exchanges frames."""
    before = count_of(node, "ask")
    until(lambda: count_of(node, "ask") > before + 20, what="the pair goes on")


def begin(node, do, nic="", kernel="hostile_net"):
    node.do(f'vm create bad kernel={kernel}.elf memory=16M cpus=1 cmdline="do={do}"')
    node.do(f"nic add bad switch=lan {nic}")
    node.do("vm start bad")


def is_settled(node):
    return node.do("switch show lan")["balance"] == 0


def is_silent(node):
    """Nobody saw a marked frame or bytes that were not sent."""
    assert [seen(node, name)[1:] for name in MACS] == [(0, 0)] * len(MACS)


def finish(node, timeout=60, has_after=True):
    """Waits for the attacker's end. Returns its cases, and the counters of its port."""
    until(lambda: state(node, "bad") != "running", timeout, "the attack's end")
    text, shown = node.vm_text("bad")[0].replace("\r", ""), node.do("vm show bad")
    port = node.do("port show bad/nic0")
    print(shown["state"], shown["exit_code"], text[-3000:], port)
    assert shown["state"] == "stopped" and text.endswith("HOSTILE done\n"), (shown["crash"], text)
    found = [(name, int(value, 16)) for name, value in re.findall(r"CASE (\S+) (\w+)\n", text)]
    assert not has_after or ("after", 1) in found, "the NIC works again afterwards"
    goes_on(node)
    host_answers(node)
    assert [e for e in node.events() if e["event"] == "program-ended"] == []
    # The pair has always frames on their way: it rests while the rest is counted.
    node.do("vm pause ask")
    until(lambda: is_settled(node), 10, "every frame is accounted for")
    node.do("vm resume ask")
    delete(node, "bad")
    assert "PANIC" not in node.log()
    return found, port


def frames(t, do, nic="", **options):
    """Runs an attack by frames."""
    node = boot(t)
    begin(node, do, nic)
    found, port = finish(node, **options)
    return node, dict(found), port


def drops(port, **expected):
    assert port["in_drops"] == {"total": sum(expected.values()),
                                **{k.replace("_", "-"): n for k, n in expected.items()}}, port


def test_hostile_044_rndis_messages_that_cannot_be_are_dropped(t):
    node, found, port = frames(t, "rndis")
    assert found["completed"] == found["bad"] == 18 and found["many"] == 1, found
    # Behind four that are shorter than they say is what is looked at as one message or two more.
    drops(port, runt=18 + 4 + 8)
    is_silent(node)


def test_hostile_045_per_packet_information_that_cannot_be_is_dropped(t):
    node, found, port = frames(t, "info")
    assert found["completed"] == found["bad"] == 119, found
    drops(port, runt=119)
    is_silent(node)


def test_hostile_048_segments_and_checksums_that_cannot_be_are_dropped(t):
    node, found, port = frames(t, "offload")
    assert found["completed"] == found["runts"] + found["offloads"] == 20, found
    drops(port, runt=3, offload=17)
    is_silent(node)


def test_hostile_058_the_switch_looks_at_the_ethernet_header_only(t):
    node, found, port = frames(t, "strange")
    assert (found["runts"], found["jumbos"], found["odd"]) == (14, 102, 500), found
    drops(port, runt=14, too_long=102)
    is_silent(node)


def test_hostile_052_nobody_sends_from_anothers_address(t):
    node, found, port = frames(t, "spoof")
    assert found["mac-of-neighbour"] == found["mac-of-nobody"] == 0xC0010003, found
    assert found["sent"] == 600
    drops(port, spoofed=600)
    is_silent(node)


def test_hostile_053_no_tag_leads_out_of_the_ports_vlan(t):
    node = boot(t)
    peer(node, "other", "watch", "vlan=6")
    peer(node, "trunk", "watch", "vlan=trunk:6-9")
    peer(node, "same", "watch", "vlan=5")
    begin(node, "vlan", "vlan=5")
    found, port = finish(node, has_after=False)
    found = dict(found)
    assert found["completed"] == found["bad"] and found["priority"] == 3, found
    assert port["in_drops"]["vlan"] == port["in_drops"]["total"], port
    assert [seen(node, name)[1] for name in ("other", "trunk", "same")] == [0, 0, port["paths"]["switch"]]
    is_silent(node)


def test_hostile_043_sections_and_pages_that_cannot_be_close_the_nic(t):
    node = boot(t)
    begin(node, "section", kernel="hostile_nvsp")
    found, port = finish(node)
    assert found.count(CLOSED) == 14 and found.count(("closed", 0)) == 0, found
    drops(port, runt=2)


def test_hostile_046_oids_take_what_is_right_and_no_byte_else(t):
    node = boot(t)
    begin(node, "oid", kernel="hostile_nvsp")
    found = dict(finish(node)[0])
    assert found == {"refused": 23, "unanswered": 0, "any": 2000, "filter": 1, "after": 1}, found


def test_hostile_049_slots_that_are_not_the_guests_close_the_nic(t):
    node = boot(t)
    begin(node, "returns", kernel="hostile_nvsp")
    found, _ = finish(node)
    assert found.count(CLOSED) == 8 and found.count(("closed", 0)) == 0, found


def test_hostile_049_059_a_guest_that_takes_nothing_loses_only_its_own(t):
    node = boot(t)
    begin(node, "keep", kernel="hostile_nvsp")
    node.wait_text("bad", "KEPT", timeout=60)
    goes_on(node)
    until(lambda: node.do("port show bad/nic0")["out_drops"]["total"] > 20, what="answers are dropped")
    node.type("bad", "x")
    found, port = finish(node)
    assert 100 < dict(found)["kept"] < 200, found
    assert port["out_drops"]["no-buffer"] == port["out_drops"]["total"] > 20, port
    assert node.do("port show ask/nic0")["out_drops"]["total"] == 0


def test_hostile_042_messages_out_of_order_are_refused_or_close_the_nic(t):
    node = boot(t)
    begin(node, "order", kernel="hostile_nvsp")
    found, _ = finish(node)
    assert found.count(CLOSED) == 6, found
    refused = {"lend-early", "version", "version-0", "version-range", "init-again", "lend-nothing",
               "lend-ring", "lend-id", "channels-early"}
    assert {name for name, n in found if n == 2} == refused and ("init", 1) in found, found


def test_hostile_042_the_nic_is_opened_and_closed_without_end(t):
    node = boot(t)
    begin(node, "cycles s=8", kernel="hostile_nvsp")
    assert ("all-torn", 1) in finish(node)[0]


def test_hostile_042_buffers_are_torn_down_under_load(t):
    node = boot(t)
    begin(node, "teardown", kernel="hostile_nvsp")
    assert ("torn-all", 1) in finish(node)[0]


def test_hostile_047_there_are_no_more_channels_than_cpus(t):
    node = boot(t)
    begin(node, "channels", kernel="hostile_nvsp")
    found, _ = finish(node)
    assert found[0] == ("operation", 2) and found.count(("got", 0)) == 5, found


def test_hostile_051_a_slot_holds_nothing_but_its_frame(t):
    node, found, port = frames(t, "canary")
    assert found["completed"] == 600, found
    assert port["broadcasts"] == 400 and seen(node, "watch")[0] >= 400, port
    is_silent(node)


def test_hostile_054_100000_addresses_make_nobody_else_unknown(t):
    node, found, port = frames(t, "macs", "spoofing=on", timeout=120)
    assert found["sent"] == 100000, found
    shown = node.do("switch show lan")
    assert port["paths"]["switch"] == port["in_frames"] > 100000, port
    assert shown["learned_total"] <= 64 and shown["refused_total"] > 99000, shown
    assert port["floods"] == port["replicas"] == 0, port
    frames_, marked, _ = seen(node, "watch")
    assert marked == 0, (frames_, marked)


def test_hostile_055_a_storm_is_paid_by_its_own_budget(t):
    node, found, port = frames(t, "storm", timeout=120)
    assert found["sent"] == port["broadcasts"] == 50000, (found, port)
    assert port["out_drops"]["flood-limit"] == port["out_drops"]["total"] > 10000, port
    for name in ("echo", "ask"):
        other = node.do(f"port show {name}/nic0")
        assert other["in_drops"]["total"] == 0, other
