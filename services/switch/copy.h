/* Copies between private and lent memory: exactly so many bytes, by words. Lent memory can change
 * while it is copied, so nothing that was copied is read back. */
#pragma once
#include "lib/types.h"

/* Never a byte beyond @n is read or written. One string instruction serves all lengths: most are
 * short, and a loop of moves costs more instructions. */
static inline void copy_exact(void *to, const void *from, size_t n)
{
    size_t words = n / 8;
    uint32_t four;
    uint16_t two;

    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    if (likely(!(n & 7)))
        return;
    if (n & 4) {
        __builtin_memcpy(&four, from, 4);
        __builtin_memcpy(to, &four, 4);
        from = (const uint8_t *)from + 4;
        to = (uint8_t *)to + 4;
    }
    if (n & 2) {
        __builtin_memcpy(&two, from, 2);
        __builtin_memcpy(to, &two, 2);
        from = (const uint8_t *)from + 2;
        to = (uint8_t *)to + 2;
    }
    if (n & 1)
        *(volatile uint8_t *)to = *(const uint8_t *)from;
}
