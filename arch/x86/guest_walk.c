#include "arch/x86/guest_walk.h"
#include "lib/x86/regs.h"
#include "arch/x86/trap.h"

bool guest_read_window(gpa_t gpa, void *out, size_t bytes)
{
    return range_fits(gpa.v, bytes, WINDOW_BYTES) &&
           copy_fault_safe(out, (const void *)(WINDOW_BASE + gpa.v), bytes);
}

/* Long mode and PAE: entries of 8 bytes, 9 bits a level. */
static enum err walk_wide(uint64_t table, uint64_t linear, unsigned level, gpa_t *out)
{
    for (;; level--) {
        unsigned shift = PAGE_SHIFT + 9 * level;
        uint64_t entry;

        if (!guest_load64(table + (linear >> shift & 511) * 8, &entry) || !(entry & PTE_PRESENT))
            return ERR_ARGUMENT;
        if (level == 0 || (entry & PTE_LARGE)) {
            uint64_t mask = (1ull << shift) - 1;

            out->v = (entry & PTE_ADDRESS & ~mask) | (linear & mask);
            return OK;
        }
        table = entry & PTE_ADDRESS;
    }
}

static enum err walk_narrow(const struct guest_paging *p, uint64_t linear, gpa_t *out)
{
    uint64_t entry;

    if (!guest_load64((p->cr3 & ~PAGE_MASK & UINT32_MAX) + (linear >> 22 & 1023) * 4, &entry) ||
        !(entry & PTE_PRESENT))
        return ERR_ARGUMENT;
    if ((entry & PTE_LARGE) && (p->cr4 & CR4_PSE)) {
        out->v = (entry & 0xffc00000u) | (entry >> 13 & 0xff) << 32 | (linear & 0x3fffff);
        return OK;
    }
    if (!guest_load64((entry & 0xfffff000u) + (linear >> 12 & 1023) * 4, &entry) ||
        !(entry & PTE_PRESENT))
        return ERR_ARGUMENT;
    out->v = (entry & 0xfffff000u) | (linear & PAGE_MASK);
    return OK;
}

enum err guest_translate(const struct guest_paging *p, uint64_t linear, gpa_t *out)
{
    uint64_t entry;

    if (likely(p->efer & EFER_LMA))
        return walk_wide(p->cr3 & PTE_ADDRESS, linear, 3, out);
    linear &= UINT32_MAX;
    if (!(p->cr0 & CR0_PG)) {
        out->v = linear;
        return OK;
    }
    if (!(p->cr4 & CR4_PAE))
        return walk_narrow(p, linear, out);
    if (!guest_load64((p->cr3 & 0xffffffe0u) + (linear >> 30) * 8, &entry) ||
        !(entry & PTE_PRESENT))
        return ERR_ARGUMENT;
    return walk_wide(entry & PTE_ADDRESS, linear, 1, out);
}

unsigned guest_fetch(const struct guest_paging *p, uint64_t linear, uint8_t *out, unsigned bytes)
{
    unsigned done = 0;

    while (done < bytes) {
        uint64_t at = linear + done;
        unsigned n = (unsigned)min((uint64_t)(bytes - done), PAGE_BYTES - (at & PAGE_MASK));
        gpa_t gpa;

        if (guest_translate(p, at, &gpa) || !guest_read_window(gpa, out + done, n))
            break;
        done += n;
    }
    return done;
}
