/* The guest interface of the kernel: what is shared by a partition's vCPUs, and what each has. */
#pragma once
#include "lib/x86/asm.h"
#include "kernel/hv/hv_regs.h"
#include "kernel/hv/overlay.h"
#include "kernel/hv/synic.h"
#include "kernel/hv/vioapic.h"
#include "kernel/hv/vlapic.h"
#include "kernel/lock.h"
#include "lib/err.h"

struct vcpu;
struct budget;
struct partition;

#define HV_CPUID_VARIABLE (1u << 1 | 1u << 7 | 1u << 0xb | 1u << 0xd) /* of the basic leaves */
#define HV_CPUID_BASIC    0x0eu                                       /* leaves 0 to 0xD */
#define HV_CPUID_HV       (HV_CPUID_MAX - HV_CPUID_BASE + 1)
#define HV_CPUID_EXTENDED 9u /* leaves 0x80000000 to 0x80000008 */

#define HV_CRASH_PARAMETERS 5u

struct hv_partition {
    struct spinlock lock; /* rank PROCESSES (the partition's own is taken inside); guards: */
    uint64_t guest_os_id, hypercall, reference_tsc, tsc_invariant;
    uint64_t crash[HV_CRASH_PARAMETERS], crash_control;
    uint64_t tsc_offset;      /* constant: guest TSC = TSC + this; 0 at creation */
    struct overlay *overlays; /* in the order of overlay.h */
    struct vioapic ioapic;
    /* Constant once the vCPUs exist: */
    struct cpuid_regs basic[HV_CPUID_BASIC], hv[7], extended[HV_CPUID_EXTENDED];
};

struct hv_vcpu {
    struct vlapic lapic;
    struct synic synic;
    uint64_t vp_assist;
    uint64_t tsc_aux;
};

enum err hv_partition_init(struct hv_partition *h, struct budget *b) MUST_CHECK;
void hv_partition_destroy(struct hv_partition *h, struct budget *b);

/* CPUID as the guest sees it. */
void hv_cpuid_init(struct hv_partition *h);
/* The topology: one socket of @count cores. */
void hv_cpuid_set_cpus(struct hv_partition *h, unsigned count);
void hv_cpuid(struct vcpu *v, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out);

/* The answer when it is the same for all vCPUs, whatever the subleaf; else NULL: ask hv_cpuid(). */
static inline const struct cpuid_regs *hv_cpuid_fixed(const struct hv_partition *h, uint32_t leaf)
{
    if (leaf - HV_CPUID_BASE < array_count(h->hv))
        return &h->hv[leaf - HV_CPUID_BASE];
    if (leaf - 0x80000000u < HV_CPUID_EXTENDED)
        return &h->extended[leaf - 0x80000000u];
    if (leaf < HV_CPUID_BASIC && !(HV_CPUID_VARIABLE >> leaf & 1))
        return &h->basic[leaf];
    return NULL;
}

/* What an exit handler says. */
enum hv_result {
    HV_DONE,  /* answered: skip the instruction */
    HV_FAULT, /* #GP(0) */
    HV_SLOW,  /* not between virt_enter() and virt_leave(): call again outside */
    HV_IDLE,  /* answered; and the vCPU sleeps until an interrupt is pending, masked or not */
    HV_AGAIN, /* not finished: the guest executes the instruction again */
    HV_CRASH, /* answered; and the guest has reported that it crashed */
};
enum hv_result hv_msr_read(struct vcpu *v, uint32_t msr, uint64_t *value, bool may_be_slow);
enum hv_result hv_msr_write(struct vcpu *v, uint32_t msr, uint64_t value, bool may_be_slow);
/* VMMCALL. HV_DONE: the result is in RAX; HV_FAULT: #UD; HV_AGAIN: not finished, the guest executes
 * it again. */
enum hv_result hv_hypercall(struct vcpu *v, bool may_be_slow);

/* Places or removes an overlay as MSR @value says (bit 0: enable). *@page: its kernel address.
 * False: #GP. */
bool hv_set_overlay(struct partition *p, unsigned slot, uint64_t value, void **page);

/* The partition reference time: 100 ns units since creation. */
uint64_t hv_reference_time(const struct partition *p);
/* The host's TSC when that is @time, or a little later; UINT64_MAX: never. */
uint64_t hv_tsc_of_reference_time(const struct partition *p, uint64_t time);
uint64_t hv_guest_tsc(const struct partition *p);
/* Reference time units per TSC tick, 64-bit fraction. */
uint64_t hv_tsc_scale(void);
