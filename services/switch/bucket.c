/* Credit is kept in tokens times nanoseconds, so that no time is lost between two looks however close
 * they are; products saturate, since a port can be silent for years. */
#include "services/switch/bucket.h"

void bucket_init(struct bucket *b, uint32_t per_second, uint32_t burst, uint64_t now_ns)
{
    *b = (struct bucket){ per_second, burst, now_ns, burst * NS_PER_SECOND };
}

static void fill(struct bucket *b, uint64_t now_ns)
{
    uint64_t gained, credit;

    if (now_ns <= b->filled_ns)
        return;
    if (__builtin_mul_overflow(now_ns - b->filled_ns, b->per_second, &gained) ||
        __builtin_add_overflow(gained, b->credit, &credit))
        credit = UINT64_MAX;
    b->credit = min(credit, b->burst * NS_PER_SECOND);
    b->filled_ns = now_ns;
}

uint32_t bucket_take(struct bucket *b, uint64_t now_ns, uint32_t wanted)
{
    fill(b, now_ns);
    uint32_t taken = (uint32_t)min((uint64_t)wanted, b->credit / NS_PER_SECOND);

    b->credit -= taken * NS_PER_SECOND;
    return taken;
}
