/* What of the guest's RAM is taken while a kernel is put together, and where there is room. */
#pragma once
#include "services/vmm/guest_memory.h"

#define PLACER_RANGES_MAX 128u

struct placer {
    unsigned count;
    struct {
        uint64_t start, end;
    } ranges[PLACER_RANGES_MAX];
};

/* @bytes at @start are taken; they may overlap others. ERR_FULL: too many ranges. */
enum err placer_take(struct placer *p, uint64_t start, uint64_t bytes) MUST_CHECK;

/* Takes the first @bytes between @from and @to that are free and aligned to @align, a power of two.
 * ERR_MEMORY: there are none; ERR_FULL. */
enum err placer_find(struct placer *p, uint64_t from, uint64_t to, uint64_t bytes, uint64_t align,
                     uint64_t *at) MUST_CHECK;
