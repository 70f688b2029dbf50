/* A token bucket: the budget of copies that a port's floods may cause. */
#pragma once
#include "lib/types.h"

struct bucket {
    uint64_t per_second, burst; /* tokens */
    uint64_t filled_ns;         /* the clock when it was last filled up */
    uint64_t credit;            /* tokens * NS_PER_SECOND */
};

/* Full, as of @now_ns. */
void bucket_init(struct bucket *b, uint32_t per_second, uint32_t burst, uint64_t now_ns);

/* Takes @wanted tokens or as many as there are; returns how many. */
uint32_t bucket_take(struct bucket *b, uint64_t now_ns, uint32_t wanted);
