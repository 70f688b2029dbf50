#include "kernel/space.h"
#include "arch/x86/cpu.h"
#include "arch/x86/kernel_map.h"
#include "arch/x86/panic.h"
#include "arch/x86/trap.h"
#include "kernel/flush.h"
#include "kernel/memory.h"
#include "kernel/view.h"
#include "lib/string.h"

#define FIRST_FREE_VA 0x100000000ull
#define LAST_FREE_VA  0x7f0000000000ull

static uint64_t user_flags(bool is_writable, bool is_executable)
{
    return PTE_USER | (is_writable ? PTE_WRITE : 0) |
           (!is_executable && cpu_features.has_nx ? PTE_NO_EXECUTE : 0);
}

static enum err take_table(struct page_source *source, hpa_t *out)
{
    struct space *s = container_of(source, struct space, source);

    return frames_take(s->budget, 0, FRAME_KERNEL, out);
}

static void give_table(struct page_source *source, hpa_t page)
{
    frames_give(container_of(source, struct space, source)->budget, page, 0);
}

enum err space_init(struct space *s, struct budget *b)
{
    *s = (struct space){
        .lock = SPINLOCK(RANK_OBJECT),
        .budget = b,
        .source = { take_table, give_table },
    };
    enum err err = frames_take(b, 0, FRAME_KERNEL, &s->root);

    if (!err)
        kernel_map_share(s->root);
    return err;
}

/* Clears the leaves of a mapping; private pages go back. */
static void clear_leaves(struct space *s, const struct mapping *m)
{
    uint64_t bytes;

    for (uint64_t va = m->va; va < m->va + m->bytes; va += bytes) {
        uint64_t *leaf = paging_leaf(s->root, va, &bytes);

        if (!leaf) {
            bytes = PAGE_BYTES;
            continue;
        }
        hpa_t page = { *leaf & PTE_ADDRESS };

        *leaf = 0;
        if (!m->object && memory_owner_of(page) == FRAME_PROGRAM)
            frames_give(s->budget, page, 0);
    }
}

static void free_mapping(struct space *s, struct mapping *m)
{
    struct object *o = m->object;

    if (m->is_view)
        view_mapping_gone((struct view *)o, s, m->va);
    kernel_free(s->budget, m, sizeof(*m));
    if (o)
        object_put(o);
}

void space_destroy(struct space *s)
{
    if (!s->root.v)
        return;
    while (s->mappings) {
        struct mapping *m = s->mappings;

        s->mappings = m->next;
        if (m->is_view)
            view_unmap_leaves(s, m);
        else
            clear_leaves(s, m);
        free_mapping(s, m);
    }
    paging_free(s->root, 0, 255, &s->source);
    for (unsigned i = 0; i < array_count(s->scraps); i++) {
        if (s->scraps[i].page.v)
            frames_give(s->budget, s->scraps[i].page, 0);
        if (s->scraps[i].table.v)
            frames_give(s->budget, s->scraps[i].table, 0);
    }
    frames_give(s->budget, s->root, 0);
    s->root.v = 0;
}

enum err space_note_locked(struct space *s, struct object *o, uint64_t va, uint64_t bytes,
                           bool is_view)
{
    struct mapping *m = kernel_alloc(s->budget, sizeof(*m));

    if (!m)
        return ERR_MEMORY;
    *m = (struct mapping){ s->mappings, o, va, bytes, is_view };
    if (o)
        object_get(o);
    s->mappings = m;
    return OK;
}

enum err space_add_private(struct space *s, uint64_t va, uint64_t bytes, const void *from,
                           uint64_t from_bytes)
{
    enum err err = space_note_locked(s, NULL, va, bytes, false);

    for (uint64_t at = 0; !err && at < bytes; at += PAGE_BYTES) {
        hpa_t page;

        err = frames_take(s->budget, 0, FRAME_PROGRAM, &page);
        if (err)
            break;
        if (at < from_bytes)
            memcpy(direct_map(page), (const uint8_t *)from + at, min(PAGE_BYTES, from_bytes - at));
        err = paging_map(s->root, va + at, page, user_flags(true, false), &s->source);
        if (err)
            frames_give(s->budget, page, 0);
    }
    return err;
}

extern uint64_t kernel_image_phys;

enum err space_add_image(struct space *s, uint64_t va, const void *image, uint64_t bytes,
                         bool is_executable)
{
    uint64_t phys = (uint64_t)image - KERNEL_BASE - KERNEL_LINK_OFFSET + kernel_image_phys;
    enum err err = space_note_locked(s, NULL, va, bytes, false);

    for (uint64_t at = 0; !err && at < bytes; at += PAGE_BYTES)
        err = paging_map(s->root, va + at, (hpa_t){ phys + at }, user_flags(false, is_executable),
                         &s->source);
    return err;
}

/* The first gap; what was unmapped is used again, with the tables that it had. */
enum err space_reserve_locked(const struct space *s, uint64_t bytes, uint64_t align, uint64_t *va)
{
    uint64_t at = round_up(FIRST_FREE_VA, align);
    const struct mapping *m = s->mappings;

    bytes = round_up(bytes, PAGE_BYTES) + PAGE_BYTES; /* a hole behind each */
    while (m) {
        if (at < m->va + m->bytes + PAGE_BYTES && m->va < at + bytes) {
            at = round_up(m->va + m->bytes + PAGE_BYTES, align);
            m = s->mappings; /* from the start: the list has no order */
        } else {
            m = m->next;
        }
    }
    if (!range_fits(at, bytes, LAST_FREE_VA))
        return ERR_MEMORY;
    *va = at;
    return OK;
}

enum err space_map_pages(struct space *s, struct object *o, const hpa_t *pages, uint64_t count,
                         bool is_writable, uint64_t *va)
{
    enum err err;

    spin_lock(&s->lock);
    err = space_reserve_locked(s, count * PAGE_BYTES, PAGE_BYTES, va);
    if (!err)
        err = space_note_locked(s, o, *va, count * PAGE_BYTES, false);
    bool is_noted = !err;

    for (uint64_t i = 0; !err && i < count; i++)
        err = paging_map(s->root, *va + i * PAGE_BYTES, pages[i], user_flags(is_writable, false),
                         &s->source);
    spin_unlock(&s->lock);
    if (err && is_noted && space_unmap(s, *va))
        return err;
    return err;
}

enum err space_unmap(struct space *s, uint64_t va)
{
    struct mapping *m = NULL;
    uint64_t tables = 0;

    spin_lock(&s->lock);
    for (struct mapping **link = &s->mappings; *link; link = &(*link)->next)
        if ((*link)->va == va && (*link)->object) {
            m = *link;
            *link = m->next;
            if (m->is_view)
                view_unmap_leaves(s, m);
            else
                clear_leaves(s, m);
            tables = paging_unlink_empty(s->root, m->va, m->va + m->bytes);
            break;
        }
    spin_unlock(&s->lock);
    if (!m)
        return ERR_NOT_FOUND;
    flush_all_cpus();
    while (tables) {
        hpa_t page = { tables };

        tables = *(uint64_t *)direct_map(page);
        frames_give(s->budget, page, 0);
    }
    free_mapping(s, m);
    return OK;
}

static bool is_user_range(uint64_t at, uint64_t bytes)
{
    return range_fits(at, bytes, USER_END);
}

enum err user_read(void *to, uint64_t from, uint64_t bytes)
{
    if (!is_user_range(from, bytes) || !user_copy_fault_safe(to, (const void *)from, bytes))
        return ERR_ARGUMENT;
    return OK;
}

enum err user_write(uint64_t to, const void *from, uint64_t bytes)
{
    if (!is_user_range(to, bytes) || !user_copy_fault_safe((void *)to, from, bytes))
        return ERR_ARGUMENT;
    return OK;
}
