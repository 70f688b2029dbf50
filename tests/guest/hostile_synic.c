/* Attacks by a guest with two CPUs by what the hypervisor writes into it: pages that the guest places,
 * messages, timers, crash reports. tests/system/test_hostile_guest.py knows what must stand on the
 * lines that each prints.
 *
 *     do=overlay  both CPUs move their pages about, timers post to them; what lies beneath stays
 *     do=reread   the second CPU reads a page that the first one covers and uncovers
 *     do=synic    SINTs with bad vectors, and a storm of EOM
 *     do=timers   four timers of 100 ns on each CPU, mode=direct or messages
 *     do=rate     how often such timers expire: a line 'RATE timer count floor' for each
 *     do=wrap     periodic timers whose next expiry lies beyond the end of time
 *     do=crash    crash reports with terminal escapes, round after round; the UART gets them too
 */
#include "tests/guest/hostile.h"

#define AREA_PAGES 64u

static uint64_t assist[512] __attribute__((aligned(4096)));
static uint64_t area[AREA_PAGES * 512] __attribute__((aligned(4096)));
static uint32_t interrupts, is_over;

INTERRUPT(on_interrupt)
{
    __atomic_add_fetch(&interrupts, 1, __ATOMIC_SEQ_CST);
    __asm__ volatile("wrmsr" : : "c"(0x80b), "a"(0), "d"(0));
}

/* ---- pages that the guest places ---- */

static uint64_t place(uint64_t *seed)
{
    uint64_t r = random_next(seed);

    switch (r % 8) {
    case 0: return HOLE + (r >> 8) % 8 * PAGE;
    case 1: return APIC_PAGE;
    case 2: return (uint64_t)area;
    default: return (uint64_t)area + (r >> 8) % AREA_PAGES * PAGE;
    }
}

static uint64_t
    move_count; /* of each CPU; read before the second one's start covers the command line */

static void juggle(unsigned int cpu)
{
    static const uint32_t msrs[] = { MSR_HYPERCALL, MSR_REFERENCE_TSC, MSR_VP_ASSIST, MSR_SIMP,
                                     MSR_SIEFP };
    uint64_t seed = 7 + cpu;

    write_good_msr(MSR_SCONTROL, 1);
    for (unsigned int i = 0; i < 4; i++) {
        write_good_msr(MSR_SINT0 + 1 + i, SINT_MASKED);
        write_good_msr(MSR_STIMER0 + 2 * i + 1, 1);
        write_good_msr(MSR_STIMER0 + 2 * i, (uint64_t)(1 + i) << 16 | 3);
    }
    for (uint64_t i = 0; i < move_count; i++) {
        uint64_t r = random_next(&seed);

        write_good_msr(msrs[r % 5], place(&seed) | (r >> 16 & 3 ? 1 : 0));
        if (r >> 32 & 1)
            write_good_msr(MSR_EOM, 0);
    }
    for (unsigned int i = 0; i < 5; i++)
        write_good_msr(msrs[i], 0);
    for (unsigned int i = 0; i < 4; i++)
        write_good_msr(MSR_STIMER0 + 2 * i, 0);
}

static void juggle_second(unsigned int cpu)
{
    juggle(cpu);
    __atomic_store_n(&is_over, 1, __ATOMIC_SEQ_CST);
    rest();
}

static void attack_overlay(void)
{
    uint64_t changed = 0;

    move_count = argument("n", 1000);
    for (uint64_t i = 0; i < AREA_PAGES * 512; i++)
        area[i] = i * 0x9e3779b97f4a7c15ull;
    write_msr(0x40000000, 0x8100000000000001ull);
    if (!start_second(juggle_second))
        return;
    juggle(0);
    while (!__atomic_load_n(&is_over, __ATOMIC_SEQ_CST))
        __asm__ volatile("pause");
    write_msr(MSR_HYPERCALL, 0); /* those of the partition may have come back since */
    write_msr(MSR_REFERENCE_TSC, 0);
    for (uint64_t i = 0; i < AREA_PAGES * 512; i++)
        changed += *(volatile uint64_t *)&area[i] != i * 0x9e3779b97f4a7c15ull;
    print("OVERLAY moves %u changed %u\n", 2 * move_count, changed);
    must_fault("overlay.2^39", !write_msr(MSR_SIMP, 1ull << 39 | 1));
    must_fault("overlay.top", !write_msr(MSR_SIEFP, 0xfffffffffffff001ull));
}

static uint64_t seen[3];

static void reread(unsigned int cpu)
{
    while (!__atomic_load_n(&is_over, __ATOMIC_SEQ_CST)) {
        uint64_t value = *(volatile uint64_t *)assist;

        seen[value == 0x1111 ? 0 : value == 0x2222 ? 1 : 2]++;
    }
    __atomic_store_n(&is_over, 2, __ATOMIC_SEQ_CST);
    rest();
}

static void attack_reread(void)
{
    assist[0] = 0x1111;
    write_msr(MSR_VP_ASSIST, (uint64_t)assist | 1);
    assist[0] = 0x2222;
    if (!start_second(reread))
        return;
    for (unsigned int i = 0; i < argument("n", 300); i++)
        write_msr(MSR_VP_ASSIST, i & 1 ? (uint64_t)assist | 1 : 0);
    __atomic_store_n(&is_over, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&is_over, __ATOMIC_SEQ_CST) != 2)
        __asm__ volatile("pause");
    print("REREAD ram %s overlay %s other %u\n", seen[0] ? "yes" : "no", seen[1] ? "yes" : "no",
          seen[2]);
}

/* ---- interrupts ---- */

static void attack_synic(void)
{
    uint64_t refused = 0, accepted = 0;

    for (unsigned int sint = 0; sint < 16; sint++)
        for (unsigned int vector = 0; vector < 16; vector++) {
            refused += !write_msr(MSR_SINT0 + sint, vector);
            accepted += write_msr(MSR_SINT0 + sint, SINT_MASKED | vector);
        }
    print("SINT refused %u accepted-masked %u\n", refused, accepted);
    must_fault("sversion", !write_msr(0x40000081, 1));
    must_fault("stimer-reserved", !write_msr(MSR_STIMER0, 1ull << 20 | 1));
    write_msr(MSR_STIMER0 + 1, 1);
    write_msr(MSR_STIMER0, 15u << 4 | STIMER_DIRECT | 3); /* vector 15: does not start */
    read_msr(MSR_STIMER0, &accepted);
    print("STIMER vector-15 %x\n", accepted);
    write_msr(MSR_STIMER0, 3); /* SINT 0: nor does this */
    read_msr(MSR_STIMER0, &accepted);
    print("STIMER sint-0 %x\n", accepted);
    for (unsigned int i = 0; i < 100000; i++)
        write_good_msr(MSR_EOM, i);
}

static void set_timers(bool is_direct)
{
    static uint8_t slots[2][4096] __attribute__((aligned(4096)));
    uint64_t index = 0;

    read_msr(MSR_VP_INDEX, &index);
    write_good_msr(MSR_SIMP, (uint64_t)slots[index] | 1);
    write_good_msr(MSR_SCONTROL, 1);
    for (unsigned int i = 0; i < 4; i++) {
        write_good_msr(MSR_SINT0 + 1 + i, VECTOR);
        write_good_msr(MSR_STIMER0 + 2 * i + 1, 1);
        write_good_msr(MSR_STIMER0 + 2 * i,
                       is_direct ? VECTOR << 4 | STIMER_DIRECT | 3 : (uint64_t)(1 + i) << 16 | 3);
    }
    interrupts_on();
    for (;;)
        for (unsigned int i = 1; !is_direct && i < 5; i++)
            if (*(volatile uint32_t *)(slots[index] + 256 * i)) {
                *(volatile uint32_t *)(slots[index] + 256 * i) = 0;
                write_good_msr(MSR_EOM, 0);
            }
}

static bool wants_direct;

static void timers_of(unsigned int cpu)
{
    set_timers(wants_direct);
}

static void attack_timers(void)
{
    char mode[8] = "";

    wants_direct = argument_text("mode", mode, sizeof(mode)) && is(mode, "direct");
    set_gate(VECTOR, on_interrupt);
    if (start_second(timers_of)) {
        print("STORM\n");
        set_timers(wants_direct);
    }
}

#define RATE_TIME  2000000ull /* 200 ms of the reference clock */
#define PERIOD_MIN 2000ull    /* what a shorter period becomes */

static volatile uint64_t expiries[4];

static void count_expiry(unsigned int timer)
{
    expiries[timer]++;
    write_good_msr(0x80b, 0);
}
INTERRUPT(on_timer0)
{
    count_expiry(0);
}
INTERRUPT(on_timer1)
{
    count_expiry(1);
}
INTERRUPT(on_timer2)
{
    count_expiry(2);
}
INTERRUPT(on_timer3)
{
    count_expiry(3);
}

/* Each message that was taken counts, in place of its interrupt, which may merge with another. */
static void take_messages(uint8_t *slots)
{
    for (unsigned int i = 0; i < 4; i++) {
        volatile uint32_t *type = (volatile uint32_t *)(slots + 256 * (i + 1));

        if (*type) {
            *type = 0;
            write_good_msr(MSR_EOM, 0);
            expiries[i]++;
        }
    }
}

/* The period is 100 ns; of what has been asked for a whole one must lie between two expiries. */
static void attack_rate(void)
{
    static void (*const handlers[])(void) = { on_timer0, on_timer1, on_timer2, on_timer3 };
    static uint8_t slots[4096] __attribute__((aligned(4096)));
    uint64_t begin = 0, now = 0;
    char mode[8] = "";

    wants_direct = argument_text("mode", mode, sizeof(mode)) && is(mode, "direct");
    apic_enable();
    write_good_msr(MSR_SIMP, (uint64_t)slots | 1);
    write_good_msr(MSR_SCONTROL, 1);
    read_msr(MSR_REFERENCE, &begin);
    for (unsigned int i = 0; i < 4; i++) {
        uint64_t vector = VECTOR + 0x10 * i;

        set_gate((unsigned int)vector, handlers[i]);
        write_good_msr(MSR_SINT0 + 1 + i, SINT_MASKED);
        write_good_msr(MSR_STIMER0 + 2 * i + 1, 1);
        write_good_msr(MSR_STIMER0 + 2 * i, wants_direct ? vector << 4 | STIMER_DIRECT | 3
                                                         : (uint64_t)(1 + i) << 16 | 3);
    }
    interrupts_on();
    do {
        if (!wants_direct)
            take_messages(slots);
        read_good_msr(MSR_REFERENCE, &now);
    } while (now - begin < RATE_TIME);
    for (unsigned int i = 0; i < 4; i++)
        write_good_msr(MSR_STIMER0 + 2 * i, 0);
    interrupts_off();
    read_msr(MSR_REFERENCE, &now);
    for (unsigned int i = 0; i < 4; i++)
        print("RATE %u %u %u\n", (uint64_t)i, expiries[i], (now - begin) / PERIOD_MIN);
}

static void attack_crash(void)
{
    static const char text[] = "Kernel panic - \x1b]0;title\x07\x1b[2J\x9b"
                               "31m \x80\xff\"\\\b\x7f";

    for (unsigned int i = 0; i < 2000; i++) {
        write_msr(MSR_CRASH + 3, (uint64_t)text);
        write_msr(MSR_CRASH + 4, sizeof(text) - 1);
        write_msr(MSR_CRASH + 5, 3ull << 62);
    }
    write_msr(MSR_CRASH + 3, ~0ull);
    write_msr(MSR_CRASH + 4, ~0ull);
    write_msr(MSR_CRASH + 5, 3ull << 62);
    print("%s\n", text);
}

/* A periodic timer whose next expiry lies beyond the end of time. */
static void attack_wrap(void)
{
    uint64_t begin = rdtsc(), hz = 0;

    read_msr(0x40000022, &hz);
    while (rdtsc() - begin < 3 * hz)
        __asm__ volatile("pause");
    for (unsigned int i = 0; i < 4; i++) {
        write_msr(MSR_STIMER0 + 2 * i + 1, ~0ull - i);
        write_msr(MSR_STIMER0 + 2 * i, 0x1503);
    }
    begin = rdtsc();
    while (rdtsc() - begin < hz)
        __asm__ volatile("pause");
}

int payload_main(void)
{
    static const struct attack attacks[] = {
        { "overlay", attack_overlay }, { "reread", attack_reread }, { "synic", attack_synic },
        { "timers", attack_timers },   { "rate", attack_rate },     { "wrap", attack_wrap },
        { "crash", attack_crash },
    };

    return run_attack(attacks, sizeof(attacks) / sizeof(attacks[0]));
}
