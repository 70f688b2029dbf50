/* Live objects to records and back. What an MSR can set goes by MSRs (save.c), with the checks that
 * a guest's own writes meet; here is the rest. */
#include "arch/x86/fpu.h"
#include "arch/x86/ioapic_regs.h"
#include "arch/x86/lapic_regs.h"
#include "kernel/hv/hv_regs.h"
#include "kernel/partition.h"
#include "kernel/save.h"
#include "kernel/sched.h"
#include "kernel/vcpu.h"
#include "lib/string.h"

#define ATTEND_SAVED (VCPU_ATTEND_INIT | VCPU_ATTEND_SIPI | VCPU_ATTEND_NMI)

/* ---- the CPU ---- */

void save_cpu(const struct vcpu *v, struct record_cpu *out)
{
    *out = (struct record_cpu){
        .xcr0 = v->xcr0,
        .tsc_aux = v->hv.tsc_aux,
        .pending = v->attention & ATTEND_SAVED,
        .activity = v->activity,
        .sipi_vector = v->sipi_vector,
        .is_nmi_masked = v->is_nmi_masked,
        .nmi_iret_rip = v->nmi_iret_rip,
    };
    memcpy(out->debug_registers, v->debug_registers, sizeof(out->debug_registers));
    virt_get_state(&v->virt, &out->state);
    virt_save(&v->virt, &out->virt);
}

enum err restore_cpu(struct vcpu *v, const struct record_cpu *in)
{
    if (!fpu_xcr0_is_valid(in->xcr0) || (in->pending & ~ATTEND_SAVED) ||
        in->activity > VCPU_WAITS_FOR_SIPI || in->tsc_aux > UINT32_MAX || in->is_nmi_masked > 1 ||
        virt_set_state(&v->virt, &in->state) || virt_restore(&v->virt, &in->virt))
        return ERR_FORMAT;
    memcpy(v->debug_registers, in->debug_registers, sizeof(v->debug_registers));
    v->xcr0 = in->xcr0;
    v->hv.tsc_aux = in->tsc_aux;
    v->activity = in->activity;
    v->sipi_vector = in->sipi_vector;
    v->is_nmi_masked = in->is_nmi_masked;
    v->nmi_iret_rip = in->nmi_iret_rip;
    v->fpu_cpu = NULL; /* its registers are in no CPU */
    virt_intercept_iret(&v->virt, in->is_nmi_masked);
    vcpu_attend(v, in->pending | VCPU_ATTEND_INTERRUPT);
    return OK;
}

/* ---- the local APIC ---- */

static uint64_t to_guest(const struct vcpu *v, uint64_t tsc)
{
    return tsc == UINT64_MAX ? tsc : tsc + v->partition->hv.tsc_offset;
}

static uint64_t from_guest(const struct vcpu *v, uint64_t tsc)
{
    return tsc == UINT64_MAX ? tsc : tsc - v->partition->hv.tsc_offset;
}

void save_lapic(const struct vcpu *v, struct record_lapic *out)
{
    const struct vlapic *a = &v->hv.lapic;

    *out = (struct record_lapic){
        .icr = a->icr,
        .deadline = to_guest(v, a->timer_deadline_tsc),
        .start = a->timer_deadline_tsc == UINT64_MAX ? 0 : to_guest(v, a->timer_start_tsc),
        .ldr = a->ldr,
        .dfr = a->dfr,
        .tpr = a->tpr,
        .svr = a->svr,
        .esr = a->esr,
        .errors = a->errors,
        .timer_initial = a->timer_initial,
        .timer_divide = a->timer_divide,
    };
    memcpy(out->irr, a->irr, sizeof(out->irr));
    memcpy(out->tmr, a->tmr, sizeof(out->tmr));
    memcpy(out->isr, a->isr, sizeof(out->isr));
    memcpy(out->lvt, a->lvt, sizeof(out->lvt));
}

enum err restore_lapic(struct vcpu *v, const struct record_lapic *in)
{
    struct vlapic *a = &v->hv.lapic;

    if (((in->irr[0] | in->isr[0]) & 0xffff) || in->tpr > 0xff || (in->timer_divide & ~0xbu))
        return ERR_FORMAT;
    vlapic_stop(a);
    memcpy(a->irr, in->irr, sizeof(a->irr));
    memcpy(a->tmr, in->tmr, sizeof(a->tmr));
    memcpy(a->isr, in->isr, sizeof(a->isr));
    memcpy(a->lvt, in->lvt, sizeof(a->lvt));
    a->icr = in->icr;
    a->ldr = in->ldr;
    a->dfr = in->dfr;
    a->tpr = in->tpr;
    a->svr = in->svr;
    a->esr = in->esr;
    a->errors = in->errors;
    a->timer_initial = in->timer_initial;
    a->timer_divide = in->timer_divide;
    vlapic_timer_resume(a, from_guest(v, in->start), from_guest(v, in->deadline));
    return OK;
}

/* ---- SynIC: what its MSRs do not say ---- */

void save_synic(const struct vcpu *v, struct record_synic *out)
{
    const struct synic *s = &v->hv.synic;

    *out = (struct record_synic){ .waiting = s->waiting, .host_waiting = s->host_waiting };
    for (unsigned i = 0; i < STIMER_COUNT; i++) {
        const struct stimer *t = &s->timers[i];

        out->timers[i] = (struct record_stimer){ t->config, t->count, t->due, t->is_waiting };
    }
}

enum err restore_synic(struct vcpu *v, const struct record_synic *in)
{
    struct synic *s = &v->hv.synic;

    for (unsigned i = 0; i < STIMER_COUNT; i++)
        if ((in->timers[i].config & ~HV_STIMER_WRITABLE) || in->timers[i].is_waiting > 1)
            return ERR_FORMAT;
    if ((in->waiting | in->host_waiting) >> SINT_COUNT)
        return ERR_FORMAT;
    spin_lock(&sched_lock);
    s->waiting = in->waiting;
    s->host_waiting = in->host_waiting;
    stimers_stop_locked(v);
    for (unsigned i = 0; i < STIMER_COUNT; i++) {
        s->timers[i].config = in->timers[i].config;
        s->timers[i].count = in->timers[i].count;
        s->timers[i].due = in->timers[i].due;
        s->timers[i].is_waiting = in->timers[i].is_waiting;
    }
    spin_unlock(&sched_lock);
    stimers_rearm(v);
    return OK;
}

/* ---- the I/O APIC ---- */

void save_ioapic(const struct partition *p, struct record_ioapic *out)
{
    const struct vioapic *a = &p->hv.ioapic;

    *out = (struct record_ioapic){ .select = a->select, .id = a->id, .lines = a->lines };
    memcpy(out->redirect, a->redirect, sizeof(out->redirect));
}

enum err restore_ioapic(struct partition *p, const struct record_ioapic *in)
{
    struct vioapic *a = &p->hv.ioapic;

    for (unsigned i = 0; i < VIOAPIC_PINS; i++)
        if (in->redirect[i] & ~(IOAPIC_REDIRECT_WRITABLE | IOAPIC_REDIRECT_REMOTE_IRR))
            return ERR_FORMAT;
    if (!a->is_present || in->select > 0xff || in->lines >> VIOAPIC_PINS)
        return ERR_FORMAT;
    spin_lock(&a->lock);
    a->select = in->select;
    a->id = in->id;
    a->lines = in->lines;
    memcpy(a->redirect, in->redirect, sizeof(a->redirect));
    spin_unlock(&a->lock);
    return OK;
}
