#include "services/rt/clock.h"
#include "lib/muldiv.h"
#include "lib/x86/asm.h"
#include "services/rt/startup.h"
#include "services/rt/sys.h"

static uint64_t base_ns, base_tsc, tsc_hz;

void clock_open(void)
{
    tsc_hz = startup_info()->tsc_hz;
    base_ns = sys_clock();
    base_tsc = rdtsc();
}

uint64_t clock_now(void)
{
    return base_ns + multiply_divide(rdtsc() - base_tsc, NS_PER_SECOND, tsc_hz);
}
