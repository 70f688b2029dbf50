#include "kernel/sched_cap.h"
#include "arch/x86/tsc.h"
#include "lib/x86/asm.h"

#define CHUNK_NS ((int64_t)(2 * NS_PER_MS))
#define LEAST_NS 50000u /* a slice shorter than this is not worth a switch */

static void refill(struct sched_group *g)
{
    uint64_t now = rdtsc();
    uint64_t ns = multiply_shift32(now - g->refill_tsc, host_clock.ns_per_tick_32);

    g->refill_tsc = now;
    ns = min(ns, NS_PER_MS * 1000); /* no overflow below; more than fills the bucket */
    g->bucket_ns = min(g->bucket_ns + (int64_t)(ns * g->cap_percent / 100), CHUNK_NS);
}

void cap_charge_bucket(struct sched_group *g, uint64_t ns)
{
    g->bucket_ns -= (int64_t)ns; /* first: a full bucket takes no more */
    refill(g);
}

bool cap_holds_bucket(struct thread *t)
{
    struct sched_group *g = t->group;

    if (t->is_dying)
        return false;
    if (g->parked)
        return true;
    refill(g);
    return g->bucket_ns <= 0;
}

static void timer_fire(struct timer *t)
{
    cap_release_locked(container_of(t, struct sched_group, cap_timer));
}

void cap_park_locked(struct thread *t)
{
    struct sched_group *g = t->group;
    uint64_t ns = (uint64_t)(CHUNK_NS - g->bucket_ns) * 100 / g->cap_percent;

    t->next_parked = g->parked;
    g->parked = t;
    t->is_parked = true;
    if (heap_holds(&g->cap_timer.node))
        return;
    g->cap_timer.fire = timer_fire;
    timer_arm_locked(&g->cap_timer, rdtsc() + multiply_shift32(ns, host_clock.ticks_per_ns_32));
}

void cap_release_locked(struct sched_group *g)
{
    struct thread *t = g->parked;

    g->parked = NULL;
    timer_cancel_locked(&g->cap_timer);
    while (t) {
        struct thread *next = t->next_parked;

        t->is_parked = false;
        sched_requeue_locked(t);
        t = next;
    }
}

uint64_t cap_slice_bucket(const struct sched_group *g, uint64_t ns)
{
    return min(ns, (uint64_t)max(g->bucket_ns, (int64_t)LEAST_NS));
}

void cap_set_locked(struct sched_group *g, uint32_t percent)
{
    g->cap_percent = percent;
    g->bucket_ns = CHUNK_NS;
    g->refill_tsc = rdtsc();
    cap_release_locked(g);
}
