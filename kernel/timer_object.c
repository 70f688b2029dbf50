#include "kernel/timer_object.h"
#include "arch/x86/tsc.h"

static void expire(struct timer *t)
{
    binding_fire_locked(&container_of(t, struct timer_object, timer)->on_expire);
}

enum err timer_object_create(struct budget *b, struct timer_object **out)
{
    *out = object_create(b, OBJECT_TIMER, sizeof(**out));
    if (!*out)
        return ERR_MEMORY;
    (*out)->timer.fire = expire;
    return OK;
}

void timer_object_set(struct timer_object *t, uint64_t deadline_ns)
{
    spin_lock(&sched_lock);
    timer_arm_locked(&t->timer, clock_to_tsc(deadline_ns));
    spin_unlock(&sched_lock);
}

void timer_destroy(struct object *o)
{
    struct timer_object *t = container_of(o, struct timer_object, object);

    spin_lock(&sched_lock);
    timer_cancel_locked(&t->timer);
    spin_unlock(&sched_lock);
    binding_clear(&t->on_expire);
}
