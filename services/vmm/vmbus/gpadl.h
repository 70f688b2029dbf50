/* GPADLs: lists of guest pages that a guest hands over for rings and buffers, collected from one
 * header and as many bodies as it takes. Pure.
 * Source: Linux drivers/hv/channel.c, create_gpadl_header(). */
#pragma once
#include "lib/abi/vmbus.h"
#include "lib/err.h"

#define GPADL_COUNT_MAX 2304u  /* of a VM: a ring for every channel, and some buffers */
#define GPADL_PAGES_MAX 32768u /* of a VM: 128 MiB */

struct gpadl {
    struct gpadl *next;
    uint32_t id, channel;
    uint32_t byte_count, byte_offset;
    uint32_t page_count, received; /* complete when equal */
    uint32_t is_ring;              /* of the open channel: torn down after it is closed */
    uint32_t allocated_bytes;
    uint64_t pages[];
};

/* What the collection asks of its surroundings. */
struct gpadl_ops {
    void *(*allocate)(void *ctx, size_t bytes); /* zeroed, or NULL */
    void (*release)(void *ctx, void *p, size_t bytes);
    bool (*has_page)(void *ctx, uint64_t page); /* the guest has RAM there */
};

struct gpadl_table {
    const struct gpadl_ops *ops;
    void *ctx;
    struct gpadl *first;
    uint32_t count, page_count;
};

struct gpadl *gpadl_find(const struct gpadl_table *t, uint32_t id);

/* Takes up the header @h, whose @bytes hold page numbers behind it, for channel h->channel.
 * ERR_EXISTS: the id is taken; ERR_ARGUMENT: a length, a count or a page is wrong; ERR_FULL,
 * ERR_MEMORY: too many, or no memory. Nothing has changed then. */
enum err gpadl_begin(struct gpadl_table *t, const struct vmbus_gpadl_header *h,
                     const uint64_t *pages, uint32_t count, struct gpadl **out) MUST_CHECK;

/* Appends page numbers to @g. ERR_ARGUMENT: too many, or no RAM; then @g is gone. */
enum err gpadl_append(struct gpadl_table *t, struct gpadl *g, const uint64_t *pages, uint32_t count)
    MUST_CHECK;

static inline bool gpadl_is_complete(const struct gpadl *g)
{
    return g->received == g->page_count;
}

void gpadl_destroy(struct gpadl_table *t, struct gpadl *g);
void gpadl_destroy_all(struct gpadl_table *t);
/* Those of one channel, but for the ring of an open one. */
void gpadl_destroy_of(struct gpadl_table *t, uint32_t channel);

/* For a restore: an empty one, which gpadl_append() fills. Errors as gpadl_begin(). */
enum err gpadl_create(struct gpadl_table *t, uint32_t id, uint32_t channel, uint32_t byte_count,
                      uint32_t byte_offset, struct gpadl **out) MUST_CHECK;
