/* Channels: two rings in the VMBus layout between two programs, a signal each way, a small queue
 * of handles each way, and word of the peer's death.
 *
 * The kernel never looks into the rings. */
#pragma once
#include "kernel/handle.h"
#include "kernel/signal.h"
#include "kernel/space.h"

#define CHANNEL_HANDLES_MAX 8u

struct channel_end {
    struct binding on_signal;                       /* the peer signalled */
    struct binding on_dead;                         /* the peer's last handle was closed */
    struct handle_entry queue[CHANNEL_HANDLES_MAX]; /* sent by the peer; the channel's lock */
    uint32_t queue_first, queue_count;
    uint32_t handle_count; /* atomic */
};

/* A channel in its own queue, or in one that it carries, would keep itself alive. So one that was sent
 * over another carries none itself, and one that has carried another is never sent. */
enum channel_role { CHANNEL_NEW, CHANNEL_CARRIER, CHANNEL_CARRIED };

struct channel {
    struct object object;
    uint32_t role;        /* enum channel_role, atomic; once it is not NEW it stays */
    struct spinlock lock; /* rank HANDLES */
    struct channel_end ends[2];
    uint64_t ring_pages; /* control page and data, each way */
    hpa_t *pages; /* the ring that end 0 writes, end 1's, and the first again: so that each end
                     maps two rings in a row, its own first */
};

enum err channel_create(struct budget *b, uint64_t data_bytes, struct channel **out) MUST_CHECK;
/* Maps both rings, the own one first. */
enum err channel_map(struct channel *c, unsigned end, struct space *s, uint64_t *va) MUST_CHECK;
void channel_signal(struct channel *c, unsigned end);
/* Before @sent goes over @c: they take their roles. ERR_ARGUMENT: they have others. */
enum err channel_nest(struct channel *c, struct channel *sent) MUST_CHECK;
/* Queues a reference to @e's object for the peer of @end. ERR_FULL. */
enum err channel_send(struct channel *c, unsigned end, const struct handle_entry *e) MUST_CHECK;
enum err channel_take(struct channel *c, unsigned end, struct handle_entry *out) MUST_CHECK;
