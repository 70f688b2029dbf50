/* Long runs go by one string instruction: of words, since each repetition counts (and QEMU's single
 * bytes would be eight times as many). Entries into the kernel clear the direction flag. */
#include "lib/string.h"

#define LONG_BYTES 32u

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    uint8_t *t = to;
    const uint8_t *f = from;

    if (n >= LONG_BYTES) {
        size_t words = n / 8;

        __asm__ volatile("rep movsq" : "+D"(t), "+S"(f), "+c"(words) : : "memory");
        n %= 8;
    }
    for (; n >= 8; n -= 8, t += 8, f += 8)
        __asm__("mov (%1), %%rax\n\tmov %%rax, (%0)" : : "r"(t), "r"(f) : "rax", "memory");
    for (; n; n--) {
        *t++ = *f++;
        __asm__("" : : : "memory"); /* else the compiler makes this loop a call of memcpy */
    }
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    uint8_t *t = to;
    const uint8_t *f = from;

    if (t <= f || t >= f + n)
        return memcpy(to, from, n);
    while (n) {
        n--;
        t[n] = f[n];
        __asm__("" : : : "memory");
    }
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    uint8_t *t = to;
    uint64_t wide = 0x0101010101010101ull * (uint8_t)byte;

    if (n >= LONG_BYTES) {
        size_t words = n / 8;

        __asm__ volatile("rep stosq" : "+D"(t), "+c"(words) : "a"(wide) : "memory");
        n %= 8;
    }
    for (; n >= 8; n -= 8, t += 8)
        __asm__("mov %1, (%0)" : : "r"(t), "r"(wide) : "memory");
    for (; n; n--) {
        *t++ = (uint8_t)byte;
        __asm__("" : : : "memory");
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;

    for (; n; n--, x++, y++)
        if (*x != *y)
            return *x < *y ? -1 : 1;
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;

    for (; s[n]; n++)
        __asm__("" : : : "memory");
    return n;
}

int strcmp(const char *a, const char *b)
{
    for (; *a && *a == *b; a++, b++)
        ;
    return (uint8_t)*a - (uint8_t)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n && *a && *a == *b; a++, b++, n--)
        ;
    return n ? (uint8_t)*a - (uint8_t)*b : 0;
}

bool string_copy(char *to, size_t capacity, const char *from)
{
    size_t n = strlen(from);
    bool fits = n < capacity;

    if (!fits)
        n = capacity - 1;
    memcpy(to, from, n);
    to[n] = 0;
    return fits;
}
