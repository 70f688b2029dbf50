/* A port that leaves takes its debt with it but not its credit: who comes back after each frame would
 * otherwise never pay. */
#include "services/switch/drr.h"

void drr_add(struct drr *d, uint32_t port)
{
    if (d->is_listed[port])
        return;
    d->is_listed[port] = true;
    d->ports[d->count++] = (uint16_t)port;
}

/* The order of the others stays, so that each has its turn in this pass. */
static void take_out(struct drr *d, uint32_t at)
{
    uint32_t port = d->ports[at];

    d->is_listed[port] = false;
    d->deficit[port] = min(d->deficit[port], (int64_t)0);
    d->count--;
    for (uint32_t i = at; i < d->count; i++)
        d->ports[i] = d->ports[i + 1];
    if (at < d->position)
        d->position--;
}

void drr_remove(struct drr *d, uint32_t port)
{
    for (uint32_t i = 0; i < d->count; i++)
        if (d->ports[i] == port) {
            take_out(d, i);
            return;
        }
}

/* Nobody could be served: all are in debt, and the least one is forgiven to all. */
static void forgive(struct drr *d)
{
    int64_t best = INT64_MIN;

    for (uint32_t i = 0; i < d->count; i++)
        best = max(best, d->deficit[d->ports[i]]);
    for (uint32_t i = 0; i < d->count; i++)
        d->deficit[d->ports[i]] -= best;
}

void drr_begin(struct drr *d)
{
    if (!d->served && d->count)
        forgive(d);
    d->position = d->served = 0;
}

bool drr_next(struct drr *d, uint32_t *port, uint64_t *ticks)
{
    while (d->position < d->count) {
        uint32_t p = d->ports[d->position++];

        d->deficit[p] += DRR_QUANTUM;
        if (d->deficit[p] <= 0)
            continue;
        *port = p;
        *ticks = (uint64_t)d->deficit[p];
        d->served++;
        return true;
    }
    return false;
}

void drr_charge(struct drr *d, uint64_t ticks)
{
    d->deficit[d->ports[d->position - 1]] -= (int64_t)min(ticks, (uint64_t)INT64_MAX / 2);
}

void drr_charge_last(struct drr *d, uint64_t ticks)
{
    drr_charge(d, ticks);
    take_out(d, d->position - 1);
}
