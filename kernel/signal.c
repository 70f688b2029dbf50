#include "kernel/signal.h"
#include "arch/x86/panic.h"
#include "arch/x86/tsc.h"
#include "kernel/sched.h"
#include "kernel/thread.h"

enum err signal_create(struct budget *b, struct signal **out)
{
    *out = object_create(b, OBJECT_SIGNAL, sizeof(**out));
    return *out ? OK : ERR_MEMORY;
}

void signal_destroy(struct object *o)
{
    BUG_ON(container_of(o, struct signal, object)->waiters);
}

void signal_raise_locked(struct signal *s, uint64_t bits)
{
    s->pending |= bits;
    for (struct thread *t = s->waiters; t; t = t->next_waiter)
        sched_wake_locked(t);
}

void signal_raise(struct signal *s, uint64_t bits)
{
    spin_lock(&sched_lock);
    signal_raise_locked(s, bits);
    spin_unlock(&sched_lock);
}

static void remove_waiter(struct signal *s, struct thread *t)
{
    struct thread **link = &s->waiters;

    while (*link != t)
        link = &(*link)->next_waiter;
    *link = t->next_waiter;
}

enum err signal_wait(struct signal *s, uint64_t deadline_ns, uint64_t *bits)
{
    struct thread *t = thread_current();
    uint64_t deadline = clock_to_tsc(deadline_ns);

    spin_lock(&sched_lock);
    if (!s->pending && !t->is_dying && rdtsc() < deadline) {
        t->next_waiter = s->waiters;
        s->waiters = t;
        sched_block_until_locked(deadline, &s->pending);
        remove_waiter(s, t);
    }
    *bits = s->pending;
    s->pending = 0;
    spin_unlock(&sched_lock);
    return *bits ? OK : t->is_dying ? ERR_STATE : ERR_TIMED_OUT;
}

void binding_set(struct binding *b, struct signal *s, unsigned bit)
{
    struct signal *old;

    object_get(&s->object);
    spin_lock(&sched_lock);
    old = b->signal;
    b->signal = s;
    b->bit = 1ull << bit;
    if (b->is_latched)
        signal_raise_locked(s, b->bit);
    spin_unlock(&sched_lock);
    if (old)
        object_put(&old->object);
}

void binding_clear(struct binding *b)
{
    struct signal *old;

    spin_lock(&sched_lock);
    old = b->signal;
    b->signal = NULL;
    spin_unlock(&sched_lock);
    if (old)
        object_put(&old->object);
}

void binding_fire_locked(struct binding *b)
{
    if (b->signal)
        signal_raise_locked(b->signal, b->bit);
}

void binding_fire(struct binding *b)
{
    spin_lock(&sched_lock);
    binding_fire_locked(b);
    spin_unlock(&sched_lock);
}

void binding_latch(struct binding *b)
{
    spin_lock(&sched_lock);
    b->is_latched = true;
    binding_fire_locked(b);
    spin_unlock(&sched_lock);
}
