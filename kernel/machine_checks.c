#include "kernel/machine_checks.h"
#include "arch/x86/machine_check.h"
#include "arch/x86/panic.h"
#include "arch/x86/trap.h"
#include "arch/x86/tsc.h"
#include "kernel/kernel_cpu.h"
#include "kernel/log.h"
#include "kernel/sched.h"

#define POLL_NS (1000 * NS_PER_MS)

static void log_report(const struct machine_check *r, const char *what)
{
    log_line("machine check on CPU %u: bank %u, status 0x%lx, address 0x%lx: %s", this_cpu()->id,
             r->bank, r->status, r->address, what);
}

static void arm(struct timer *t)
{
    timer_arm_locked(t, rdtsc() + multiply_shift32(POLL_NS, host_clock.ticks_per_ns_32));
}

/* Under the sched lock. What is found here was corrected, or was told to a guest, which has dealt
 * with it. */
static void poll(struct timer *t)
{
    struct machine_check report;
    bool is_uncorrected = machine_check_take(&report);

    if (report.status)
        log_report(&report, is_uncorrected ? "not corrected, and a guest went on" : "corrected");
    arm(t);
}

void machine_checks_start_here(void)
{
    struct timer *t = &kernel_cpu()->machine_check_poll;

    if (!machine_check_enable())
        return;
    t->fire = poll;
    spin_lock(&sched_lock);
    arm(t);
    spin_unlock(&sched_lock);
}

void machine_checks_on_exception(struct trap_frame *f)
{
    struct machine_check report;

    if (machine_check_take(&report)) /* else another CPU has the report: some tell them all */
        panic_trap_and_reset(f, "uncorrected machine check");
}

bool machine_checks_hit_guest(uint64_t *status)
{
    struct machine_check report;
    bool is_uncorrected = machine_check_take(&report);

    *status = report.status;
    if (report.status)
        log_report(&report, is_uncorrected ? "not corrected: its VM ends" : "corrected");
    return is_uncorrected;
}
