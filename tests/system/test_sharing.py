"""CPU time shared by weight and cap, many VMs at once, and time itself; all under icount, where a
TSC tick is an instruction and a nanosecond, so that the true rates are known."""
import re
import time

from bulkhead_lab.testing import limit, payload

from helpers import count_and_tsc_of, held, state, until


def pass_time(node, seconds):
    """Lets that much of the emulated machine's time go by."""
    end = node.do("host show")["uptime_ns"] + seconds * 1e9
    while node.do("host show")["uptime_ns"] < end:
        time.sleep(0.5)


def counter(node, name, options="", cmdline="step=20000"):
    node.do(f'vm create {name} kernel=counter.elf memory=16M cpus=1 {options} cmdline="{cmdline}"')
    node.do(f"vm start {name}")
    node.wait_text(name, "COUNTER")


def rates(node, names, seconds=5):
    """Rounds per second of each VM over the same stretch of time."""
    before = {name: count_and_tsc_of(node, name) for name in names}
    pass_time(node, seconds)
    after = {name: count_and_tsc_of(node, name) for name in names}
    return [(after[n][0] - before[n][0]) * 1e9 / (after[n][1] - before[n][1]) for n in names]


@limit(500)
def test_weights_1_and_3_share_a_cpu_25_to_75(t):
    """Also when the one with the smaller weight spends its time in exits."""
    node = t.start("", [payload("counter")], cpus=1, icount=True)
    for cmdline in ("step=20000", "step=2000 exits=1"):
        counter(node, "light", "weight=100", cmdline)
        alone_light = rates(node, ["light"], 1)[0]
        node.do("vm pause light")
        counter(node, "heavy", "weight=300")
        alone_heavy = rates(node, ["heavy"], 1)[0]
        node.do("vm resume light")
        light, heavy = rates(node, ["light", "heavy"])
        shares = light / alone_light, heavy / alone_heavy
        print(f"{cmdline}: {shares[0]:.4f} {shares[1]:.4f}")
        assert abs(shares[0] - 0.25) < 0.02 and abs(shares[1] - 0.75) < 0.02, shares
        for name in ("light", "heavy"):
            node.do(f"vm poweroff {name}")
            node.do(f"vm delete {name}")


@limit(400)
def test_a_cap_of_20_percent_holds(t):
    node = t.start("", [payload("counter")], cpus=1, icount=True)
    counter(node, "capped")
    alone = rates(node, ["capped"], 2)[0]
    node.do("vm set capped cap=20")
    share = rates(node, ["capped"])[0] / alone
    print(f"{share:.4f}")
    assert 0.18 < share < 0.21, share
    node.do("vm set capped cap=0")
    assert rates(node, ["capped"], 2)[0] / alone > 0.98


def bench(node, name):
    node.do(f"vm create {name} kernel=bench.elf memory=16M cpus=1")
    node.do(f"vm start {name}")
    text = node.wait_text(name, "BENCH done", timeout=120)[1]
    node.do(f"vm delete {name}")
    return {n: int(cost) / 100 for n, cost in re.findall(r"BENCH ([a-z0-9-]+) (\d+)", text)}


@limit(600)
def test_64_vms_cost_no_more_than_one(t):
    node = t.start("", [payload("bench", "release"), payload("sleeper", "release")], cpus=1,
                   memory="4G", icount=True, build="release")
    alone = bench(node, "probe0")
    free = held(node)[0]
    for i in range(64):
        node.do(f"vm create s{i} kernel=sleeper.elf memory=16M cpus=1")
        node.do(f"vm start s{i}")
    each = (free - held(node)[0]) / 64 - (16 << 20)
    console = 512 << 10  # the log that a VM keeps
    print(f"hypervisor memory per VM: {each / 1024:.0f} KiB, {(each - console) / 1024:.0f} KiB of it "
          "beside its console log")
    assert each - console <= 512 << 10, each
    assert all(state(node, f"s{i}") == "running" for i in range(64))
    among = bench(node, "probe1")
    for name in ("cpuid", "msr-read", "timer-from-halt"):
        print(f"{name}: {alone[name]:.0f} alone, {among[name]:.0f} among 64")
        assert among[name] <= 1.1 * alone[name], (name, alone[name], among[name])


def ask_clock(node, name="clock"):
    """(guest TSC, reference time in ns, steps back, the host's uptime in ns)"""
    start = node.do(f"vm log {name} from=0")["next"]
    node.type(name, "x")
    pattern = r"CLOCK tsc (\d+) reference (\d+) backwards (\d+)"
    match = node.wait_text(name, pattern, start, timeout=60)[0]
    return int(match[1]), int(match[2]) * 100, int(match[3]), node.do("host show")["uptime_ns"]


@limit(600)
def test_time_is_right_over_60_seconds_and_pauses(t):
    node = t.start("vm create clock kernel=clock.elf memory=16M cpus=4 cmdline=cpus=4\n"
                   "vm start clock\n", [payload("clock")], icount=True)
    khz = int(re.search(r"TSC (\d+) kHz", node.do("log show")["text"])[1])
    ppm = abs(khz * 1000 - 1e9) / 1e3
    print(f"host TSC {khz} kHz: {ppm:.1f} ppm from the truth")
    assert ppm <= 20
    node.wait_text("clock", "CLOCK sequence [1-9]")
    before = ask_clock(node)
    for _ in range(4):
        pass_time(node, 8)
        node.do("vm pause clock")
        pass_time(node, 7)
        node.do("vm resume clock")
    after = ask_clock(node)
    tsc, reference, host = (after[i] - before[i] for i in (0, 1, 3))
    print(f"{host / 1e9:.3f} s of the host: guest TSC {tsc / 1e9:.6f}, reference {reference / 1e9:.6f}")
    assert host > 55e9
    assert abs(reference - tsc) <= 50e-6 * tsc, "the reference time is the TSC's, which is true"
    assert abs(reference - host) <= 50e-6 * host + 2e6, "2 ms to ask"
    assert after[2] == 0, f"time went back {after[2]} times"
    until(lambda: state(node, "clock") == "running", 10)
