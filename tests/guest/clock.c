/* Time as a guest sees it. All its CPUs read the reference TSC page in turn and check that what one
 * has seen no other sees go back; prints 'CLOCK tsc T reference R backwards N' for each byte that
 * comes in, R being the reference counter's MSR, in units of 100 ns. What was seen last lies behind a
 * mark, so that it is found in the memory of the machine when that is stopped. */
#include "tests/guest/smp.h"

#define MSR_REFERENCE_COUNTER 0x40000020u
#define MSR_REFERENCE_TSC     0x40000021u

static volatile struct {
    uint32_t sequence, reserved;
    uint64_t scale;
    int64_t offset;
    uint8_t rest[4096 - 24];
} page __attribute__((aligned(4096)));

static struct {
    uint64_t mark;   /* CLOCKNOW */
    uint64_t latest; /* atomic; 100 ns units */
} seen __attribute__((aligned(64))) = { 0x574f4e4b434f4c43, 0 };
static uint64_t backwards;

static uint64_t page_time(void)
{
    uint64_t high, low;

    __asm__ volatile("mul %3" : "=a"(low), "=d"(high) : "a"(rdtsc()), "r"(page.scale) : "cc");
    return high + (uint64_t)page.offset;
}

/* What was the latest before this reading began may not be later than it. */
static void look(void)
{
    uint64_t before = __atomic_load_n(&seen.latest, __ATOMIC_SEQ_CST), now = page_time();

    if (now < before)
        __atomic_add_fetch(&backwards, 1, __ATOMIC_SEQ_CST);
    while (now > before && !__atomic_compare_exchange_n(&seen.latest, &before, now, 0,
                                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        ;
}

static void other(unsigned int cpu)
{
    for (;;)
        for (unsigned int i = 0; i < 1000; i++)
            look();
}

int payload_main(void)
{
    uint64_t reference = 0;

    write_msr(MSR_REFERENCE_TSC, (uint64_t)&page | 1);
    print("CLOCK sequence %u\n", (uint64_t)page.sequence);
    smp_start((unsigned int)argument("cpus", 1), other);
    for (;;) {
        for (unsigned int i = 0; i < 1000; i++)
            look();
        if (get_char() < 0)
            continue;
        read_msr(MSR_REFERENCE_COUNTER, &reference);
        print("CLOCK tsc %u reference %u backwards %u\n", rdtsc(), reference, backwards);
    }
}
