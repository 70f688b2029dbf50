/* Kernel objects: a type, a count of references, and the budget that pays.
 *
 * References are held by handles, by other objects and by running system calls; the last
 * object_put() destroys. No lock may be held there. */
#pragma once
#include "lib/err.h"
#include "lib/types.h"

struct budget;

enum object_type {
    OBJECT_BUDGET = 1,
    OBJECT_REGION,
    OBJECT_PROCESS,
    OBJECT_THREAD,
    OBJECT_SIGNAL,
    OBJECT_TIMER,
    OBJECT_CHANNEL,
    OBJECT_PARTITION,
    OBJECT_VIEW,
    OBJECT_VCPU,
    OBJECT_IOPORTS,
    OBJECT_INTERRUPT,
    OBJECT_PORT,
    OBJECT_TYPE_COUNT,
};

struct object {
    uint32_t type;
    uint32_t refs;         /* atomic */
    uint32_t handles;      /* atomic: how many of the references are handles */
    uint32_t bytes;        /* of the structure that begins with this */
    struct budget *budget; /* referenced */
};

/* A zeroed structure of @bytes beginning with struct object, one reference; NULL: no memory. */
void *object_create(struct budget *b, enum object_type type, size_t bytes);
void object_put(struct object *o);

static inline void object_get(struct object *o)
{
    __atomic_add_fetch(&o->refs, 1, __ATOMIC_RELAXED);
}

/* Destructors, one per type: release what the object holds; the structure is freed by the caller.
 * Called without locks. */
void budget_destroy(struct object *o);
void region_destroy(struct object *o);
void process_destroy(struct object *o);
void thread_destroy(struct object *o);
void signal_destroy(struct object *o);
void timer_destroy(struct object *o);
void channel_destroy(struct object *o);
void partition_destroy(struct object *o);
void view_destroy(struct object *o);
void vcpu_destroy(struct object *o);
void ioports_destroy(struct object *o);
void interrupt_destroy(struct object *o);
void port_destroy(struct object *o);
/* Handles of one end (badge 0 or 1) of a channel come and go; the last one tells the peer. */
void channel_end_opened(struct object *o, uint32_t end);
void channel_end_closed(struct object *o, uint32_t end);
