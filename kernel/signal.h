/* Signals: 64 bits that anybody with a handle may raise and that a thread waits for; and bindings,
 * by which events raise a bit of a signal. All guarded by the sched lock. */
#pragma once
#include "kernel/object.h"

struct thread;

struct signal {
    struct object object;
    uint64_t pending;
    struct thread *waiters; /* linked through thread.next_waiter */
};

struct binding {
    struct signal *signal; /* referenced; NULL: nobody listens */
    uint64_t bit;          /* mask */
    bool is_latched;       /* for events that stay: fired before it was bound */
};

enum err signal_create(struct budget *b, struct signal **out) MUST_CHECK;
void signal_raise(struct signal *s, uint64_t bits);
void signal_raise_locked(struct signal *s, uint64_t bits);
/* Waits until a bit is raised or @deadline_ns passed, takes all bits. ERR_TIMED_OUT; ERR_STATE: the
 * thread is to end. */
enum err signal_wait(struct signal *s, uint64_t deadline_ns, uint64_t *bits);

/* Takes a reference to @s. An event that is latched fires at once. */
void binding_set(struct binding *b, struct signal *s, unsigned bit);
void binding_clear(struct binding *b);
void binding_fire(struct binding *b);
void binding_fire_locked(struct binding *b);
/* Fires, and again for every later binding_set(): for ends. */
void binding_latch(struct binding *b);
