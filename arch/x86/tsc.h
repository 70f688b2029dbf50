/* Time: the TSC, calibrated once against the ACPI PM timer (or CPUID leaf 0x15). */
#pragma once
#include "lib/x86/asm.h"

struct clock {
    uint64_t tsc_hz, tsc_base;
    uint64_t ns_per_tick_32; /* ns = ticks * this >> 32 */
    uint64_t ticks_per_ns_32;
};
extern struct clock host_clock;

static inline uint64_t multiply_shift32(uint64_t a, uint64_t b)
{
    return (uint64_t)(((unsigned __int128)a * b) >> 32);
}

static inline uint64_t clock_from_tsc(uint64_t tsc)
{
    return multiply_shift32(tsc - host_clock.tsc_base, host_clock.ns_per_tick_32);
}

static inline uint64_t clock_ns(void)
{
    return clock_from_tsc(rdtsc());
}

/* The TSC value at @ns since boot, saturated. */
uint64_t clock_to_tsc(uint64_t ns);

/* Measures TSC and the local APIC's timer; panics when the machine has no known clock. */
void tsc_calibrate(void);
