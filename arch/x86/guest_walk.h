/* Reading a guest's memory as its CPU does: by linear address, through its own page tables, seen
 * in the window (paging.h) of the running vmm. */
#pragma once
#include "arch/x86/paging.h"
#include "lib/err.h"
#include "lib/types.h"

struct guest_paging {
    uint64_t cr0, cr3, cr4, efer;
};

/* ERR_ARGUMENT: not mapped, or a table lies outside guest memory. Checks presence only: what the
 * CPU has just executed was permitted. */
enum err guest_translate(const struct guest_paging *p, uint64_t linear, gpa_t *out) MUST_CHECK;

#define GUEST_ACCESS_WRITE 1u
#define GUEST_ACCESS_USER  2u
#define GUEST_ACCESS_AC    4u /* RFLAGS.AC is set */

/* The same for an access that the CPU has not made: with the rights of GUEST_ACCESS_*, and setting
 * accessed and dirty bits as it would. On error *@error is the code of the page fault. */
enum err guest_translate_for(const struct guest_paging *p, uint64_t linear, unsigned access,
                             gpa_t *out, uint32_t *error) MUST_CHECK;

/* Copies up to @bytes at @linear; stops where a page is missing. Returns how many were read. */
unsigned guest_fetch(const struct guest_paging *p, uint64_t linear, uint8_t *out, unsigned bytes);

/* The same for the 15 bytes that an instruction may have. */
unsigned guest_fetch_instruction(const struct guest_paging *p, uint64_t linear, uint8_t out[16]);

/* The frequent case of the exit path, inline: the eight bytes at @rip in a guest that runs 64-bit
 * code, through 4-level tables, not across a page. False: use the general way. */
static inline bool guest_peek_code(uint64_t cr3, uint64_t rip, uint64_t *out);

/* Physical reads through the window; false outside mapped guest memory. */
bool guest_read_window(gpa_t gpa, void *out, size_t bytes);
/* False also where an overlay may only be read. */
bool guest_write_window(gpa_t gpa, const void *in, size_t bytes);

#define WINDOW_BYTES (1ull << 39)

/* One load through the window, which may fault. False: nothing is there. */
static inline bool guest_load64(uint64_t gpa, uint64_t *out)
{
    uint64_t v;

    if (unlikely(gpa >= WINDOW_BYTES))
        return false;
    __asm__ goto("1: mov (%1), %0\n\t"
                 ".pushsection .fixup, \"a\"\n\t.quad 1b, %l2\n\t.popsection"
                 : "=r"(v)
                 : "r"(WINDOW_BASE + gpa)
                 : "memory"
                 : failed);
    *out = v;
    return true;
failed:
    return false;
}

/* One level of the walk; with @shift constant the compiler leaves a handful of instructions. */
static inline __attribute__((always_inline)) bool guest_step(uint64_t *entry, uint64_t rip,
                                                             unsigned shift)
{
    return guest_load64((*entry & PTE_ADDRESS) + (rip >> (shift - 3) & 511 * 8), entry) &&
           (*entry & PTE_PRESENT);
}

/* 4-level tables: where @linear lies. */
static inline __attribute__((always_inline)) bool guest_walk_quickly(uint64_t cr3, uint64_t linear,
                                                                     gpa_t *out)
{
    uint64_t entry = cr3, mask = LARGE_BYTES - 1;

    if (!guest_step(&entry, linear, 39) || !guest_step(&entry, linear, 30))
        return false;
    if (unlikely(entry & PTE_LARGE)) {
        mask = GIB(1) - 1;
    } else if (!guest_step(&entry, linear, 21)) {
        return false;
    } else if (!(entry & PTE_LARGE)) {
        if (!guest_step(&entry, linear, 12))
            return false;
        mask = PAGE_MASK;
    }
    out->v = (entry & PTE_ADDRESS & ~mask) | (linear & mask);
    return true;
}

static inline __attribute__((always_inline)) bool guest_peek_code(uint64_t cr3, uint64_t rip,
                                                                  uint64_t *out)
{
    gpa_t gpa;

    return (rip & PAGE_MASK) <= PAGE_BYTES - sizeof(*out) && guest_walk_quickly(cr3, rip, &gpa) &&
           guest_load64(gpa.v, out);
}
