/* Timers of programs. */
#pragma once
#include "kernel/sched.h"
#include "kernel/signal.h"

struct timer_object {
    struct object object;
    struct timer timer; /* sched lock */
    struct binding on_expire;
};

enum err timer_object_create(struct budget *b, struct timer_object **out) MUST_CHECK;
void timer_object_set(struct timer_object *t, uint64_t deadline_ns);
