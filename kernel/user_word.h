/* Single words of the calling program's memory, inline: for the exit path. */
#pragma once
#include "arch/x86/cpu.h"
#include "arch/x86/paging.h"

static inline void user_access_begin(void)
{
    if (cpu_features.has_smap)
        __asm__ volatile("stac" : : : "memory");
}

static inline void user_access_end(void)
{
    if (cpu_features.has_smap)
        __asm__ volatile("clac" : : : "memory");
}

/* False: not mapped. @at was checked to lie below USER_END; between begin and end. */
static inline bool user_load_word(uint64_t at, uint64_t *out)
{
    uint64_t v;

    __asm__ goto("1: movq (%1), %0\n\t"
                 ".pushsection .fixup, \"a\"\n\t.quad 1b, %l2\n\t.popsection"
                 : "=r"(v)
                 : "r"(at)
                 : "memory"
                 : failed);
    *out = v;
    return true;
failed:
    return false;
}

static inline bool user_store_word(uint64_t at, uint64_t v)
{
    __asm__ goto("1: movq %0, (%1)\n\t"
                 ".pushsection .fixup, \"a\"\n\t.quad 1b, %l2\n\t.popsection"
                 :
                 : "r"(v), "r"(at)
                 : "memory"
                 : failed);
    return true;
failed:
    return false;
}
