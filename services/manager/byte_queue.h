/* A bounded queue of bytes whose content and counters live in the estate, so that it survives the
 * manager; the struct byte_queue around them is made again at each start. */
#pragma once
#include "lib/types.h"

/* Counters only grow; a byte n is at n % capacity. */
struct byte_queue_state {
    uint32_t read, write;
};

struct byte_queue {
    struct byte_queue_state *state;
    uint8_t *data;
    uint32_t capacity; /* a power of two */
};

/* False when @state cannot be that of such a queue; then it has been emptied. */
bool byte_queue_init(struct byte_queue *q, struct byte_queue_state *state, uint8_t *data,
                     uint32_t capacity);

uint32_t byte_queue_used(const struct byte_queue *q);
uint32_t byte_queue_free(const struct byte_queue *q);

/* Puts all @n bytes or, when there is no room, none. */
bool byte_queue_put(struct byte_queue *q, const void *bytes, size_t n) MUST_CHECK;

/* Takes up to @n bytes; returns how many. */
size_t byte_queue_take(struct byte_queue *q, void *bytes, size_t n);

/* Moves up to @n bytes; returns how many. */
size_t byte_queue_move(struct byte_queue *from, struct byte_queue *to, size_t n);
