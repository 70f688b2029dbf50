/* Attacks by a guest with two CPUs through hypercalls.
 * tests/system/test_hostile_guest.py knows what must stand on the lines that each prints.
 *
 *     do=calls    hypercalls with broken input: a line 'CALL name status' for each
 *     do=events   messages and events to nowhere, and a flood of them
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
        { "calls", attack_calls },
        { "events", attack_events },
        { "ipis", attack_ipis },
    };

    return run_attack(attacks, sizeof(attacks) / sizeof(attacks[0]));
}
