"""What a guest does to the VMBus server and to the services that are offered to it costs a channel at
most. The numbers are those of the catalogue of hostile guests."""
import re

from bulkhead_lab.testing import limit

from test_containment import host_answers, start
from test_hostile_guest import attack

INVALID, SHORT = 0xC000000D, 0xC000009A


def boot(t, *more):
    return start(t, "hostile_vmbus", *more)


def cases(node, do, timeout=60):
    text = attack(node, do, options="echo=4", timeout=timeout,
                  kernel="hostile_vmbus.elf")
    found = [(name, int(value, 16)) for name, value in re.findall(r"CASE (\S+) (\w+)\n", text)]
    assert ("after", 1) in found, "the channel works again afterwards"
    return found


def test_hostile_028_contacts_that_cannot_be_are_refused(t):
    found = dict(cases(boot(t), "contact"))
    assert found.pop("hops") == 4000, found
    assert found.pop("after") == 1
    assert set(found.values()) == {0} and len(found) == 8, found


def test_hostile_023_a_flood_of_messages_finds_the_queue_full(t):
    found = dict(cases(boot(t), "flood"))
    assert found == {"taken-some": 1, "busy-some": 1, "other": 0, "after": 1}, found


def test_hostile_029_030_gpadls_that_cannot_be_leave_nothing(t):
    found = dict(cases(boot(t), "gpadl"))
    assert found.pop("good") == 0 and found.pop("unfinished-refused-some") == 1
    assert found.pop("huge") == SHORT
    del found["after"]
    assert set(found.values()) == {INVALID} and len(found) == 11, found


def test_hostile_032_033_opens_that_cannot_be_are_refused(t):
    found = dict(cases(boot(t), "open"))
    good = {"gpadl": 0, "gpadl-other": 0, "gpadl-small": 0, "opened": 1, "teardown-foreign": 1,
            "still": 1, "teardown-live": 1, "teardown-again": 1, "after": 1}
    assert {k: found.pop(k) for k in good} == good, found
    assert set(found.values()) == {INVALID} and len(found) == 10, found


def test_hostile_031_rings_may_overlap_each_other_and_the_synics_pages(t):
    found = dict(cases(boot(t), "overlap"))
    assert found == {"one-page": 0, "shared-split": 0, "message-page": 0, "event-page": 0, "after": 1}, found


def test_hostile_031_032_a_ring_is_torn_down_under_traffic(t):
    assert dict(cases(boot(t), "race")) == {"torn-some": 1, "busy": 1, "after": 1}


@limit(300)
def test_hostile_034_any_order_of_100000_steps_leaves_nothing(t):
    assert dict(cases(boot(t), "order", timeout=280)) == {"unloads": 1, "after": 1}


def test_hostile_035_037_39_a_broken_ring_closes_its_channel(t):
    found = cases(boot(t), "ring")
    assert [c for c in found if c[0] == "rescinded"] == [("rescinded", 1)] * 17, found
    assert [c for c in found if c[0] == "released"] == [("released", 1)] * 15, found


@limit(200)
def test_hostile_036_indices_and_headers_that_change_hurt_nobody_else(t):
    found = dict(cases(boot(t), "flip", timeout=180))
    assert found["broken-some"] == 1 and found["opened-some"] == 1, found


def test_hostile_039_040_a_guest_that_does_not_read_stops_itself(t):
    found = dict(cases(boot(t), "undrained"))
    assert found == {"stops-itself": 1, "events-few": 1, "signals-bounded": 1, "after": 1}, found


def test_hostile_038_041_packets_of_any_type_mean_nothing(t):
    assert dict(cases(boot(t), "types")) == {"echo-strange": 0, "after": 1}


def test_hostile_040_vmms_that_always_have_work_keep_nobody_waiting(t):
    node = boot(t)
    for name in ("bad", "worse"):
        node.do(f'vm create {name} kernel=hostile_vmbus.elf memory=16M cpus=2 echo=4 '
                'cmdline="do=storm"')
        node.do(f"vm start {name}")
        node.wait_text(name, "STORM")
    for _ in range(20):
        host_answers(node)
    assert [vm["state"] for vm in node.do("vm list") if vm["name"] != "neighbour"] == ["running"] * 2
