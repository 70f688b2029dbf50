#include "kernel/hv/vlapic.h"
#include "lib/x86/asm.h"
#include "arch/x86/lapic_regs.h"
#include "lib/x86/regs.h"
#include "arch/x86/tsc.h"
#include "kernel/sched.h"
#include "kernel/vcpu.h"
#include "lib/muldiv.h"

#define VERSION            ((VLAPIC_LVT_COUNT - 1) << 16 | 0x14)
#define LVT_WRITABLE       0x0001f7ffu
#define LVT_TIMER_WRITABLE (LAPIC_LVT_VECTOR | LAPIC_LVT_MASKED | LAPIC_LVT_TIMER_MODE)
enum { LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR };

static unsigned highest_bit(const uint64_t set[4])
{
    for (unsigned i = 4; i-- > 0;)
        if (set[i])
            return i * 64 + 63 - (unsigned)__builtin_clzll(set[i]);
    return 0; /* vectors below 16 do not exist, so 0 means none */
}

static unsigned processor_priority(const struct vlapic *a)
{
    unsigned in_service = highest_bit(a->isr) & 0xf0, tpr = a->tpr;

    return (tpr & 0xf0) >= in_service ? tpr : in_service;
}

int vlapic_highest(const struct vlapic *a)
{
    unsigned vector = highest_bit(a->irr);

    if (!vector || (vector & 0xf0) <= (processor_priority(a) & 0xf0))
        return -1;
    return (int)vector;
}

void vlapic_accept(struct vlapic *a, unsigned vector)
{
    __atomic_and_fetch(&a->irr[vector / 64], ~(1ull << vector % 64), __ATOMIC_RELAXED);
    a->isr[vector / 64] |= 1ull << vector % 64;
}

void vlapic_eoi(struct vcpu *v)
{
    struct vlapic *a = &v->hv.lapic;
    unsigned vector = highest_bit(a->isr);

    a->isr[vector / 64] &= ~(1ull << vector % 64);
    if (highest_bit(a->irr))
        vcpu_attend(v, VCPU_ATTEND_INTERRUPT);
}

void vlapic_set_tpr(struct vcpu *v, uint32_t tpr)
{
    v->hv.lapic.tpr = tpr;
    vcpu_attend(v, VCPU_ATTEND_INTERRUPT);
}

/* ---- timer ---- */

static uint64_t ticks_per_count(const struct vlapic *a)
{
    unsigned code = (a->timer_divide & 3) | (a->timer_divide >> 1 & 4);

    return 1ull << ((code + 1) & 7); /* 0: by 2 ... 6: by 128, 7: by 1 */
}

static uint64_t count_to_tsc(const struct vlapic *a, uint64_t count)
{
    return multiply_divide(count * ticks_per_count(a), host_clock.tsc_hz, VLAPIC_TIMER_HZ);
}

static void timer_fire(struct timer *t)
{
    struct vlapic *a = container_of(t, struct vlapic, timer);
    struct vcpu *v = container_of(a, struct vcpu, hv.lapic);

    if ((a->lvt[LVT_TIMER] & LAPIC_LVT_TIMER_MODE) == LAPIC_LVT_TIMER_PERIODIC) {
        uint64_t period = max(count_to_tsc(a, a->timer_initial), 1ull);
        uint64_t now = rdtsc();

        a->timer_start_tsc = a->timer_deadline_tsc;
        if (now > a->timer_start_tsc) /* ticks that a paused guest missed are gone */
            a->timer_start_tsc += (now - a->timer_start_tsc) / period * period;
        a->timer_deadline_tsc = a->timer_start_tsc + period;
        timer_arm_locked(t, a->timer_deadline_tsc);
    } else {
        a->timer_deadline_tsc = UINT64_MAX;
    }
    if (!(a->lvt[LVT_TIMER] & LAPIC_LVT_MASKED))
        vcpu_interrupt_locked(v, a->lvt[LVT_TIMER] & LAPIC_LVT_VECTOR);
}

static void arm(struct vlapic *a)
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

static uint32_t current_count(const struct vlapic *a)
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

void vlapic_reset(struct vlapic *a, uint32_t id)
{
    *a = (struct vlapic){ .id = id, .svr = 0xff, .timer_deadline_tsc = UINT64_MAX };
    for (unsigned i = 0; i < VLAPIC_LVT_COUNT; i++)
        a->lvt[i] = LAPIC_LVT_MASKED;
}

/* ---- interrupts between vCPUs ---- */

/* One vCPU a VM so far: what is for itself arrives, what is for others finds nobody. */
static void send(struct vcpu *v, uint64_t icr)
{
    uint32_t vector = icr & 0xff, destination = (uint32_t)(icr >> 32);
    uint32_t shorthand = icr & LAPIC_ICR_SHORTHAND;
    bool is_logical = icr & LAPIC_ICR_LOGICAL;
    bool is_for_me = shorthand == LAPIC_ICR_TO_SELF || shorthand == LAPIC_ICR_TO_ALL;

    if (!shorthand)
        is_for_me =
            destination == UINT32_MAX || (is_logical ? !(destination >> 16) && (destination & 1)
                                                     : destination == v->hv.lapic.id);
    if (!is_for_me ||
        ((icr & LAPIC_ICR_MODE) != LAPIC_ICR_FIXED && (icr & LAPIC_ICR_MODE) != LAPIC_ICR_LOWEST))
        return;
    if (vector < 16)
        v->hv.lapic.esr |= LAPIC_ESR_SEND_VECTOR;
    else
        vcpu_interrupt_self(v, vector);
}

/* ---- registers ---- */

static uint32_t *lvt_of(struct vlapic *a, uint32_t reg)
{
    return reg >= LAPIC_LVT_TIMER && reg <= LAPIC_LVT_ERROR
               ? &a->lvt[(reg - LAPIC_LVT_TIMER) / 0x10]
               : NULL;
}

static uint64_t read_set(const uint64_t set[4], unsigned word)
{
    return set[word / 2] >> word % 2 * 32 & UINT32_MAX;
}

bool vlapic_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    struct vlapic *a = &v->hv.lapic;
    uint32_t reg = (msr - MSR_X2APIC) * 16;
    const uint32_t *lvt = lvt_of(a, reg);

    if (lvt) {
        *value = *lvt;
        return true;
    }
    if (reg >= LAPIC_ISR && reg < LAPIC_ESR) {
        unsigned word = (reg & 0x7f) / 16;

        *value = reg < LAPIC_TMR   ? read_set(a->isr, word)
                 : reg < LAPIC_IRR ? 0 /* nothing is level-triggered */
                                   : read_set(a->irr, word);
        return true;
    }
    switch (reg) {
    case LAPIC_ID: *value = a->id; return true;
    case LAPIC_VERSION: *value = VERSION; return true;
    case LAPIC_TPR: *value = a->tpr; return true;
    case LAPIC_PPR: *value = processor_priority(a); return true;
    case LAPIC_LDR: *value = (a->id >> 4) << 16 | 1u << (a->id & 15); return true;
    case LAPIC_SVR: *value = a->svr; return true;
    case LAPIC_ESR: *value = a->esr; return true;
    case LAPIC_ICR: *value = a->icr; return true;
    case LAPIC_TIMER_INITIAL: *value = a->timer_initial; return true;
    case LAPIC_TIMER_CURRENT: *value = current_count(a); return true;
    case LAPIC_TIMER_DIVIDE: *value = a->timer_divide; return true;
    default: return false;
    }
}

static void write_lvt(struct vcpu *v, uint32_t *lvt, uint32_t value)
{
    struct vlapic *a = &v->hv.lapic;
    bool is_timer = lvt == &a->lvt[LVT_TIMER];
    uint32_t old_mode = *lvt & LAPIC_LVT_TIMER_MODE;

    *lvt = value | (a->svr & LAPIC_SVR_ENABLE ? 0 : LAPIC_LVT_MASKED);
    if (is_timer && (value & LAPIC_LVT_TIMER_MODE) != old_mode) {
        a->timer_initial = 0; /* a new mode disarms */
        arm(a);
    }
}

static bool is_lvt_value_valid(const struct vlapic *a, const uint32_t *lvt, uint64_t value)
{
    if (lvt == &a->lvt[LVT_TIMER])
        return !(value & ~(uint64_t)LVT_TIMER_WRITABLE) &&
               (value & LAPIC_LVT_TIMER_MODE) <= LAPIC_LVT_TIMER_PERIODIC;
    return !(value & ~(uint64_t)LVT_WRITABLE);
}

static void write_svr(struct vlapic *a, uint32_t value)
{
    a->svr = value;
    for (unsigned i = 0; i < VLAPIC_LVT_COUNT && !(value & LAPIC_SVR_ENABLE); i++)
        a->lvt[i] |= LAPIC_LVT_MASKED;
}

bool vlapic_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
    struct vlapic *a = &v->hv.lapic;
    uint32_t reg = (msr - MSR_X2APIC) * 16;
    uint32_t *lvt = lvt_of(a, reg);

    if (lvt) {
        if (!is_lvt_value_valid(a, lvt, value))
            return false;
        write_lvt(v, lvt, (uint32_t)value);
        return true;
    }
    if (reg != LAPIC_ICR && value >> 32)
        return false;
    switch (reg) {
    case LAPIC_TPR:
        if (value > 0xff)
            return false;
        vlapic_set_tpr(v, (uint32_t)value);
        return true;
    case LAPIC_EOI:
        if (value)
            return false;
        vlapic_eoi(v);
        return true;
    case LAPIC_SVR:
        if (value & ~0x3ffull)
            return false;
        write_svr(a, (uint32_t)value);
        return true;
    case LAPIC_ESR: a->esr = 0; return value == 0;
    case LAPIC_ICR:
        a->icr = value;
        send(v, value);
        return true;
    case LAPIC_SELF_IPI:
        if (value > 0xff)
            return false;
        send(v, LAPIC_ICR_TO_SELF | value);
        return true;
    case LAPIC_TIMER_INITIAL:
        a->timer_initial = (uint32_t)value;
        arm(a);
        return true;
    case LAPIC_TIMER_DIVIDE:
        if (value & ~0xbull)
            return false;
        a->timer_divide = (uint32_t)value;
        return true;
    default: return false;
    }
}
