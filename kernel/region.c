#include "kernel/region.h"
#include "kernel/budget.h"
#include "kernel/memory.h"
#include "lib/string.h"

#define REGION_BYTES_MAX GIB(1)

static struct region *create_empty(struct budget *b, uint64_t bytes)
{
    struct region *r = object_create(b, OBJECT_REGION, sizeof(*r));

    if (!r)
        return NULL;
    r->bytes = bytes;
    r->pages = kernel_alloc(b, bytes / PAGE_BYTES * sizeof(hpa_t));
    if (!r->pages) {
        object_put(&r->object);
        return NULL;
    }
    return r;
}

enum err region_create(struct budget *b, uint64_t bytes, struct region **out)
{
    struct region *r;

    if (!bytes || bytes > REGION_BYTES_MAX)
        return ERR_ARGUMENT;
    r = create_empty(b, round_up(bytes, PAGE_BYTES));
    if (!r)
        return ERR_MEMORY;
    for (uint64_t i = 0; i < r->bytes / PAGE_BYTES; i++)
        if (frames_take(b, 0, FRAME_PROGRAM, &r->pages[i])) {
            object_put(&r->object);
            return ERR_MEMORY;
        }
    *out = r;
    return OK;
}

static void copy_in(struct region *r, hpa_t base, uint64_t bytes)
{
    for (uint64_t at = 0; at < bytes; at += PAGE_BYTES)
        memcpy(direct_map(r->pages[at / PAGE_BYTES]), direct_map((hpa_t){ base.v + at }),
               min(PAGE_BYTES, bytes - at));
}

enum err region_of_module(hpa_t base, uint64_t bytes, struct region **out)
{
    enum err err;

    if ((base.v & PAGE_MASK) || bytes == 0) {
        err = region_create(&root_budget, max(bytes, 1ull), out);
        if (!err)
            copy_in(*out, base, bytes);
        return err;
    }
    *out = create_empty(&root_budget, round_up(bytes, PAGE_BYTES));
    if (!*out)
        return ERR_MEMORY;
    (*out)->is_module = true;
    for (uint64_t i = 0; i < (*out)->bytes / PAGE_BYTES; i++)
        (*out)->pages[i] = (hpa_t){ base.v + i * PAGE_BYTES };
    /* what lies behind the file's end in its last page is somebody else's */
    if (bytes & PAGE_MASK)
        memset((uint8_t *)direct_map(base) + bytes, 0, PAGE_BYTES - (bytes & PAGE_MASK));
    return OK;
}

void region_destroy(struct object *o)
{
    struct region *r = container_of(o, struct region, object);

    if (!r->pages)
        return;
    for (uint64_t i = 0; i < r->bytes / PAGE_BYTES && !r->is_module; i++)
        if (r->pages[i].v)
            frames_give(o->budget, r->pages[i], 0);
    kernel_free(o->budget, r->pages, r->bytes / PAGE_BYTES * sizeof(hpa_t));
}

enum err region_map(struct region *r, struct space *s, uint64_t offset, uint64_t bytes,
                    bool is_writable, uint64_t *va)
{
    if ((offset & PAGE_MASK) || !bytes ||
        !range_fits(offset, round_up(bytes, PAGE_BYTES), r->bytes))
        return ERR_ARGUMENT;
    return space_map_pages(s, &r->object, r->pages + offset / PAGE_BYTES,
                           round_up(bytes, PAGE_BYTES) / PAGE_BYTES, is_writable, va);
}
