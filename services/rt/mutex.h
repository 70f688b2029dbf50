/* A lock between the threads of a program. Taking a free one and giving back one that nobody waits
 * for are single instructions; who finds it taken sleeps on a signal. Who comes at the right moment
 * may overtake who sleeps, so sections are to be short. */
#pragma once
#include "services/rt/sys.h"

enum mutex_state { MUTEX_FREE, MUTEX_HELD, MUTEX_AWAITED };

struct mutex {
    handle_t signal; /* constant: raised when an awaited one is given back */
    uint32_t state;  /* enum mutex_state, atomic */
};

/* @budget pays for the signal. */
enum err mutex_init(struct mutex *m, handle_t budget) MUST_CHECK;

/* For mutex_lock(): it was not free. */
void mutex_wait(struct mutex *m);

static inline void mutex_lock(struct mutex *m)
{
    uint32_t expected = MUTEX_FREE;

    if (unlikely(!__atomic_compare_exchange_n(&m->state, &expected, MUTEX_HELD, false,
                                              __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
        mutex_wait(m);
}

static inline void mutex_unlock(struct mutex *m)
{
    if (unlikely(__atomic_exchange_n(&m->state, MUTEX_FREE, __ATOMIC_RELEASE) == MUTEX_AWAITED))
        sys_signal_raise(m->signal, 1);
}
