/* Who has had to wait cannot know whether others still do: it takes the mutex as awaited, and its
 * unlock wakes one more. A signal stays raised until somebody has waited for it, so a wake-up that
 * comes before the wait is not lost. */
#include "services/rt/mutex.h"

enum err mutex_init(struct mutex *m, handle_t budget)
{
    m->state = MUTEX_FREE;
    return sys_signal_create(budget, &m->signal);
}

void mutex_wait(struct mutex *m)
{
    uint64_t bits;

    while (__atomic_exchange_n(&m->state, MUTEX_AWAITED, __ATOMIC_ACQUIRE) != MUTEX_FREE)
        sys_signal_wait(m->signal, DEADLINE_NEVER, &bits);
}
