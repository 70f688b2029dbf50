#include "lib/string.h"
#include "services/manager/byte_queue.h"

bool byte_queue_init(struct byte_queue *q, struct byte_queue_state *state, uint8_t *data,
                     uint32_t capacity)
{
    *q = (struct byte_queue){ state, data, capacity };
    if (byte_queue_used(q) <= capacity)
        return true;
    *state = (struct byte_queue_state){ 0 };
    return false;
}

uint32_t byte_queue_used(const struct byte_queue *q)
{
    return q->state->write - q->state->read;
}

uint32_t byte_queue_free(const struct byte_queue *q)
{
    return q->capacity - byte_queue_used(q);
}

bool byte_queue_put(struct byte_queue *q, const void *bytes, size_t n)
{
    if (n > byte_queue_free(q))
        return false;
    uint32_t at = q->state->write & (q->capacity - 1);
    size_t first = min(n, (size_t)(q->capacity - at));

    memcpy(q->data + at, bytes, first);
    memcpy(q->data, (const uint8_t *)bytes + first, n - first);
    __atomic_store_n(&q->state->write, q->state->write + (uint32_t)n, __ATOMIC_RELEASE);
    return true;
}

size_t byte_queue_take(struct byte_queue *q, void *bytes, size_t n)
{
    uint32_t at = q->state->read & (q->capacity - 1);

    n = min(n, (size_t)byte_queue_used(q));
    size_t first = min(n, (size_t)(q->capacity - at));
    memcpy(bytes, q->data + at, first);
    memcpy((uint8_t *)bytes + first, q->data, n - first);
    __atomic_store_n(&q->state->read, q->state->read + (uint32_t)n, __ATOMIC_RELEASE);
    return n;
}

size_t byte_queue_move(struct byte_queue *from, struct byte_queue *to, size_t n)
{
    size_t moved = 0;

    n = min(n, (size_t)byte_queue_free(to));
    while (moved < n && byte_queue_used(from)) {
        char piece[256];
        size_t got = byte_queue_take(from, piece, min(sizeof(piece), n - moved));

        if (!byte_queue_put(to, piece, got))
            break; /* cannot be: there was room */
        moved += got;
    }
    return moved;
}
