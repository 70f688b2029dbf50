/* Eight bytes are added at a time with the carry going round, eight such to an iteration: a frame's
 * checksum is the dearest thing that the switch does to it beside the copy. */
#include "services/switch/checksum.h"

static uint64_t add_carry(uint64_t sum, uint64_t v)
{
    sum += v;
    return sum + (sum < v);
}

uint64_t checksum_add(uint64_t sum, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    uint64_t last = 0;

    for (; bytes >= 64; bytes -= 64, at += 64)
        __asm__("add 0(%1), %0\n\t"
                "adc 8(%1), %0\n\t"
                "adc 16(%1), %0\n\t"
                "adc 24(%1), %0\n\t"
                "adc 32(%1), %0\n\t"
                "adc 40(%1), %0\n\t"
                "adc 48(%1), %0\n\t"
                "adc 56(%1), %0\n\t"
                "adc $0, %0"
                : "+r"(sum)
                : "r"(at)
                : "cc", "memory");
    for (; bytes >= 8; bytes -= 8, at += 8) {
        uint64_t v;

        __builtin_memcpy(&v, at, sizeof(v));
        sum = add_carry(sum, v);
    }
    for (unsigned i = 0; i < bytes; i++)
        last |= (uint64_t)at[i] << 8 * i;
    return add_carry(sum, last);
}
