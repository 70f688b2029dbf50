#include "services/vmm/walk.h"

#define CR0_PG        (1ul << 31)
#define CR4_PSE       (1ul << 4)
#define CR4_PAE       (1ul << 5)
#define EFER_LMA      (1ul << 10)
#define SEGMENT_LONG  0x200u
#define ENTRY_PRESENT 1ul
#define ENTRY_LARGE   0x80ul
#define ENTRY_ADDRESS 0x000ffffffffff000ul

uint64_t walk_code_address(const struct vcpu_state *s)
{
    if ((s->efer & EFER_LMA) && (s->cs.attributes & SEGMENT_LONG))
        return s->rip;
    return (s->cs.base + s->rip) & UINT32_MAX;
}

/* Tables with entries of @entry_bytes and @bits index bits, from @level down to 4 KiB pages. */
static enum err descend(const struct guest_memory *m, uint64_t table, uint64_t linear,
                        unsigned level, unsigned bits, unsigned entry_bytes, gpa_t *out)
{
    for (;; level--) {
        unsigned shift = PAGE_SHIFT + bits * level;
        uint64_t index = linear >> shift & ((1ul << bits) - 1), entry = 0;
        enum err err = guest_read(m, (gpa_t){ table + index * entry_bytes }, &entry, entry_bytes);

        if (err || !(entry & ENTRY_PRESENT))
            return ERR_GUEST;
        if (level == 0 || (entry & ENTRY_LARGE)) {
            uint64_t mask = (1ul << shift) - 1;

            out->v = (entry & ENTRY_ADDRESS & ~mask) | (linear & mask);
            return OK;
        }
        table = entry & ENTRY_ADDRESS;
    }
}

enum err walk_translate(const struct guest_memory *m, const struct vcpu_state *s, uint64_t linear,
                        gpa_t *out)
{
    uint64_t entry;

    if (!(s->cr0 & CR0_PG)) {
        out->v = linear & UINT32_MAX;
        return OK;
    }
    if (s->efer & EFER_LMA)
        return descend(m, s->cr3 & ENTRY_ADDRESS, linear, 3, 9, 8, out);
    if (!(s->cr4 & CR4_PAE))
        return descend(m, s->cr3 & 0xfffff000ul, linear, 1, 10, 4, out);
    if (guest_read(m, (gpa_t){ (s->cr3 & 0xffffffe0ul) + (linear >> 30 & 3) * 8 }, &entry, 8) ||
        !(entry & ENTRY_PRESENT))
        return ERR_GUEST;
    return descend(m, entry & ENTRY_ADDRESS, linear, 1, 9, 8, out);
}
