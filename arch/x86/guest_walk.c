#include "arch/x86/guest_walk.h"
#include "lib/x86/regs.h"
#include "lib/string.h"
#include "arch/x86/trap.h"

bool guest_write_window(gpa_t gpa, const void *in, size_t bytes)
{
    return range_fits(gpa.v, bytes, WINDOW_BYTES) &&
           copy_fault_safe((void *)(WINDOW_BASE + gpa.v), in, bytes);
}

bool guest_read_window(gpa_t gpa, void *out, size_t bytes)
{
    return range_fits(gpa.v, bytes, WINDOW_BYTES) &&
           copy_fault_safe(out, (const void *)(WINDOW_BASE + gpa.v), bytes);
}

/* What a walk came by, from the top down. */
struct walk {
    gpa_t gpa;
    uint64_t all; /* bits that every entry has */
    unsigned depth, entry_bytes;
    uint64_t entries[4]; /* where they lie */
};

/* False: not present, or the table lies outside guest memory. */
static bool take_entry(struct walk *w, uint64_t at, uint64_t *entry)
{
    if (!guest_load64(at, entry))
        return false;
    if (w->entry_bytes == 4)
        *entry &= UINT32_MAX;
    w->entries[w->depth++] = at;
    w->all &= *entry;
    return *entry & PTE_PRESENT;
}

/* Long mode and PAE: entries of 8 bytes, 9 bits a level. */
static bool walk_wide(struct walk *w, uint64_t table, uint64_t linear, unsigned level)
{
    for (;; level--) {
        unsigned shift = PAGE_SHIFT + 9 * level;
        uint64_t entry;

        if (!take_entry(w, table + (linear >> shift & 511) * 8, &entry))
            return false;
        if (level == 0 || (entry & PTE_LARGE)) {
            uint64_t mask = (1ull << shift) - 1;

            w->gpa.v = (entry & PTE_ADDRESS & ~mask) | (linear & mask);
            return true;
        }
        table = entry & PTE_ADDRESS;
    }
}

static bool walk_narrow(struct walk *w, const struct guest_paging *p, uint64_t linear)
{
    uint64_t entry;

    w->entry_bytes = 4;
    if (!take_entry(w, (p->cr3 & ~PAGE_MASK & UINT32_MAX) + (linear >> 22 & 1023) * 4, &entry))
        return false;
    if ((entry & PTE_LARGE) && (p->cr4 & CR4_PSE)) {
        w->gpa.v = (entry & 0xffc00000u) | (entry >> 13 & 0xff) << 32 | (linear & 0x3fffff);
        return true;
    }
    if (!take_entry(w, (entry & 0xfffff000u) + (linear >> 12 & 1023) * 4, &entry))
        return false;
    w->gpa.v = (entry & 0xfffff000u) | (linear & PAGE_MASK);
    return true;
}

static bool walk(struct walk *w, const struct guest_paging *p, uint64_t linear)
{
    uint64_t entry;

    *w = (struct walk){ .all = UINT64_MAX, .entry_bytes = 8 };
    if (likely(p->efer & EFER_LMA))
        return walk_wide(w, p->cr3 & PTE_ADDRESS, linear, 3);
    linear &= UINT32_MAX;
    if (!(p->cr0 & CR0_PG)) {
        w->gpa.v = linear;
        return true;
    }
    if (!(p->cr4 & CR4_PAE))
        return walk_narrow(w, p, linear);
    /* The four entries at the top of PAE have no rights and no accessed bit. */
    return guest_load64((p->cr3 & 0xffffffe0u) + (linear >> 30) * 8, &entry) &&
           (entry & PTE_PRESENT) && walk_wide(w, entry & PTE_ADDRESS, linear, 1);
}

enum err guest_translate(const struct guest_paging *p, uint64_t linear, gpa_t *out)
{
    struct walk w;

    if (likely(p->efer & EFER_LMA))
        return guest_walk_quickly(p->cr3, linear, out) ? OK : ERR_ARGUMENT;
    if (!walk(&w, p, linear))
        return ERR_ARGUMENT;
    *out = w.gpa;
    return OK;
}

static bool may_access(const struct guest_paging *p, const struct walk *w, unsigned access)
{
    bool is_user_page = w->all & PTE_USER, is_user = access & GUEST_ACCESS_USER;

    if (is_user && !is_user_page)
        return false;
    if (!is_user && is_user_page && (p->cr4 & CR4_SMAP) && !(access & GUEST_ACCESS_AC))
        return false;
    return !(access & GUEST_ACCESS_WRITE) || (w->all & PTE_WRITE) ||
           (!is_user && !(p->cr0 & CR0_WP));
}

static void set_bits(const struct walk *w, unsigned access)
{
    for (unsigned i = 0; i < w->depth; i++) {
        uint32_t entry, bits = (uint32_t)PTE_ACCESSED;

        if (i == w->depth - 1 && (access & GUEST_ACCESS_WRITE))
            bits |= (uint32_t)PTE_DIRTY;
        if (guest_read_window((gpa_t){ w->entries[i] }, &entry, 4) && (entry & bits) != bits) {
            entry |= bits;
            guest_write_window((gpa_t){ w->entries[i] }, &entry, 4);
        }
    }
}

enum err guest_translate_for(const struct guest_paging *p, uint64_t linear, unsigned access,
                             gpa_t *out, uint32_t *error)
{
    struct walk w;
    bool is_present = walk(&w, p, linear);

    *error = (is_present ? PAGE_FAULT_PRESENT : 0) |
             (access & GUEST_ACCESS_WRITE ? PAGE_FAULT_WRITE : 0) |
             (access & GUEST_ACCESS_USER ? PAGE_FAULT_USER : 0);
    if (!is_present || ((p->cr0 & CR0_PG) && !may_access(p, &w, access)))
        return ERR_ARGUMENT;
    set_bits(&w, access);
    *out = w.gpa;
    return OK;
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

unsigned guest_fetch_instruction(const struct guest_paging *p, uint64_t linear, uint8_t out[16])
{
    uint64_t low, high;
    gpa_t gpa;

    if ((linear & PAGE_MASK) > PAGE_BYTES - 16 || guest_translate(p, linear, &gpa) ||
        !guest_load64(gpa.v, &low) || !guest_load64(gpa.v + 8, &high))
        return guest_fetch(p, linear, out, 15);
    memcpy(out, &low, sizeof(low));
    memcpy(out + 8, &high, sizeof(high));
    return 15;
}
