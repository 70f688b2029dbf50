#include "arch/x86/tsc.h"
#include "arch/x86/acpi.h"
#include "arch/x86/lapic.h"
#include "arch/x86/panic.h"
#include "lib/muldiv.h"

#define PM_TIMER_HZ   3579545ull
#define PM_TIMER_MASK 0xffffffu          /* 24 bits are always there */
#define WINDOW_TICKS  (PM_TIMER_HZ / 20) /* 50 ms */
#define POLLS_MAX     20000000u

struct clock host_clock;

struct sample {
    uint64_t tsc;
    uint32_t pm, lapic;
};

/* The reading with the least delay of eight: the one that was least disturbed. */
static struct sample take_sample(void)
{
    struct sample best = { 0 };
    uint64_t best_delay = UINT64_MAX;

    for (unsigned i = 0; i < 8; i++) {
        uint64_t before = rdtsc();
        uint32_t pm = in32(acpi_info.pm_timer_port) & PM_TIMER_MASK;
        uint64_t after = rdtsc();

        if (after - before < best_delay) {
            best_delay = after - before;
            best = (struct sample){ before + best_delay / 2, pm, lapic_timer_count() };
        }
    }
    return best;
}

/* Waits for a fresh tick, so that both samples lie just behind one. */
static void wait_ticks(uint32_t from, uint32_t ticks)
{
    for (uint32_t i = 0; i < POLLS_MAX; i++)
        if (((in32(acpi_info.pm_timer_port) - from) & PM_TIMER_MASK) >= ticks)
            return;
    refuse("the ACPI PM timer at port 0x%x stands still: cannot calibrate the TSC",
           acpi_info.pm_timer_port);
}

static bool calibrate_by_cpuid(void)
{
    struct cpuid_regs r;

    if (cpuid(0, 0).eax < 0x15)
        return false;
    r = cpuid(0x15, 0);
    if (!r.eax || !r.ebx || !r.ecx)
        return false;
    host_clock.tsc_hz = (uint64_t)r.ecx * r.ebx / r.eax;
    lapic_set_timer_hz(r.ecx);
    return true;
}

static void calibrate_by_pm_timer(void)
{
    uint32_t start = in32(acpi_info.pm_timer_port) & PM_TIMER_MASK;

    lapic_timer_start(UINT32_MAX);
    wait_ticks(start, 1);
    struct sample a = take_sample();

    wait_ticks(a.pm, WINDOW_TICKS);
    struct sample b = take_sample();
    uint64_t ticks = (b.pm - a.pm) & PM_TIMER_MASK;

    lapic_timer_start(0);
    host_clock.tsc_hz = (b.tsc - a.tsc) * PM_TIMER_HZ / ticks;
    lapic_set_timer_hz((uint64_t)(a.lapic - b.lapic) * PM_TIMER_HZ / ticks);
}

void tsc_calibrate(void)
{
    host_clock.tsc_base = rdtsc();
    if (acpi_info.pm_timer_port)
        calibrate_by_pm_timer();
    else if (!calibrate_by_cpuid())
        refuse("no ACPI PM timer and no CPUID leaf 0x15: no clock to calibrate the TSC by");
    host_clock.ns_per_tick_32 = (NS_PER_SECOND << 32) / host_clock.tsc_hz;
    host_clock.ticks_per_ns_32 = multiply_divide(host_clock.tsc_hz, 1ul << 32, NS_PER_SECOND);
}

uint64_t clock_to_tsc(uint64_t ns)
{
    if (ns >= 1ull << 62)
        return UINT64_MAX;
    return host_clock.tsc_base + multiply_shift32(ns, host_clock.ticks_per_ns_32);
}
