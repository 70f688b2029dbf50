/* Caps: how much of one CPU a scheduling group may use at most. A bucket of run time fills at the
 * cap's rate up to one chunk; a group whose bucket is empty is parked until a chunk is there again.
 * All with the sched lock held. */
#pragma once
#include "kernel/sched.h"

void cap_charge_bucket(struct sched_group *g, uint64_t ns);
static inline void cap_charge_locked(struct sched_group *g, uint64_t ns)
{
    if (unlikely(g->cap_percent))
        cap_charge_bucket(g, ns);
}
/* Whether @t has to wait for its group's bucket; one that is to end never has. */
bool cap_holds_bucket(struct thread *t);
static inline bool cap_holds_locked(struct thread *t)
{
    return unlikely(t->group->cap_percent) && cap_holds_bucket(t);
}
/* Puts @t aside; it comes back through sched_requeue_locked(). */
void cap_park_locked(struct thread *t);
void cap_release_locked(struct sched_group *g);
/* How long a thread of @g may run now, at most @ns. */
uint64_t cap_slice_bucket(const struct sched_group *g, uint64_t ns);
static inline uint64_t cap_slice_locked(const struct sched_group *g, uint64_t ns)
{
    return unlikely(g->cap_percent) ? cap_slice_bucket(g, ns) : ns;
}
/* @percent of one CPU; 0: no cap. */
void cap_set_locked(struct sched_group *g, uint32_t percent);
