/* The local APIC's timer: counts down at a fixed rate, one-shot or periodic. */
#include "arch/x86/lapic_regs.h"
#include "arch/x86/tsc.h"
#include "kernel/hv/vlapic.h"
#include "kernel/sched.h"
#include "kernel/vcpu.h"
#include "lib/muldiv.h"
#include "lib/x86/asm.h"

#define LVT_TIMER     0
#define PERIOD_MIN_NS 20000u /* a guest that asks for more gets fewer, later */

static uint64_t ticks_per_count(const struct vlapic *a)
{
    unsigned code = (a->timer_divide & 3) | (a->timer_divide >> 1 & 4);

    return 1ull << ((code + 1) & 7); /* 0: by 2 ... 6: by 128, 7: by 1 */
}

static uint64_t count_to_tsc(const struct vlapic *a, uint64_t count)
{
    return multiply_divide(count * ticks_per_count(a), host_clock.tsc_hz, VLAPIC_TIMER_HZ);
}

static uint64_t period_of(const struct vlapic *a)
{
    uint64_t least = multiply_shift32(PERIOD_MIN_NS, host_clock.ticks_per_ns_32);

    return max(count_to_tsc(a, a->timer_initial), least);
}

static void timer_fire(struct timer *t)
{
    struct vlapic *a = container_of(t, struct vlapic, timer);
    struct vcpu *v = container_of(a, struct vcpu, hv.lapic);

    if ((a->lvt[LVT_TIMER] & LAPIC_LVT_TIMER_MODE) == LAPIC_LVT_TIMER_PERIODIC) {
        uint64_t period = period_of(a), now = rdtsc();

        a->timer_start_tsc = a->timer_deadline_tsc;
        if (now > a->timer_start_tsc) /* ticks that a paused guest missed are gone */
            a->timer_start_tsc += (now - a->timer_start_tsc) / period * period;
        a->timer_deadline_tsc = a->timer_start_tsc + period;
        timer_arm_locked(t, a->timer_deadline_tsc);
    } else {
        a->timer_deadline_tsc = UINT64_MAX;
    }
    if (!(a->lvt[LVT_TIMER] & LAPIC_LVT_MASKED))
        vcpu_interrupt_locked(v, a->lvt[LVT_TIMER] & LAPIC_LVT_VECTOR, false);
}

void vlapic_timer_arm(struct vlapic *a)
{
    spin_lock(&sched_lock);
    a->timer_start_tsc = rdtsc();
    a->timer_deadline_tsc = UINT64_MAX;
    if (a->timer_initial)
        a->timer_deadline_tsc = a->timer_start_tsc + count_to_tsc(a, a->timer_initial);
    a->timer.fire = timer_fire;
    timer_arm_locked(&a->timer, a->timer_deadline_tsc);
    spin_unlock(&sched_lock);
}

void vlapic_timer_resume(struct vlapic *a, uint64_t start, uint64_t deadline)
{
    spin_lock(&sched_lock);
    a->timer_start_tsc = start;
    a->timer_deadline_tsc = deadline;
    a->timer.fire = timer_fire;
    timer_arm_locked(&a->timer, deadline);
    spin_unlock(&sched_lock);
}

uint32_t vlapic_timer_count(const struct vlapic *a)
{
    uint64_t now = rdtsc(), deadline = a->timer_deadline_tsc;

    if (deadline == UINT64_MAX || deadline <= now)
        return 0;
    return (uint32_t)(multiply_divide(deadline - now, VLAPIC_TIMER_HZ, host_clock.tsc_hz) /
                      ticks_per_count(a));
}

void vlapic_stop(struct vlapic *a)
{
    spin_lock(&sched_lock);
    timer_cancel_locked(&a->timer);
    spin_unlock(&sched_lock);
}
