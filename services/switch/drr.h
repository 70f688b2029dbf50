/* Deficit round robin over ports with work, on measured time: whose frames are dear gets fewer of
 * them, not more time. */
#pragma once
#include "lib/abi/network.h"

#define DRR_QUANTUM 32768 /* TSC ticks a pass: some 60 small frames */

struct drr {
    uint32_t count, position;
    uint32_t served; /* turns in this pass */
    uint16_t ports[PORTS_MAX];
    bool is_listed[PORTS_MAX];
    int64_t deficit[PORTS_MAX]; /* below 0: what it took too much */
};

/* @port has work; it may be known already. */
void drr_add(struct drr *d, uint32_t port);
/* @port has none, whatever was said before. */
void drr_remove(struct drr *d, uint32_t port);

/* A pass gives each port one turn at most. */
void drr_begin(struct drr *d);
/* The next port of this pass, and the ticks that it may take. False: the pass is over. */
bool drr_next(struct drr *d, uint32_t *port, uint64_t *ticks) MUST_CHECK;
/* The port that drr_next() named took @ticks and has more work; or has none, and leaves. */
void drr_charge(struct drr *d, uint64_t ticks);
void drr_charge_last(struct drr *d, uint64_t ticks);
