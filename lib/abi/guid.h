/* A GUID as Windows lays it out: three little-endian fields, then eight bytes as they are written. */
#pragma once
#include "lib/types.h"

struct guid {
    uint32_t a;
    uint16_t b, c;
    uint8_t d[8];
};
static_assert(sizeof(struct guid) == 16, "GUIDs are on the wire");

static inline bool guid_is_equal(const struct guid *x, const struct guid *y)
{
    bool is_equal = x->a == y->a && x->b == y->b && x->c == y->c;

    for (unsigned i = 0; i < sizeof(x->d); i++)
        is_equal &= x->d[i] == y->d[i];
    return is_equal;
}
