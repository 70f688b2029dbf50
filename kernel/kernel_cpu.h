/* What the kernel keeps per CPU, beside arch's struct cpu. */
#pragma once
#include "arch/x86/cpu.h"
#include "lib/abi/syscall.h"
#include "kernel/timer.h"
#include "lib/heap.h"

struct thread;
struct vcpu;
struct sched_group;
struct partition;

struct kernel_cpu {
    struct cpu arch;
    struct thread *current;
    struct thread *idle;
    bool needs_resched;                     /* set under the sched lock or on the CPU itself */
    uint32_t held_ranks;                    /* debug: locks held, a bit per rank */
    const struct partition *last_partition; /* whose guest ran here last; only compared */
    struct vcpu *fpu_owner;                 /* whose FPU and debug registers are in this CPU */
    struct heap timers;                     /* sched lock; by deadline */
    struct heap pinned;                     /* sched lock; ready threads that run here only */
    uint64_t armed_tsc;                     /* what the timer is set to */
    uint64_t slice_end_tsc;                 /* of the running thread */
    uint64_t run_start_tsc;                 /* of the running thread */
    uint64_t halted_ticks;                  /* TSC ticks in HLT */
    uint64_t halt_start_tsc;                /* 0: not halted */
    uint32_t flush_done;                    /* the last flush request that was answered */
    struct timer machine_check_poll;
    struct sched_group *timer_payer; /* whose timer fires: it pays for that */
};

extern struct kernel_cpu kernel_cpus[HOST_CPUS_MAX];
extern unsigned kernel_cpu_count; /* online; ids are 0 to this - 1 */

static inline struct kernel_cpu *kernel_cpu(void)
{
    return (struct kernel_cpu *)this_cpu(); /* arch is the first member */
}
