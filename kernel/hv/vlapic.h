/* The guest's local APIC, in xAPIC mode (an MMIO page) and x2APIC mode (MSRs). Source: Intel SDM
 * vol. 3, "Advanced Programmable Interrupt Controller"; AMD64 APM vol. 2, "x2APIC Support".
 *
 * IRR and TMR may be changed by any CPU; everything else belongs to the vCPU's own thread, and
 * others only read what says whether an interrupt is for it (base, id, ldr, dfr, svr). */
#pragma once
#include "kernel/thread.h"
#include "lib/x86/regs.h"

struct vcpu;

#define VLAPIC_TIMER_HZ  200000000ull /* what HV_MSR_APIC_FREQUENCY tells the guest */
#define VLAPIC_LVT_COUNT 6u           /* timer, thermal, performance, LINT0, LINT1, error */

struct vlapic {
    uint64_t irr[4]; /* atomic: a bit per vector */
    uint64_t tmr[4]; /* atomic: level-triggered, its EOI goes to the IOAPIC */
    uint64_t isr[4];
    uint64_t auto_eoi[4]; /* vectors that never enter ISR: the SynIC's */
    uint64_t base;        /* MSR_APIC_BASE, which also says the mode */
    uint64_t icr;
    uint32_t id, ldr, dfr;
    uint32_t tpr, svr, esr, errors; /* errors: since ESR was last written */
    uint32_t lvt[VLAPIC_LVT_COUNT];
    uint32_t timer_initial, timer_divide;
    uint64_t timer_start_tsc, timer_deadline_tsc; /* host TSC; deadline UINT64_MAX: not armed */
    struct timer timer;
};

static inline bool vlapic_is_x2(const struct vlapic *a)
{
    return a->base & APIC_BASE_X2APIC;
}

static inline bool vlapic_is_x(const struct vlapic *a)
{
    return (a->base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC)) == APIC_BASE_ENABLE;
}

/* @base: the value of MSR_APIC_BASE to begin with. */
void vlapic_reset(struct vlapic *a, uint32_t id, uint64_t base);
/* INIT: all but identity and mode. */
void vlapic_init(struct vlapic *a);
/* Cancels the timer; before the vCPU goes. */
void vlapic_stop(struct vlapic *a);

/* MSRs 0x800 to 0x8ff, and MSR_APIC_BASE. False: #GP. */
bool vlapic_read_msr(struct vcpu *v, uint32_t msr, uint64_t *value);
bool vlapic_write_msr(struct vcpu *v, uint32_t msr, uint64_t value);
bool vlapic_write_base(struct vcpu *v, uint64_t value);
/* The MMIO page, 32 bits at @offset. What is not there reads 0 and takes any write. */
uint32_t vlapic_read_mmio(struct vcpu *v, uint32_t offset);
void vlapic_write_mmio(struct vcpu *v, uint32_t offset, uint32_t value);

/* Ends the service of the highest vector, unless that concerns more than this APIC: then false. */
bool vlapic_eoi(struct vcpu *v);
/* The same, and tells whom it concerns; takes locks. */
void vlapic_eoi_all(struct vcpu *v);
void vlapic_set_tpr(struct vcpu *v, uint32_t tpr);

/* A fixed interrupt arrives; from any CPU. False: the APIC is off and it is lost. */
bool vlapic_request(struct vlapic *a, unsigned vector, bool is_level);
/* The highest vector that may be delivered now, or -1. */
int vlapic_highest(const struct vlapic *a);
/* The highest vector requested whatever the priority, or -1. */
int vlapic_highest_request(const struct vlapic *a);
/* Moves @vector from IRR to ISR. */
void vlapic_accept(struct vlapic *a, unsigned vector);

/* vlapic_timer.c */
void vlapic_timer_arm(struct vlapic *a);
/* Goes on with a period that began at @start and ends at @deadline (host TSC). */
void vlapic_timer_resume(struct vlapic *a, uint64_t start, uint64_t deadline);
uint32_t vlapic_timer_count(const struct vlapic *a);
