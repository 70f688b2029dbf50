#include "kernel/view.h"
#include "arch/x86/cpu.h"
#include "kernel/budget.h"
#include "kernel/flush.h"
#include "kernel/memory.h"

static struct view *create(struct partition *p, struct budget *b, uint64_t bytes, bool is_writable)
{
    struct view *v = object_create(b, OBJECT_VIEW, sizeof(*v));

    if (!v)
        return NULL;
    object_get(&p->object);
    v->partition = p;
    v->bytes = bytes;
    v->is_writable = is_writable;
    v->lock = SPINLOCK(RANK_PROCESSES);
    return v;
}

enum err view_create(struct partition *p, struct budget *b, gpa_t gpa, uint64_t bytes,
                     bool is_writable, struct view **out)
{
    if ((gpa.v & PAGE_MASK) || (bytes & PAGE_MASK) || !partition_is_ram(p, gpa, bytes))
        return ERR_ARGUMENT;
    *out = create(p, b, bytes, is_writable);
    if (*out)
        (*out)->gpa = gpa;
    return *out ? OK : ERR_MEMORY;
}

enum err view_create_list(struct partition *p, struct budget *b, uint64_t *pages, uint64_t count,
                          bool is_writable, struct view **out)
{
    for (uint64_t i = 0; i < count; i++)
        if (pages[i] > UINT64_MAX >> PAGE_SHIFT ||
            !partition_is_ram(p, (gpa_t){ pages[i] << PAGE_SHIFT }, PAGE_BYTES))
            return ERR_ARGUMENT;
    *out = create(p, b, count << PAGE_SHIFT, is_writable);
    if (*out)
        (*out)->pages = pages;
    return *out ? OK : ERR_MEMORY;
}

void view_destroy(struct object *o)
{
    struct view *v = container_of(o, struct view, object);

    if (v->partition)
        object_put(&v->partition->object);
    if (v->pages)
        kernel_free(o->budget, v->pages, (v->bytes >> PAGE_SHIFT) * sizeof(*v->pages));
}

static struct scrap *scrap_of(struct space *s, const struct view *v)
{
    return &s->scraps[v->is_writable];
}

/* The scrap page, and a table of 512 entries that all name it, to stand in for a large page. */
static enum err prepare_scrap(const struct view *v, struct space *s)
{
    uint64_t flags = PTE_PRESENT | PTE_USER | (v->is_writable ? PTE_WRITE : 0) |
                     (cpu_features.has_nx ? PTE_NO_EXECUTE : 0);
    struct scrap *scrap = scrap_of(s, v);
    enum err err;

    if (scrap->table.v)
        return OK;
    err = frames_take(s->budget, 0, FRAME_KERNEL, &scrap->page);
    if (err)
        return err;
    err = frames_take(s->budget, 0, FRAME_KERNEL, &scrap->table);
    if (err) {
        frames_give(s->budget, scrap->page, 0);
        scrap->page.v = 0;
        return err;
    }
    for (unsigned i = 0; i < 512; i++)
        ((uint64_t *)direct_map(scrap->table))[i] = scrap->page.v | flags;
    return OK;
}

static enum err map_leaf(struct view *v, struct space *s, uint64_t va, uint64_t at, uint64_t *step)
{
    uint64_t flags =
        PTE_USER | (v->is_writable ? PTE_WRITE : 0) | (cpu_features.has_nx ? PTE_NO_EXECUTE : 0);
    gpa_t gpa = { v->pages ? v->pages[at >> PAGE_SHIFT] << PAGE_SHIFT : v->gpa.v + at };
    hpa_t page;
    enum err err = partition_page(v->partition, gpa, &page);

    if (err)
        return err;
    bool is_large = !v->pages && !((va + at) & (LARGE_BYTES - 1)) &&
                    !(page.v & (LARGE_BYTES - 1)) && v->bytes - at >= LARGE_BYTES;

    *step = is_large ? LARGE_BYTES : PAGE_BYTES;
    return is_large ? paging_map_large(s->root, va + at, page, flags, &s->source)
                    : paging_map(s->root, va + at, page, flags, &s->source);
}

static struct view_mapping *free_slot(struct view *v)
{
    for (unsigned i = 0; i < VIEW_MAPPINGS_MAX; i++)
        if (!v->mappings[i].space)
            return &v->mappings[i];
    return NULL;
}

enum err view_map(struct view *v, struct space *s, uint64_t *va)
{
    struct view_mapping *slot;
    uint64_t step = PAGE_BYTES;
    enum err err;

    spin_lock(&v->lock);
    slot = free_slot(v);
    err = v->is_revoked ? ERR_GONE : slot ? OK : ERR_FULL;
    spin_lock(&s->lock);
    if (!err)
        err = prepare_scrap(v, s);
    if (!err)
        err = space_reserve_locked(s, v->bytes, v->pages ? PAGE_BYTES : LARGE_BYTES, va);
    if (!err)
        err = space_note_locked(s, &v->object, *va, v->bytes, true);
    bool is_noted = !err;

    for (uint64_t at = 0; !err && at < v->bytes; at += step)
        err = map_leaf(v, s, *va, at, &step);
    if (!err)
        *slot = (struct view_mapping){ s, *va };
    spin_unlock(&s->lock);
    spin_unlock(&v->lock);
    if (err && is_noted && space_unmap(s, *va))
        return err;
    return err;
}

static void replace_leaves(struct space *s, uint64_t va, uint64_t bytes, uint64_t large,
                           uint64_t small)
{
    uint64_t step;

    for (uint64_t at = va; at < va + bytes; at += step) {
        uint64_t *leaf = paging_leaf(s->root, at, &step);

        if (!leaf) {
            step = PAGE_BYTES;
            continue;
        }
        *leaf = step == LARGE_BYTES ? large : small;
    }
}

void view_revoke(struct view *v)
{
    spin_lock(&v->lock);
    v->is_revoked = true;
    for (unsigned i = 0; i < VIEW_MAPPINGS_MAX; i++) {
        struct view_mapping *m = &v->mappings[i];
        struct space *s = m->space;

        if (!s)
            continue;
        spin_lock(&s->lock);
        const struct scrap *scrap = scrap_of(s, v);

        replace_leaves(s, m->va, v->bytes, scrap->table.v | PTE_PRESENT | PTE_WRITE | PTE_USER,
                       *(uint64_t *)direct_map(scrap->table));
        spin_unlock(&s->lock);
    }
    flush_all_cpus();
    spin_unlock(&v->lock);
}

static bool is_scrap_table(const struct space *s, uint64_t table)
{
    return table && (table == s->scraps[0].table.v || table == s->scraps[1].table.v);
}

/* A range that view_revoke() put the scrap table under is cut at the large entry, since its
 * leaves are shared. */
void view_unmap_leaves(struct space *s, const struct mapping *m)
{
    for (uint64_t at = m->va; at < m->va + m->bytes;) {
        uint64_t *large = paging_large_entry(s->root, at);
        uint64_t step;

        if (large && is_scrap_table(s, *large & PTE_ADDRESS)) {
            *large = 0;
            at = round_up(at + 1, LARGE_BYTES);
            continue;
        }
        uint64_t *leaf = paging_leaf(s->root, at, &step);

        if (leaf)
            *leaf = 0;
        at += leaf ? step : PAGE_BYTES;
    }
}

void view_mapping_gone(struct view *v, struct space *s, uint64_t va)
{
    spin_lock(&v->lock);
    for (unsigned i = 0; i < VIEW_MAPPINGS_MAX; i++)
        if (v->mappings[i].space == s && v->mappings[i].va == va)
            v->mappings[i].space = NULL;
    spin_unlock(&v->lock);
}
