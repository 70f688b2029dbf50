/* The scheduler: one run queue for all CPUs, ordered by the virtual time of scheduling groups.
 *
 * A group (one per process: guest, vmm and kernel time of a VM count together) advances by the
 * time that its threads use, divided by its weight; the ready thread of the group that is furthest
 * behind runs next. A thread that is pinned waits in the queue of its CPU. A group that slept starts at the present, less a small bonus. Among threads of
 * one group those that do not run a vCPU come first, and pre-empt one that does. */
#pragma once
#include "kernel/lock.h"
#include "kernel/thread.h"

#define SCHED_SLICE_NS     (4 * NS_PER_MS)
#define SCHED_WEIGHT_USUAL 100u
#define SCHED_WEIGHT_MAX   10000u

struct sched_group {
    uint64_t virtual_ns; /* sched lock, as all below */
    uint64_t used_ns;
    uint32_t weight;
    uint32_t ready_count; /* threads ready, parked or running */
    /* sched_cap.c: */
    uint32_t cap_percent; /* of one CPU; 0: none */
    int64_t bucket_ns;
    uint64_t refill_tsc;
    struct thread *parked; /* linked through next_parked */
    struct timer cap_timer;
};

extern struct spinlock sched_lock;
extern struct sched_group kernel_group;

void sched_init_cpu(struct kernel_cpu *cpu, struct thread *idle);
NORETURN void sched_idle(void);
/* Ends the calling thread; the reaper frees it. */
NORETURN void sched_exit_locked(void);

/* All with the sched lock held. */
void sched_start_locked(struct thread *t);
/* A thread that is ready goes back into the queue: it was parked, or its CPU was pinned anew. */
void sched_requeue_locked(struct thread *t);
void sched_wake_locked(struct thread *t); /* nothing when it is not blocked */
/* Blocks the calling thread until it is woken; it may be woken for nothing. */
void sched_block_locked(void);
/* Blocks until *@word is not 0, the TSC passed @deadline, or the thread is to end. */
void sched_block_until_locked(uint64_t deadline, const uint64_t *word);
void sched_charge_locked(struct kernel_cpu *cpu);

/* ERR_ARGUMENT: a weight of 0 or too large. */
enum err sched_group_set(struct sched_group *g, uint64_t weight, uint64_t cap_percent) MUST_CHECK;
/* No thread of @g is left. */
void sched_group_end(struct sched_group *g);
/* @t runs on @cpu only; NULL: anywhere. With the sched lock held. */
void sched_pin_locked(struct thread *t, struct kernel_cpu *cpu);

void sched_yield(void);
/* Before a return to ring 3 or to a guest: gives way if need be, ends a thread that is to end. */
void sched_check(void);
static inline bool sched_has_work(const struct thread *t)
{
    return __atomic_load_n(&t->cpu->needs_resched, __ATOMIC_RELAXED) ||
           __atomic_load_n(&t->is_dying, __ATOMIC_RELAXED);
}

/* Interrupt VECTOR_TIMER. */
void sched_timer_interrupt(void);

/* Timers, with the sched lock held; on the calling CPU. Arming an armed one moves it. */
void timer_arm_locked(struct timer *t, uint64_t tsc);
void timer_cancel_locked(struct timer *t);
