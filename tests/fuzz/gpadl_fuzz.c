// SOURCES: services/vmm/vmbus/gpadl.c lib/string.c
/* Any row of headers, bodies and removals: what is there is what was accepted, page by page. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "services/vmm/vmbus/gpadl.h"

static int allocations;

static void *allocate(void *ctx, size_t bytes)
{
    allocations++;
    return calloc(1, bytes);
}

static void release(void *ctx, void *p, size_t bytes)
{
    allocations--;
    free(p);
}

static bool has_page(void *ctx, uint64_t page)
{
    return page % 7 != 3;
}

static const struct gpadl_ops ops = { allocate, release, has_page };

static void check(const struct gpadl_table *t)
{
    uint32_t count = 0, pages = 0;

    for (const struct gpadl *g = t->first; g; g = g->next) {
        count++;
        pages += g->page_count;
        assert(g->received <= g->page_count && gpadl_find(t, g->id) == g);
        for (uint32_t i = 0; i < g->received; i++)
            assert(has_page(NULL, g->pages[i]));
    }
    assert(count == t->count && pages == t->page_count && (int)count == allocations);
    assert(count <= GPADL_COUNT_MAX && pages <= GPADL_PAGES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct gpadl_table t = { .ops = &ops };
    uint64_t pages[32];
    struct gpadl *g;

    while (n >= 8) {
        uint32_t count = data[1] % 29;
        struct vmbus_gpadl_header h = { .gpadl = data[2] % 8,
                                        .channel = data[3] % 4,
                                        .range_count = data[4] % 3 };

        memcpy(&h.byte_count, data + 4, sizeof(h.byte_count));
        h.byte_offset = data[0] & 0x40 ? data[7] * 16u : 0;
        h.byte_count >>= data[0] & 0x1f;
        for (uint32_t i = 0; i < count; i++)
            pages[i] = (uint64_t)data[i % 8] << (data[5] % 56);
        g = gpadl_find(&t, h.gpadl);
        if (data[0] & 0x80 && g && data[7] & 1)
            gpadl_destroy(&t, g);
        else if (data[0] & 0x80 && g)
            (void)!gpadl_append(&t, g, pages, count);
        else if (data[0] & 0x80)
            gpadl_destroy_of(&t, h.channel);
        else
            (void)!gpadl_begin(&t, &h, pages, count, &g);
        check(&t);
        data += 8;
        n -= 8;
    }
    gpadl_destroy_all(&t);
    check(&t);
    return 0;
}
