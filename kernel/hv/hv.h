/* The guest interface of the kernel: what is shared by a partition's vCPUs, and what each has. */
#pragma once
#include "lib/x86/asm.h"
#include "kernel/hv/hv_regs.h"
#include "kernel/hv/overlay.h"
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

struct hv_partition {
    struct spinlock lock; /* rank PROCESSES (the partition's own is taken inside); guards: */
    uint64_t guest_os_id, hypercall, reference_tsc;
    uint64_t tsc_offset;      /* constant: guest TSC = TSC + this; 0 at creation */
    struct overlay *overlays; /* in the order of overlay.h */
    struct cpuid_regs basic[HV_CPUID_BASIC], hv[7], extended[HV_CPUID_EXTENDED]; /* constant */
};

struct hv_vcpu {
    struct vlapic lapic;
    uint64_t vp_assist;
    uint64_t tsc_aux;
};

enum err hv_partition_init(struct hv_partition *h, struct budget *b) MUST_CHECK;
void hv_partition_destroy(struct hv_partition *h, struct budget *b);

/* CPUID as the guest sees it. */
void hv_cpuid_init(struct hv_partition *h);
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
};
enum hv_result hv_msr_read(struct vcpu *v, uint32_t msr, uint64_t *value, bool may_be_slow);
enum hv_result hv_msr_write(struct vcpu *v, uint32_t msr, uint64_t value, bool may_be_slow);
/* VMMCALL: result in RAX. False: #UD. */
bool hv_hypercall(struct vcpu *v);

/* The partition reference time: 100 ns units since creation. */
uint64_t hv_reference_time(const struct partition *p);
uint64_t hv_guest_tsc(const struct partition *p);
/* Reference time units per TSC tick, 64-bit fraction. */
uint64_t hv_tsc_scale(void);
