#include "kernel/hv/vlapic.h"
#include "lib/x86/asm.h"
#include "arch/x86/lapic_regs.h"
#include "kernel/hv/hv.h"
#include "kernel/hv/vioapic.h"
#include "kernel/hv/vipi.h"
#include "kernel/partition.h"
#include "kernel/sched.h"
#include "kernel/vcpu.h"
#include "lib/string.h"

#define VERSION            ((VLAPIC_LVT_COUNT - 1) << 16 | 0x14)
#define LVT_WRITABLE       0x0001f7ffu
#define LVT_TIMER_WRITABLE (LAPIC_LVT_VECTOR | LAPIC_LVT_MASKED | LAPIC_LVT_TIMER_MODE)
#define LVT_TIMER          0
#define SVR_WRITABLE       0x3ffu
#define DIVIDE_WRITABLE    0xbu
#define ICR_WRITABLE       0xffffffff000ccfffull /* but the read-only "pending" */

/* ---- which interrupt is next ---- */

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

int vlapic_highest_request(const struct vlapic *a)
{
    unsigned vector = highest_bit(a->irr);

    return vector ? (int)vector : -1;
}

bool vlapic_request(struct vlapic *a, unsigned vector, bool is_level)
{
    uint64_t bit = 1ull << vector % 64;

    if (!(a->base & APIC_BASE_ENABLE) || !(a->svr & LAPIC_SVR_ENABLE) || vector < 16)
        return false;
    if (is_level)
        __atomic_or_fetch(&a->tmr[vector / 64], bit, __ATOMIC_RELAXED);
    else
        __atomic_and_fetch(&a->tmr[vector / 64], ~bit, __ATOMIC_RELAXED);
    __atomic_or_fetch(&a->irr[vector / 64], bit, __ATOMIC_RELEASE);
    return true;
}

void vlapic_accept(struct vlapic *a, unsigned vector)
{
    uint64_t bit = 1ull << vector % 64;

    __atomic_and_fetch(&a->irr[vector / 64], ~bit, __ATOMIC_RELAXED);
    if (!(a->auto_eoi[vector / 64] & bit))
        a->isr[vector / 64] |= bit;
}

static bool has_request(const struct vlapic *a)
{
    return a->irr[0] | a->irr[1] | a->irr[2] | a->irr[3];
}

static bool is_level(const struct vlapic *a, unsigned vector)
{
    return a->tmr[vector / 64] & 1ull << vector % 64;
}

static void end_service(struct vcpu *v, unsigned vector)
{
    struct vlapic *a = &v->hv.lapic;

    a->isr[vector / 64] &= ~(1ull << vector % 64);
    if (has_request(a))
        vcpu_attend(v, VCPU_ATTEND_INTERRUPT);
}

bool vlapic_eoi(struct vcpu *v)
{
    unsigned vector = highest_bit(v->hv.lapic.isr);

    if (unlikely(is_level(&v->hv.lapic, vector) || v->hv.synic.waiting))
        return false;
    end_service(v, vector);
    return true;
}

void vlapic_eoi_all(struct vcpu *v)
{
    unsigned vector = highest_bit(v->hv.lapic.isr);

    end_service(v, vector);
    if (is_level(&v->hv.lapic, vector))
        vioapic_eoi(v->partition, vector);
    if (v->hv.synic.waiting)
        synic_retry(v);
}

void vlapic_set_tpr(struct vcpu *v, uint32_t tpr)
{
    v->hv.lapic.tpr = tpr;
    if (has_request(&v->hv.lapic))
        vcpu_attend(v, VCPU_ATTEND_INTERRUPT);
}

/* ---- modes ---- */

static void set_identity(struct vlapic *a)
{
    a->ldr = vlapic_is_x2(a) ? (a->id >> 4) << 16 | 1u << (a->id & 15) : 0;
    a->dfr = UINT32_MAX;
}

void vlapic_init(struct vlapic *a)
{
    struct vlapic old;

    vlapic_stop(a);
    old = *a;
    *a = (struct vlapic){
        .id = old.id, .base = old.base, .svr = 0xff, .timer_deadline_tsc = UINT64_MAX
    };
    memcpy(a->auto_eoi, old.auto_eoi, sizeof(a->auto_eoi)); /* the SynIC's */
    for (unsigned i = 0; i < VLAPIC_LVT_COUNT; i++)
        a->lvt[i] = LAPIC_LVT_MASKED;
    set_identity(a);
}

void vlapic_reset(struct vlapic *a, uint32_t id, uint64_t base)
{
    a->id = id;
    a->base = base;
    vlapic_init(a);
}

/* Off, xAPIC, x2APIC: up one step at a time, down only to off. The page does not move. */
bool vlapic_write_base(struct vcpu *v, uint64_t value)
{
    struct vlapic *a = &v->hv.lapic;
    uint64_t mode = value & (APIC_BASE_ENABLE | APIC_BASE_X2APIC);
    uint64_t old = a->base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC);

    if ((value & ~(APIC_BASE_BSP | APIC_BASE_ENABLE | APIC_BASE_X2APIC)) != LAPIC_MMIO_BASE)
        return false;
    if (mode == old)
        return true;
    if (mode == APIC_BASE_X2APIC || (mode == APIC_BASE_ENABLE && old) ||
        (mode == (APIC_BASE_ENABLE | APIC_BASE_X2APIC) && !old))
        return false;
    a->base = LAPIC_MMIO_BASE | (a->base & APIC_BASE_BSP) | mode;
    if (mode)
        set_identity(a);
    else
        vlapic_init(a);
    return true;
}

/* ---- registers that both modes have, by their offset in the page ---- */

static uint32_t *lvt_of(struct vlapic *a, uint32_t reg)
{
    return reg >= LAPIC_LVT_TIMER && reg <= LAPIC_LVT_ERROR
               ? &a->lvt[(reg - LAPIC_LVT_TIMER) / 0x10]
               : NULL;
}

static uint32_t read_set(const uint64_t set[4], uint32_t reg)
{
    unsigned word = (reg & 0x7f) / 16;

    return (uint32_t)(set[word / 2] >> word % 2 * 32);
}

static bool read_register(struct vcpu *v, uint32_t reg, uint64_t *value)
{
    struct vlapic *a = &v->hv.lapic;
    const uint32_t *lvt = lvt_of(a, reg);

    if (lvt) {
        *value = *lvt;
        return true;
    }
    if (reg >= LAPIC_ISR && reg < LAPIC_ESR) {
        *value = read_set(reg < LAPIC_TMR ? a->isr : reg < LAPIC_IRR ? a->tmr : a->irr, reg);
        return true;
    }
    switch (reg) {
    case LAPIC_ID: *value = a->id; return true;
    case LAPIC_VERSION: *value = VERSION; return true;
    case LAPIC_TPR: *value = a->tpr; return true;
    case LAPIC_PPR: *value = processor_priority(a); return true;
    case LAPIC_LDR: *value = a->ldr; return true;
    case LAPIC_SVR: *value = a->svr; return true;
    case LAPIC_ESR: *value = a->esr; return true;
    case LAPIC_ICR: *value = a->icr; return true;
    case LAPIC_TIMER_INITIAL: *value = a->timer_initial; return true;
    case LAPIC_TIMER_CURRENT: *value = vlapic_timer_count(a); return true;
    case LAPIC_TIMER_DIVIDE: *value = a->timer_divide; return true;
    default: return false;
    }
}

static void write_lvt(struct vlapic *a, uint32_t *lvt, uint32_t value)
{
    uint32_t old_mode = *lvt & LAPIC_LVT_TIMER_MODE;

    *lvt = value | (a->svr & LAPIC_SVR_ENABLE ? 0 : LAPIC_LVT_MASKED);
    if (lvt == &a->lvt[LVT_TIMER] && (value & LAPIC_LVT_TIMER_MODE) != old_mode) {
        a->timer_initial = 0; /* a new mode disarms */
        vlapic_timer_arm(a);
    }
}

static uint32_t lvt_writable(const struct vlapic *a, const uint32_t *lvt)
{
    return lvt == &a->lvt[LVT_TIMER] ? LVT_TIMER_WRITABLE : LVT_WRITABLE;
}

static void write_svr(struct vlapic *a, uint32_t value)
{
    a->svr = value;
    for (unsigned i = 0; i < VLAPIC_LVT_COUNT && !(value & LAPIC_SVR_ENABLE); i++)
        a->lvt[i] |= LAPIC_LVT_MASKED;
}

/* @value has passed the checks of its mode. False: there is no such register. */
static bool write_register(struct vcpu *v, uint32_t reg, uint64_t value)
{
    struct vlapic *a = &v->hv.lapic;
    uint32_t *lvt = lvt_of(a, reg);

    if (lvt) {
        write_lvt(a, lvt, (uint32_t)value);
        return true;
    }
    switch (reg) {
    case LAPIC_TPR: vlapic_set_tpr(v, (uint32_t)value); return true;
    case LAPIC_EOI: vlapic_eoi_all(v); return true;
    case LAPIC_SVR: write_svr(a, (uint32_t)value); return true;
    case LAPIC_ESR:
        a->esr = a->errors;
        a->errors = 0;
        return true;
    case LAPIC_ICR:
        a->icr = value & ICR_WRITABLE;
        vipi_send_icr(v, a->icr);
        return true;
    case LAPIC_TIMER_INITIAL:
        a->timer_initial = (uint32_t)value;
        vlapic_timer_arm(a);
        return true;
    case LAPIC_TIMER_DIVIDE: a->timer_divide = (uint32_t)value; return true;
    default: return false;
    }
}

/* ---- x2APIC: reserved bits fault ---- */

bool vlapic_read_msr(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    return vlapic_is_x2(&v->hv.lapic) && read_register(v, (msr - MSR_X2APIC) * 16, value);
}

/* The bits that may be set; 0: read-only or not there. */
static uint64_t writable_bits(struct vlapic *a, uint32_t reg)
{
    const uint32_t *lvt = lvt_of(a, reg);

    if (lvt)
        return lvt_writable(a, lvt);
    switch (reg) {
    case LAPIC_TPR:
    case LAPIC_SELF_IPI: return 0xff;
    case LAPIC_SVR: return SVR_WRITABLE;
    case LAPIC_ICR: return ICR_WRITABLE;
    case LAPIC_TIMER_INITIAL: return UINT32_MAX;
    case LAPIC_TIMER_DIVIDE: return DIVIDE_WRITABLE;
    default: return 0; /* EOI and ESR take 0 only */
    }
}

bool vlapic_write_msr(struct vcpu *v, uint32_t msr, uint64_t value)
{
    struct vlapic *a = &v->hv.lapic;
    uint32_t reg = (msr - MSR_X2APIC) * 16;

    if (!vlapic_is_x2(a) || (value & ~writable_bits(a, reg)))
        return false;
    if (reg == LAPIC_LVT_TIMER && (value & LAPIC_LVT_TIMER_MODE) > LAPIC_LVT_TIMER_PERIODIC)
        return false;
    if (reg == LAPIC_SELF_IPI) {
        vipi_send_icr(v, LAPIC_ICR_TO_SELF | value);
        return true;
    }
    return write_register(v, reg, value);
}

/* ---- xAPIC: reserved bits are ignored ---- */

uint32_t vlapic_read_mmio(struct vcpu *v, uint32_t offset)
{
    struct vlapic *a = &v->hv.lapic;
    uint64_t value = 0;

    switch (offset) {
    case LAPIC_ID: return a->id << 24;
    case LAPIC_DFR: return a->dfr;
    case LAPIC_ICR_HIGH: return (uint32_t)(a->icr >> 32);
    default: break;
    }
    if (!read_register(v, offset, &value))
        a->errors |= LAPIC_ESR_ILLEGAL_REGISTER;
    return (uint32_t)value;
}

void vlapic_write_mmio(struct vcpu *v, uint32_t offset, uint32_t value)
{
    struct vlapic *a = &v->hv.lapic;

    switch (offset) {
    case LAPIC_ID: return; /* the id is the machine's */
    case LAPIC_LDR: a->ldr = value & 0xff000000; return;
    case LAPIC_DFR: a->dfr = value | 0x0fffffff; return;
    case LAPIC_ICR_HIGH: a->icr = (uint64_t)(value & 0xff000000) << 32 | (uint32_t)a->icr; return;
    case LAPIC_ICR: write_register(v, offset, (a->icr & ~(uint64_t)UINT32_MAX) | value); return;
    case LAPIC_EOI:
    case LAPIC_ESR: write_register(v, offset, 0); return;
    default: break;
    }
    if (offset == LAPIC_LVT_TIMER && (value & LAPIC_LVT_TIMER_MODE) > LAPIC_LVT_TIMER_PERIODIC)
        value &= ~(uint32_t)LAPIC_LVT_TIMER_DEADLINE;
    if (!write_register(v, offset, value & writable_bits(a, offset)))
        a->errors |= LAPIC_ESR_ILLEGAL_REGISTER;
}
