/* Attacks by a guest with two CPUs through hypercalls.
 * tests/system/test_hostile_guest.py knows what must stand on the lines that each prints.
 *
 *     do=calls    hypercalls with broken input: a line 'CALL name status' for each
 *     do=events   messages and events to nowhere, and a flood of them
 *     do=port     signals and messages to the one connection that there is; wants bench-port=1
 *     do=output   addresses for output, which none of the calls has
 *     do=underfoot   the second CPU changes the input while the first one calls
 *     do=ipis     a storm of INIT, SIPI, NMI and interrupts
 */
#include "tests/guest/hostile.h"

#define FAST       HYPERCALL_FAST
#define HEADER(n)  ((uint64_t)(n) << 17)
#define COUNT(n)   ((uint64_t)(n) << 32)
#define START(n)   ((uint64_t)(n) << 48)
#define FLUSH      0x02u
#define FLUSH_LIST 0x03u
#define IPI        0x0bu
#define FLUSH_EX   0x13u
#define IPI_EX     0x15u
#define POST       0x5cu
#define SIGNAL     0x5du

static uint64_t pages[2 * 512] __attribute__((aligned(4096)));
static uint64_t assist[512] __attribute__((aligned(4096)));
#define LONG_SPIN_WAIT 0x08u
#define BENCH_PORT     0x10000u /* the connection of a VM with bench-port=1; it takes flag 0 */

static uint32_t interrupts;

INTERRUPT(on_interrupt)
{
    __atomic_add_fetch(&interrupts, 1, __ATOMIC_SEQ_CST);
    __asm__ volatile("wrmsr" : : "c"(0x80b), "a"(0), "d"(0));
}

static void call(const char *name, uint64_t control, uint64_t input)
{
    print("CALL %s %x\n", name, hypercall(control, input, 0));
}

static void put(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    pages[0] = a;
    pages[1] = b;
    pages[2] = c;
    pages[3] = d;
}

static void bad_places(void)
{
    uint64_t in = (uint64_t)pages;

    put(VECTOR, 0, 0, 0);
    call("good", IPI, in);
    call("unaligned", IPI, in + 4);
    call("crossing", IPI, in + PAGE - 8);
    call("list-crossing", FLUSH_LIST | COUNT(0xfff), in);
    call("hole", IPI, HOLE);
    call("apic", IPI, APIC_PAGE);
    call("above-48", IPI, 1ull << 52);
    call("top", IPI, 0xfffffffffffff000ull);
    call("top-crossing", IPI, 0xfffffffffffffff8ull);
    assist[0] = 8; /* a bad vector, in RAM */
    write_msr(MSR_VP_ASSIST, (uint64_t)assist | 1);
    assist[0] = VECTOR;
    call("in-overlay", IPI, (uint64_t)assist);
    write_msr(MSR_VP_ASSIST, 0);
    call("beneath-overlay", IPI, (uint64_t)assist);
}

static void bad_forms(void)
{
    uint64_t in = (uint64_t)pages;
    uint64_t refused = 0;

    put(0, 0, 1, 0);
    call("list", FLUSH_LIST | COUNT(3), in);
    call("list-rest", FLUSH_LIST | COUNT(3) | START(2), in);
    call("start-is-count", FLUSH_LIST | COUNT(3) | START(3), in);
    call("start-above-count", FLUSH_LIST | COUNT(3) | START(0xfff), in);
    call("no-count", FLUSH_LIST, in);
    call("fast-list", FLUSH_LIST | COUNT(1) | FAST, in);
    call("count-of-simple", FLUSH | COUNT(1), in);
    call("start-of-simple", FLUSH | START(1), in);
    call("header-of-simple", FLUSH | HEADER(1), in);
    call("fast-too-long", FLUSH | FAST, in);
    call("flags", FLUSH, (pages[1] = 16, in));
    for (unsigned int bit = 27; bit < 64; bit++)
        if ((bit < 32 || (bit >= 44 && bit < 48) || bit >= 60))
            refused += hypercall(FLUSH | 1ull << bit, in, 0) == 3;
    print("CALL reserved-bits %u\n", refused);
    call("unknown", 0x7fff, in);
    call("zero", 0, in);
}

static void bad_sets(void)
{
    uint64_t in = (uint64_t)pages;

    put(VECTOR, 1, 0, 0); /* all */
    call("all", IPI_EX, in);
    put(VECTOR, 2, 0, 0);
    call("format", IPI_EX, in);
    put(VECTOR, 0, 1, 1);
    call("one-bank", IPI_EX | HEADER(1), in);
    call("bank-missing", IPI_EX, in);
    call("bank-too-many", IPI_EX | HEADER(2), in);
    put(VECTOR, 0, 1ull << 63, ~0ull);
    call("last-bank", IPI_EX | HEADER(1), in);
    put(VECTOR, 0, ~0ull, 1);
    call("banks-64", IPI_EX | HEADER(64), in);
    call("banks-63", IPI_EX | HEADER(63), in);
    call("banks-65", IPI_EX | HEADER(65), in);
    call("banks-1023", IPI_EX | HEADER(1023), in);
    call("banks-crossing", IPI_EX | HEADER(64), in + PAGE - 512);
    put(8, 1, 0, 0);
    call("vector-8", IPI_EX, in);
    put(256, 1, 0, 0);
    call("vector-256", IPI_EX, in);
    put(VECTOR | 1ull << 32, 1, 0, 0);
    call("other-vtl", IPI_EX, in);
    put(0, 0, 0, 1);
    pages[4] = 1;
    call("flush-ex", FLUSH_EX | HEADER(1), in);
}

static void attack_calls(void)
{
    set_gate(VECTOR, on_interrupt);
    apic_enable();
    hypercall_enable();
    bad_places();
    bad_forms();
    bad_sets();
}

static void message(uint32_t connection, uint32_t type, uint32_t bytes)
{
    pages[0] = connection;
    pages[1] = (uint64_t)bytes << 32 | type;
}

static void attack_events(void)
{
    uint64_t in = (uint64_t)pages, same = 0;

    hypercall_enable();
    message(77, 1, 240);
    call("post-unknown", POST, in);
    message(77, 1, 241);
    call("post-241", POST, in);
    message(77, 1, 0xffffffff);
    call("post-4G", POST, in);
    message(77, 0, 8);
    call("post-type-0", POST, in);
    message(77, 0x80000010, 8);
    call("post-hypervisors-type", POST, in);
    call("signal-unknown", SIGNAL | FAST, 77);
    call("signal-unknown-flag", SIGNAL | FAST, 77 | 0xffffull << 32);
    pages[0] = 77;
    call("signal-slow", SIGNAL, in);
    message(77, 1, 240);
    for (unsigned int i = 0; i < 10000; i++)
        same += hypercall(POST, in, 0) == 0x12 && hypercall(SIGNAL | FAST, ~0u, 0) == 0x12;
    print("CALL flood %u\n", same);
}

/* The port takes one flag. */
static void attack_port(void)
{
    uint64_t in = (uint64_t)pages, taken = 0;

    hypercall_enable();
    call("port-signal", SIGNAL | FAST, BENCH_PORT);
    call("port-flag-1", SIGNAL | FAST, BENCH_PORT | 1ull << 32);
    call("port-flag-64", SIGNAL | FAST, BENCH_PORT | 64ull << 32);
    call("port-flag-65535", SIGNAL | FAST, BENCH_PORT | 0xffffull << 32);
    message(BENCH_PORT, 1, 240);
    call("port-post", POST, in);
    for (unsigned int i = 0; i < 100000; i++)
        taken += hypercall(SIGNAL | FAST, BENCH_PORT, 0) == 0;
    print("CALL port-flood %x\n", taken);
}

/* ---- output ---- */

static void fill(uint64_t *page, uint64_t word)
{
    for (unsigned int i = 0; i < 512; i++)
        page[i] = word + i;
}

static uint64_t changed(const uint64_t *page, uint64_t word)
{
    uint64_t n = 0;

    for (unsigned int i = 0; i < 512; i++)
        n += *(const volatile uint64_t *)&page[i] != word + i;
    return n;
}

/* Whatever the address says, each call ends as it does without one, and no memory changes. */
static void attack_output(void)
{
    static uint64_t canary[512] __attribute__((aligned(4096)));
    static const uint64_t controls[] = {
        FLUSH,      FLUSH_LIST | COUNT(3), IPI,    FLUSH_EX | HEADER(1),
        IPI_EX,     LONG_SPIN_WAIT,        POST,   SIGNAL,
        IPI | FAST, SIGNAL | FAST,         0x7fff, 0x50
    };
    uint64_t in = (uint64_t)pages, calls = 0, differing = 0, hypercall_page = 0;

    hypercall_enable();
    read_msr(MSR_HYPERCALL, &hypercall_page);
    write_msr(MSR_VP_ASSIST, (uint64_t)assist | 1);
    fill(assist, 0x1111);
    fill(canary, 0x2222);
    fill(pages, 0x3333); /* as it is none of them is a good input, ... */
    for (unsigned int round = 0; round < 2; round++) {
        const uint64_t outputs[] = {
            HOLE, APIC_PAGE, 0xfec00000,       (uint64_t)assist,
            in,   in + 8,    (uint64_t)canary, (uint64_t)canary + 0xff8,
            1,    ~0ull,     1ull << 52,       hypercall_page & ~0xfffull
        };

        for (unsigned int c = 0; c < sizeof(controls) / sizeof(controls[0]); c++) {
            uint64_t alone = hypercall(controls[c], in, 0);

            for (unsigned int o = 0; o < sizeof(outputs) / sizeof(outputs[0]); o++) {
                calls++;
                if (!(controls[c] & FAST)) /* there R8 is input */
                    differing += hypercall(controls[c], in, outputs[o]) != alone;
            }
        }
        print("OUTPUT calls %u differing %u canary %u overlay %u input %u\n", calls, differing,
              changed(canary, 0x2222), changed(assist, 0x1111), changed(pages, round ? 0 : 0x3333));
        fill(pages, 0); /* ... and as it is now the flushes are */
    }
}

/* ---- two CPUs, one input ---- */

static uint32_t is_over;

/* Each word of the input takes its values in turn, so that any mix may be met. */
static void change_input(unsigned int cpu)
{
    static const uint64_t values[4][4] = {
        { VECTOR, 8, 0x10077, BENCH_PORT },
        { 0, 16, 1, 241ull << 32 | 1 },
        { 1, 3, ~0ull, 0 },
        { ~0ull, 1, 0, 1ull << 40 },
    };
    uint64_t seed = 5;

    while (!__atomic_load_n(&is_over, __ATOMIC_SEQ_CST)) {
        uint64_t r = random_next(&seed);

        __atomic_store_n(&pages[r % 4], values[r % 4][r >> 8 & 3], __ATOMIC_RELAXED);
        __atomic_store_n(&pages[4 + (r >> 16) % 500], r, __ATOMIC_RELAXED);
    }
    rest();
}

/* @allowed: a bit for each status; a list that was done has all its elements done. */
static void call_underfoot(const char *name, uint64_t control, uint64_t allowed)
{
    uint64_t seen = 0, bad = 0;

    for (unsigned int i = 0; i < argument("n", 10000); i++) {
        uint64_t result = hypercall(control, (uint64_t)pages, 0), status = result & 0xffff;
        uint64_t done = result >> 32, count = control >> 32 & 0xfff;

        bad += status > 63 || !(allowed & 1ull << status) || (result & 0xffff0000) ||
               (status ? done > count : done != count);
        seen |= 1ull << (status & 63);
    }
    print("UNDERFOOT %s bad %u seen %x\n", name, bad, seen);
}

static void attack_underfoot(void)
{
    hypercall_enable();
    if (!start_second(change_input))
        return;
    call_underfoot("flush", FLUSH, 1 << 0 | 1 << 5);
    call_underfoot("flush-list", FLUSH_LIST | COUNT(500), 1 << 0 | 1 << 5);
    call_underfoot("flush-ex", FLUSH_EX | HEADER(1), 1 << 0 | 1 << 3 | 1 << 5);
    call_underfoot("ipi", IPI, 1 << 0 | 1 << 5);
    call_underfoot("ipi-ex", IPI_EX | HEADER(1), 1 << 0 | 1 << 3 | 1 << 5);
    call_underfoot("post", POST, 1 << 5 | 1 << 0x12);
    call_underfoot("signal", SIGNAL, 1 << 0 | 1 << 5 | 1 << 0x12);
    is_over = 1;
}

static void take_interrupts(unsigned int cpu)
{
    interrupts_on();
    for (;;)
        __asm__ volatile("hlt");
}

static void attack_ipis(void)
{
    set_gate(VECTOR, on_interrupt);
    if (!hypercall_enable() || !start_second(take_interrupts))
        return;
    print("STORM\n");
    for (uint32_t i = 0;; i++) {
        apic_send(1, VECTOR);
        hypercall(IPI | FAST, VECTOR, 2);
        if (i % 16 == 0) {
            apic_send(1, 0x4500); /* INIT */
            apic_send(1, 0x4608); /* SIPI */
        }
    }
}

int payload_main(void)
{
    static const struct attack attacks[] = {
        { "calls", attack_calls },   { "events", attack_events },       { "port", attack_port },
        { "output", attack_output }, { "underfoot", attack_underfoot }, { "ipis", attack_ipis },
    };

    return run_attack(attacks, sizeof(attacks) / sizeof(attacks[0]));
}
