/* The free slots of one receive buffer. The vmm names the slots that it gives; each is checked. */
#pragma once
#include "lib/err.h"
#include "lib/types.h"

#define SLOTS_MAX 65536u

struct slots {
    uint32_t count, free_count;
    uint32_t *stack;   /* of free slots */
    uint64_t *is_free; /* a bit for each slot */
};

/* Memory for @count slots. */
static inline uint64_t slots_bytes(uint32_t count)
{
    return round_up(count, 64) / 8 + 4ull * count;
}

/* None is free. @memory: slots_bytes(), zeroed, aligned to 8. */
static inline void slots_init(struct slots *s, void *memory, uint32_t count)
{
    uint64_t *bits = memory;

    *s = (struct slots){ .count = count, .is_free = bits };
    s->stack = (uint32_t *)(bits + round_up(count, 64) / 64);
}

/* Gives the @count slots from @first on. ERR_GUEST: one does not exist or is free already; those
 * before it are given. So the work of all calls is bound by the number of slots. */
enum err slots_give(struct slots *s, uint32_t first, uint32_t count) MUST_CHECK;

/* The caller has checked free_count. */
static inline uint32_t slots_take(struct slots *s)
{
    uint32_t n = s->stack[--s->free_count];

    s->is_free[n / 64] &= ~(1ull << n % 64);
    return n;
}
