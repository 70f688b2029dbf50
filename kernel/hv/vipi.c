#include "kernel/hv/vipi.h"
#include "arch/x86/lapic_regs.h"
#include "kernel/partition.h"
#include "kernel/sched.h"
#include "kernel/vcpu.h"

#define ALL_NARROW 0xffu
#define DFR_FLAT   UINT32_MAX

static bool is_logical_match(const struct vlapic *a, const struct vipi *i)
{
    uint32_t d = i->destination, ldr = __atomic_load_n(&a->ldr, __ATOMIC_RELAXED);

    if (vlapic_is_x2(a))
        return d >> 16 == ldr >> 16 && (d & ldr & 0xffff);
    if (i->is_wide)
        return false; /* the modes do not mix */
    if (a->dfr == DFR_FLAT)
        return ldr >> 24 & d;
    return ldr >> 28 == d >> 4 && (ldr >> 24 & d & 0xf);
}

static bool is_match(const struct vlapic *a, const struct vipi *i)
{
    if (!(a->base & APIC_BASE_ENABLE))
        return false;
    if (i->destination == (i->is_wide ? UINT32_MAX : ALL_NARROW))
        return true;
    return i->is_logical ? is_logical_match(a, i) : a->id == i->destination;
}

static void give_locked(struct vcpu *v, const struct vipi *i)
{
    switch (i->mode) {
    case LAPIC_ICR_FIXED:
    case LAPIC_ICR_LOWEST: vcpu_interrupt_locked(v, i->vector, i->is_level); break;
    case LAPIC_ICR_NMI: vcpu_attend_locked(v, VCPU_ATTEND_NMI); break;
    case LAPIC_ICR_INIT: vcpu_attend_locked(v, VCPU_ATTEND_INIT); break;
    case LAPIC_ICR_STARTUP:
        __atomic_store_n(&v->sipi_vector, i->vector, __ATOMIC_RELAXED);
        vcpu_attend_locked(v, VCPU_ATTEND_SIPI);
        break;
    default: break; /* SMI, ExtINT: this machine has neither */
    }
}

static struct vcpu *vcpu_at(struct partition *p, unsigned index)
{
    return __atomic_load_n(&p->vcpus[index], __ATOMIC_ACQUIRE);
}

unsigned vipi_deliver(struct partition *p, const struct vipi *i)
{
    bool is_one = !i->is_logical && i->destination < ALL_NARROW; /* ids are indices */
    unsigned first = is_one ? min(i->destination, PARTITION_VCPUS_MAX) : 0;
    unsigned end = is_one ? min(first + 1, PARTITION_VCPUS_MAX) : p->vcpu_count;
    unsigned count = 0;

    spin_lock(&sched_lock);
    for (unsigned n = first; n < end; n++) {
        struct vcpu *v = vcpu_at(p, n);

        if (!v || !is_match(&v->hv.lapic, i))
            continue;
        give_locked(v, i);
        count++;
        if (i->mode == LAPIC_ICR_LOWEST)
            break;
    }
    spin_unlock(&sched_lock);
    return count;
}

static void deliver_to_all(struct vcpu *from, const struct vipi *i, bool is_self_too)
{
    spin_lock(&sched_lock);
    for (unsigned n = 0; n < from->partition->vcpu_count; n++) {
        struct vcpu *v = vcpu_at(from->partition, n);

        if (v && (v != from || is_self_too) && (v->hv.lapic.base & APIC_BASE_ENABLE))
            give_locked(v, i);
    }
    spin_unlock(&sched_lock);
}

void vipi_deliver_mask(struct partition *p, uint64_t mask, unsigned vector)
{
    spin_lock(&sched_lock);
    for (; mask; mask &= mask - 1) {
        struct vcpu *v = vcpu_at(p, (unsigned)__builtin_ctzll(mask));

        if (v)
            vcpu_interrupt_locked(v, vector, false);
    }
    spin_unlock(&sched_lock);
}

static bool is_vector_valid(struct vcpu *v, const struct vipi *i)
{
    if ((i->mode != LAPIC_ICR_FIXED && i->mode != LAPIC_ICR_LOWEST) || i->vector >= 16)
        return true;
    v->hv.lapic.errors |= LAPIC_ESR_SEND_VECTOR;
    return false;
}

bool vipi_send_quickly(struct vcpu *v, uint64_t icr)
{
    uint32_t shorthand = icr & LAPIC_ICR_SHORTHAND, destination = (uint32_t)(icr >> 32);
    struct vcpu *target = v;

    if (((uint32_t)icr & ~(0xffu | LAPIC_ICR_ASSERT | LAPIC_ICR_SHORTHAND)) || (icr & 0xff) < 16 ||
        !vlapic_is_x2(&v->hv.lapic))
        return false;
    if (shorthand != LAPIC_ICR_TO_SELF) {
        if (shorthand || destination >= PARTITION_VCPUS_MAX)
            return false;
        target = vcpu_at(v->partition, destination);
    }
    if (target != v)
        return target && vcpu_interrupt_running(target, icr & 0xff);
    vcpu_interrupt_self(v, icr & 0xff);
    return true;
}

void vipi_send_icr(struct vcpu *from, uint64_t icr)
{
    bool is_wide = vlapic_is_x2(&from->hv.lapic);
    struct vipi i = {
        .destination = (uint32_t)(is_wide ? icr >> 32 : icr >> 56),
        .mode = icr & LAPIC_ICR_MODE,
        .vector = (uint8_t)icr,
        .is_logical = icr & LAPIC_ICR_LOGICAL,
        .is_wide = is_wide,
    };

    /* INIT level de-assert only synchronised arbitration ids of the APIC bus. */
    if (i.mode == LAPIC_ICR_INIT && (icr & LAPIC_ICR_LEVEL) && !(icr & LAPIC_ICR_ASSERT))
        return;
    if (!is_vector_valid(from, &i))
        return;
    switch (icr & LAPIC_ICR_SHORTHAND) {
    case LAPIC_ICR_TO_SELF:
        if (i.mode == LAPIC_ICR_FIXED)
            vcpu_interrupt_self(from, i.vector);
        break;
    case LAPIC_ICR_TO_ALL: deliver_to_all(from, &i, true); break;
    case LAPIC_ICR_TO_OTHERS: deliver_to_all(from, &i, false); break;
    default: vipi_deliver(from->partition, &i);
    }
}
