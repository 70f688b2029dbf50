#include "services/switch/slots.h"

enum err slots_give(struct slots *s, uint32_t first, uint32_t count)
{
    if (!range_fits(first, count, s->count))
        return ERR_GUEST;
    for (uint32_t n = first; n < first + count; n++) {
        uint64_t bit = 1ull << n % 64;

        if (s->is_free[n / 64] & bit)
            return ERR_GUEST;
        s->is_free[n / 64] |= bit;
        s->stack[s->free_count++] = n;
    }
    return OK;
}
