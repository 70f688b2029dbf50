/* One walker for all page tables. Levels count from 3 (top) to 0 (4 KiB pages). */
#include "arch/x86/paging.h"

static unsigned index_at(uint64_t va, unsigned level)
{
    return (unsigned)(va >> (PAGE_SHIFT + 9 * level)) & 511u;
}

static uint64_t *table_of(uint64_t entry)
{
    return direct_map((hpa_t){ entry & PTE_ADDRESS });
}

static enum err descend(uint64_t *entry, struct page_source *source, uint64_t **out)
{
    hpa_t page;
    enum err err;

    if (!(*entry & PTE_PRESENT)) {
        err = source->take(source, &page);
        if (err)
            return err;
        *entry = page.v | PTE_PRESENT | PTE_WRITE | PTE_USER;
    }
    if (*entry & PTE_LARGE)
        return ERR_EXISTS;
    *out = table_of(*entry);
    return OK;
}

static enum err map_at(hpa_t root, uint64_t va, uint64_t leaf, unsigned leaf_level,
                       struct page_source *source)
{
    uint64_t *table = direct_map(root);

    for (unsigned level = 3; level > leaf_level; level--) {
        enum err err = descend(&table[index_at(va, level)], source, &table);

        if (err)
            return err;
    }
    if (table[index_at(va, leaf_level)] & PTE_PRESENT)
        return ERR_EXISTS;
    table[index_at(va, leaf_level)] = leaf;
    return OK;
}

enum err paging_map(hpa_t root, uint64_t va, hpa_t pa, uint64_t flags, struct page_source *source)
{
    return map_at(root, va, pa.v | flags | PTE_PRESENT, 0, source);
}

enum err paging_map_large(hpa_t root, uint64_t va, hpa_t pa, uint64_t flags,
                          struct page_source *source)
{
    return map_at(root, va, pa.v | flags | PTE_PRESENT | PTE_LARGE, 1, source);
}

uint64_t *paging_leaf(hpa_t root, uint64_t va, uint64_t *bytes)
{
    uint64_t *table = direct_map(root);

    for (unsigned level = 3;; level--) {
        uint64_t *entry = &table[index_at(va, level)];

        if (!(*entry & PTE_PRESENT))
            return NULL;
        if (level == 0 || (*entry & PTE_LARGE)) {
            *bytes = PAGE_BYTES << (9 * level);
            return entry;
        }
        table = table_of(*entry);
    }
}

uint64_t *paging_large_entry(hpa_t root, uint64_t va)
{
    uint64_t *table = direct_map(root);

    for (unsigned level = 3; level > 1; level--) {
        uint64_t entry = table[index_at(va, level)];

        if (!(entry & PTE_PRESENT) || (entry & PTE_LARGE))
            return NULL;
        table = table_of(entry);
    }
    return &table[index_at(va, 1)];
}

enum err paging_split(hpa_t root, uint64_t va, struct page_source *source)
{
    uint64_t bytes;
    uint64_t *leaf = paging_leaf(root, va, &bytes);
    hpa_t page;
    enum err err;

    if (!leaf || bytes != LARGE_BYTES)
        return OK;
    err = source->take(source, &page);
    if (err)
        return err;
    uint64_t *table = direct_map(page);
    uint64_t entry = *leaf & ~PTE_LARGE;

    for (unsigned i = 0; i < 512; i++)
        table[i] = entry + i * PAGE_BYTES;
    *leaf = page.v | PTE_PRESENT | PTE_WRITE | PTE_USER;
    return OK;
}

static bool is_empty(const uint64_t *table)
{
    for (unsigned i = 0; i < 512; i++)
        if (table[i])
            return false;
    return true;
}

/* Bottom up over the tables below @entry, whose range begins at @base and is of @level. The chain's
 * words have no present bit, so a CPU that still walks a stale table finds nothing. */
static void unlink_empty(uint64_t *entry, unsigned level, uint64_t base, uint64_t va, uint64_t end,
                         uint64_t *chain)
{
    uint64_t step = PAGE_BYTES << (9 * (level - 1)), *table;

    if (!(*entry & PTE_PRESENT) || (*entry & PTE_LARGE))
        return;
    table = table_of(*entry);
    for (unsigned i = 0; level > 1 && i < 512; i++)
        if (base + i * step < end && base + (i + 1) * step > va)
            unlink_empty(&table[i], level - 1, base + i * step, va, end, chain);
    if (!is_empty(table))
        return;
    table[0] = *chain;
    *chain = *entry & PTE_ADDRESS;
    *entry = 0;
}

uint64_t paging_unlink_empty(hpa_t root, uint64_t va, uint64_t end)
{
    uint64_t *top = direct_map(root), chain = 0;
    unsigned i = index_at(va, 3);

    unlink_empty(&top[i], 3, (uint64_t)i << 39, va, end, &chain); /* never across a top entry */
    return chain;
}

static void free_table(uint64_t *table, unsigned level, struct page_source *source)
{
    for (unsigned i = 0; i < 512; i++) {
        uint64_t entry = table[i];

        if (!(entry & PTE_PRESENT) || (entry & PTE_LARGE))
            continue;
        if (level > 1)
            free_table(table_of(entry), level - 1, source);
        table[i] = 0;
        source->give(source, (hpa_t){ entry & PTE_ADDRESS });
    }
}

void paging_free(hpa_t root, unsigned first, unsigned last, struct page_source *source)
{
    uint64_t *top = direct_map(root);

    for (unsigned i = first; i <= last; i++) {
        uint64_t entry = top[i];

        if (!(entry & PTE_PRESENT))
            continue;
        top[i] = 0;
        free_table(table_of(entry), 2, source);
        source->give(source, (hpa_t){ entry & PTE_ADDRESS });
    }
}
