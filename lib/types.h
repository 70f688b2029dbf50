/* The types that all code uses: fixed-width integers, and one type for each kind of address so
 * that the compiler keeps guest and host, physical and virtual apart. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

typedef struct {
    uint64_t v;
} gpa_t; /* guest-physical */
typedef struct {
    uint64_t v;
} gva_t; /* guest-virtual (linear) */
typedef struct {
    uint64_t v;
} hpa_t; /* host-physical */
typedef struct {
    uint64_t v;
} hva_t; /* host-virtual, of a program */

#define PAGE_SHIFT  12
#define PAGE_BYTES  4096ul
#define PAGE_MASK   (PAGE_BYTES - 1)
#define LARGE_SHIFT 21
#define LARGE_BYTES (1ul << LARGE_SHIFT)
#define KIB(n)      ((uint64_t)(n) << 10)
#define MIB(n)      ((uint64_t)(n) << 20)
#define GIB(n)      ((uint64_t)(n) << 30)

#define NS_PER_SECOND 1000000000ul
#define NS_PER_MS     1000000ul
#define NS_PER_US     1000ul

static inline uint64_t round_up(uint64_t v, uint64_t power_of_two)
{
    return (v + power_of_two - 1) & ~(power_of_two - 1);
}

static inline uint64_t round_down(uint64_t v, uint64_t power_of_two)
{
    return v & ~(power_of_two - 1);
}

/* True when [@start, @start + @bytes) lies inside [0, @limit); cannot overflow. */
static inline bool range_fits(uint64_t start, uint64_t bytes, uint64_t limit)
{
    return start <= limit && bytes <= limit - start;
}

#define min(a, b)                          \
    ({                                     \
        __auto_type min_a_ = (a);          \
        __auto_type min_b_ = (b);          \
        min_a_ < min_b_ ? min_a_ : min_b_; \
    })
#define max(a, b)                          \
    ({                                     \
        __auto_type max_a_ = (a);          \
        __auto_type max_b_ = (b);          \
        max_a_ > max_b_ ? max_a_ : max_b_; \
    })
