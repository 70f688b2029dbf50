#include "services/vmm/vmbus/gpadl.h"
#include "lib/string.h"

struct gpadl *gpadl_find(const struct gpadl_table *t, uint32_t id)
{
    for (struct gpadl *g = t->first; g; g = g->next)
        if (g->id == id)
            return g;
    return NULL;
}

enum err gpadl_create(struct gpadl_table *t, uint32_t id, uint32_t channel, uint32_t byte_count,
                      uint32_t byte_offset, struct gpadl **out)
{
    uint64_t bytes = (uint64_t)byte_offset + byte_count;
    uint64_t pages = round_up(bytes, PAGE_BYTES) >> PAGE_SHIFT;

    if (!byte_count || byte_offset >= PAGE_BYTES)
        return ERR_ARGUMENT;
    if (gpadl_find(t, id))
        return ERR_EXISTS;
    if (t->count == GPADL_COUNT_MAX || pages > GPADL_PAGES_MAX - t->page_count)
        return ERR_FULL;
    size_t size = sizeof(struct gpadl) + pages * sizeof(uint64_t);
    struct gpadl *g = t->ops->allocate(t->ctx, size);
    if (!g)
        return ERR_MEMORY;
    *g = (struct gpadl){ .id = id,
                         .channel = channel,
                         .byte_count = byte_count,
                         .byte_offset = byte_offset,
                         .page_count = (uint32_t)pages,
                         .allocated_bytes = (uint32_t)size };
    struct gpadl **end = &t->first;
    while (*end)
        end = &(*end)->next;
    *end = g;
    t->count++;
    t->page_count += (uint32_t)pages;
    *out = g;
    return OK;
}

enum err gpadl_append(struct gpadl_table *t, struct gpadl *g, const uint64_t *pages, uint32_t count)
{
    enum err err = count <= g->page_count - g->received ? OK : ERR_ARGUMENT;

    for (uint32_t i = 0; !err && i < count; i++) {
        uint64_t page;

        memcpy(&page, (const uint8_t *)pages + i * sizeof(page), sizeof(page)); /* unaligned */
        if (!t->ops->has_page(t->ctx, page))
            err = ERR_ARGUMENT;
        else
            g->pages[g->received++] = page;
    }
    if (err)
        gpadl_destroy(t, g);
    return err;
}

enum err gpadl_begin(struct gpadl_table *t, const struct vmbus_gpadl_header *h,
                     const uint64_t *pages, uint32_t count, struct gpadl **out)
{
    enum err err = h->range_count == 1 ? OK : ERR_ARGUMENT;

    if (!err)
        err = gpadl_create(t, h->gpadl, h->channel, h->byte_count, h->byte_offset, out);
    return err ? err : gpadl_append(t, *out, pages, count);
}

void gpadl_destroy(struct gpadl_table *t, struct gpadl *g)
{
    struct gpadl **link = &t->first;

    while (*link != g)
        link = &(*link)->next;
    *link = g->next;
    t->count--;
    t->page_count -= g->page_count;
    t->ops->release(t->ctx, g, g->allocated_bytes);
}

void gpadl_destroy_all(struct gpadl_table *t)
{
    while (t->first)
        gpadl_destroy(t, t->first);
}

void gpadl_destroy_of(struct gpadl_table *t, uint32_t channel)
{
    struct gpadl *next;

    for (struct gpadl *g = t->first; g; g = next) {
        next = g->next;
        if (g->channel == channel && !g->is_ring)
            gpadl_destroy(t, g);
    }
}
