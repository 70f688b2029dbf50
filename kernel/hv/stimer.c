/* Synthetic timers (TLFS, "Timers"): four a vCPU, against the partition's reference time, telling
 * by a message or directly by an interrupt. */
#include "arch/x86/tsc.h"
#include "kernel/hv/hv.h"
#include "kernel/hv/hv_regs.h"
#include "kernel/partition.h"
#include "kernel/sched.h"
#include "kernel/vcpu.h"
#include "lib/field.h"
#include "lib/string.h"

#define PERIOD_MIN 2000u /* 200 us: a guest that asks for less gets that */

static uint64_t period_of(const struct stimer *t)
{
    return max(t->count, (uint64_t)PERIOD_MIN);
}

/* A sum that wrapped would lie in the past, and the timer would expire for ever. */
static uint64_t later(uint64_t time, uint64_t by)
{
    return time > UINT64_MAX - by ? UINT64_MAX : time + by;
}

static bool is_periodic(const struct stimer *t)
{
    return t->config & HV_STIMER_PERIODIC;
}

static void arm_locked(struct vcpu *v, struct stimer *t)
{
    timer_arm_locked(&t->timer, hv_tsc_of_reference_time(v->partition, t->due));
}

/* ---- expiry ---- */

static bool try_message_locked(struct vcpu *v, struct stimer *t)
{
    struct synic_timer_payload payload = {
        .index = t->index,
        .expiry = t->due,
        .delivery = hv_reference_time(v->partition),
    };
    struct synic_message m = { .type = SYNIC_MESSAGE_TIMER, .payload_bytes = sizeof(payload) };

    memcpy(m.payload, &payload, sizeof(payload));
    return synic_post_locked(v, (unsigned)field_get(t->config, HV_STIMER_SINT), &m) != ERR_FULL;
}

/* A periodic timer whose guest fell behind skips what it missed. */
static void go_on_locked(struct vcpu *v, struct stimer *t)
{
    uint64_t now = hv_reference_time(v->partition), period = period_of(t);

    if (!is_periodic(t)) {
        t->config &= ~HV_STIMER_ENABLE;
        return;
    }
    t->due = later(t->due, period);
    if (t->due <= now)
        t->due = later(t->due, (now - t->due) / period * period + period);
    arm_locked(v, t);
}

static void expire(struct timer *timer)
{
    struct stimer *t = container_of(timer, struct stimer, timer);
    struct synic *s = container_of(t - t->index, struct synic, timers[0]);
    struct vcpu *v = container_of(s, struct vcpu, hv.synic);

    if (t->config & HV_STIMER_DIRECT) {
        vcpu_interrupt_locked(v, (unsigned)field_get(t->config, HV_STIMER_VECTOR), false);
        go_on_locked(v, t);
    } else if (try_message_locked(v, t)) {
        go_on_locked(v, t);
    } else {
        t->is_waiting = true;
    }
}

void stimers_retry_locked(struct vcpu *v, uint32_t sints)
{
    for (unsigned i = 0; i < STIMER_COUNT; i++) {
        struct stimer *t = &v->hv.synic.timers[i];

        if (!t->is_waiting || !(sints & 1u << field_get(t->config, HV_STIMER_SINT)) ||
            !try_message_locked(v, t))
            continue;
        t->is_waiting = false;
        go_on_locked(v, t);
    }
}

/* ---- registers ---- */

static bool can_run(const struct stimer *t)
{
    return t->config & HV_STIMER_DIRECT ? field_get(t->config, HV_STIMER_VECTOR) >= 16
                                        : field_get(t->config, HV_STIMER_SINT) != 0;
}

static void start_locked(struct vcpu *v, struct stimer *t)
{
    timer_cancel_locked(&t->timer);
    t->is_waiting = false;
    if (!can_run(t))
        t->config &= ~HV_STIMER_ENABLE;
    if (!(t->config & HV_STIMER_ENABLE) || !t->count)
        return;
    t->due = is_periodic(t) ? later(hv_reference_time(v->partition), period_of(t)) : t->count;
    if (is_periodic(t) || t->due > hv_reference_time(v->partition))
        arm_locked(v, t);
    else
        expire(&t->timer); /* in the past: at once */
}

bool stimer_read_msr(const struct vcpu *v, uint32_t msr, uint64_t *value)
{
    const struct stimer *t = &v->hv.synic.timers[(msr - HV_MSR_STIMER0_CONFIG) / 2];

    *value = (msr - HV_MSR_STIMER0_CONFIG) & 1 ? t->count : t->config;
    return true;
}

bool stimer_write_msr(struct vcpu *v, uint32_t msr, uint64_t value)
{
    struct stimer *t = &v->hv.synic.timers[(msr - HV_MSR_STIMER0_CONFIG) / 2];
    bool is_count = (msr - HV_MSR_STIMER0_CONFIG) & 1;

    if (!is_count && (value & ~HV_STIMER_WRITABLE))
        return false;
    spin_lock(&sched_lock);
    if (is_count) {
        t->count = value;
        if (!value)
            t->config &= ~HV_STIMER_ENABLE;
        else if (t->config & HV_STIMER_AUTO_ENABLE)
            t->config |= HV_STIMER_ENABLE;
    } else {
        t->config = value;
    }
    start_locked(v, t);
    spin_unlock(&sched_lock);
    return true;
}

void stimers_init(struct synic *s)
{
    for (unsigned i = 0; i < STIMER_COUNT; i++)
        s->timers[i] = (struct stimer){ .index = i, .timer.fire = expire };
}

void stimers_stop_locked(struct vcpu *v)
{
    for (unsigned i = 0; i < STIMER_COUNT; i++)
        timer_cancel_locked(&v->hv.synic.timers[i].timer);
}

void stimers_rearm(struct vcpu *v)
{
    spin_lock(&sched_lock);
    for (unsigned i = 0; i < STIMER_COUNT; i++) {
        struct stimer *t = &v->hv.synic.timers[i];

        if ((t->config & HV_STIMER_ENABLE) && t->count && !t->is_waiting)
            arm_locked(v, t);
    }
    spin_unlock(&sched_lock);
}
