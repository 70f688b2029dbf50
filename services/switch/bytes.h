/* Numbers in network byte order, anywhere in private bytes. */
#pragma once
#include "lib/types.h"

static inline uint16_t be16_get(const uint8_t *at)
{
    uint16_t v;

    __builtin_memcpy(&v, at, sizeof(v));
    return __builtin_bswap16(v);
}

static inline uint32_t be32_get(const uint8_t *at)
{
    uint32_t v;

    __builtin_memcpy(&v, at, sizeof(v));
    return __builtin_bswap32(v);
}

static inline void be16_put(uint8_t *at, uint16_t v)
{
    v = __builtin_bswap16(v);
    __builtin_memcpy(at, &v, sizeof(v));
}

static inline void be32_put(uint8_t *at, uint32_t v)
{
    v = __builtin_bswap32(v);
    __builtin_memcpy(at, &v, sizeof(v));
}
