/* 128-bit intermediate results without the compiler's run-time library. */
#pragma once
#include "lib/types.h"

/* @a * @b / @c; UINT64_MAX when that does not fit. @c is not 0. */
static inline uint64_t multiply_divide(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t low, high, quotient, rest;

    __asm__("mul %3" : "=a"(low), "=d"(high) : "a"(a), "r"(b) : "cc");
    if (high >= c)
        return UINT64_MAX;
    __asm__("div %4" : "=a"(quotient), "=d"(rest) : "a"(low), "d"(high), "r"(c) : "cc");
    return quotient;
}

/* (@a << 64) / @c, for @a < @c. */
static inline uint64_t fraction64(uint64_t a, uint64_t c)
{
    uint64_t quotient, rest;

    __asm__("div %4" : "=a"(quotient), "=d"(rest) : "a"(0ul), "d"(a), "r"(c) : "cc");
    return quotient;
}
