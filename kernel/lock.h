/* Spin locks. The kernel runs with interrupts off, so a lock is all that is needed against the
 * other CPUs; who spins goes on answering TLB-flush requests, so a holder may wait for a flush.
 *
 * Ranks (docs/locking.md): a lock is taken only while all held ones have a lower rank. Debug
 * builds check it, and that nobody blocks or returns to a program with a lock held. */
#pragma once
#include "lib/types.h"

enum lock_rank {
    RANK_PROCESSES = 1, /* the list of processes */
    RANK_OBJECT,        /* one object: address space, partition, channel, view */
    RANK_HANDLES,       /* a process's handle table */
    RANK_MEMORY,        /* frames, heap, budgets */
    RANK_INTERRUPTS,    /* a partition's IOAPIC */
    RANK_SCHED,         /* threads, run queue, signals, bindings, timers */
    RANK_LOG,
};

struct spinlock {
    uint32_t is_taken;
    uint32_t rank; /* constant */
};

#define SPINLOCK(r)   \
    (struct spinlock) \
    {                 \
        .rank = (r)   \
    }

void spin_lock_slow(struct spinlock *l);
void spin_check_lock(const struct spinlock *l);
void spin_check_unlock(const struct spinlock *l);

static inline void spin_lock(struct spinlock *l)
{
    if (IS_DEBUG)
        spin_check_lock(l);
    if (__atomic_exchange_n(&l->is_taken, 1, __ATOMIC_ACQUIRE))
        spin_lock_slow(l);
}

static inline void spin_unlock(struct spinlock *l)
{
    if (IS_DEBUG)
        spin_check_unlock(l);
    __atomic_store_n(&l->is_taken, 0, __ATOMIC_RELEASE);
}
