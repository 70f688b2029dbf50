#include "services/vmm/loader/placer.h"

enum err placer_take(struct placer *p, uint64_t start, uint64_t bytes)
{
    if (p->count == PLACER_RANGES_MAX)
        return ERR_FULL;
    p->ranges[p->count].start = start;
    p->ranges[p->count].end = start + bytes;
    p->count++;
    return OK;
}

enum err placer_find(struct placer *p, uint64_t from, uint64_t to, uint64_t bytes, uint64_t align,
                     uint64_t *at)
{
    unsigned i = 0;

    from = round_up(from, align);
    while (range_fits(from, bytes, to)) {
        if (i == p->count) {
            *at = from;
            return placer_take(p, from, bytes);
        }
        if (from < p->ranges[i].end && p->ranges[i].start < from + bytes) {
            from = round_up(p->ranges[i].end, align);
            i = 0; /* from the start: the list has no order */
        } else {
            i++;
        }
    }
    return ERR_MEMORY;
}
