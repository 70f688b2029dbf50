/* The guest's local APIC, in x2APIC mode. Source: Intel SDM vol. 3, "Advanced Programmable
 * Interrupt Controller"; AMD64 APM vol. 2, "x2APIC Support".
 *
 * IRR may be set by any CPU; everything else belongs to the vCPU's own thread. */
#pragma once
#include "kernel/thread.h"

struct vcpu;

#define VLAPIC_TIMER_HZ  200000000ull /* what HV_MSR_APIC_FREQUENCY tells the guest */
#define VLAPIC_LVT_COUNT 6u           /* timer, thermal, performance, LINT0, LINT1, error */

struct vlapic {
    uint64_t irr[4]; /* atomic: a bit per vector */
    uint64_t isr[4];
    uint32_t id;
    uint32_t tpr, svr, esr;
    uint32_t lvt[VLAPIC_LVT_COUNT];
    uint64_t icr;
    uint32_t timer_initial, timer_divide;
    uint64_t timer_start_tsc, timer_deadline_tsc; /* host TSC; deadline UINT64_MAX: not armed */
    struct timer timer;
};

void vlapic_reset(struct vlapic *a, uint32_t id);
/* Cancels the timer; before the vCPU goes. */
void vlapic_stop(struct vlapic *a);

/* MSRs 0x800 to 0x8ff. False: #GP. */
bool vlapic_read(struct vcpu *v, uint32_t msr, uint64_t *value);
bool vlapic_write(struct vcpu *v, uint32_t msr, uint64_t value);
void vlapic_eoi(struct vcpu *v);
void vlapic_set_tpr(struct vcpu *v, uint32_t tpr);

/* The highest vector that may be delivered now, or -1. */
int vlapic_highest(const struct vlapic *a);
/* Moves @vector from IRR to ISR. */
void vlapic_accept(struct vlapic *a, unsigned vector);
