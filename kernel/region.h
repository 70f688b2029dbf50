/* Memory regions: pages that programs map and share. */
#pragma once
#include "kernel/object.h"
#include "kernel/space.h"

struct region {
    struct object object;
    uint64_t bytes; /* constant, as all here; a multiple of PAGE_BYTES */
    hpa_t *pages;
    bool is_module; /* pages came with the boot and are not charged */
    bool is_image;  /* REGION_IMAGE */
};

enum err region_create(struct budget *b, uint64_t bytes, struct region **out) MUST_CHECK;
/* Over @bytes of boot memory at @base (page-aligned), or a copy of unaligned bytes. */
enum err region_of_module(hpa_t base, uint64_t bytes, struct region **out) MUST_CHECK;
enum err region_map(struct region *r, struct space *s, uint64_t offset, uint64_t bytes,
                    bool is_writable, uint64_t *va) MUST_CHECK;
