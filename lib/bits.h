/* Counting bits without the compiler's run-time library. */
#pragma once
#include "lib/types.h"

static inline unsigned count_bits(uint64_t set)
{
    unsigned n = 0;

    for (; set; set &= set - 1)
        n++;
    return n;
}
