/* Address spaces of programs: a page-table root and a list of what is mapped in it. */
#pragma once
#include "arch/x86/paging.h"
#include "kernel/lock.h"
#include "kernel/object.h"

struct mapping {
    struct mapping *next;
    struct object *object; /* referenced: what the pages belong to; NULL: private */
    uint64_t va, bytes;
    bool is_view;
};

struct space {
    struct spinlock lock; /* rank OBJECT; guards all below and the tables */
    hpa_t root;
    struct mapping *mappings;
    struct budget *budget; /* constant */
    struct page_source source;
    struct scrap {         /* for views that it may only read, and for those that it may write */
        hpa_t page, table; /* 0 until such a view is mapped: see view.c */
    } scraps[2];
};

enum err space_init(struct space *s, struct budget *b) MUST_CHECK;
/* Unmaps all, gives back private pages and tables. No CPU may have it loaded. */
void space_destroy(struct space *s);

/* Fresh private pages at a fixed address, copied from @from (@from_bytes, then zero). */
enum err space_add_private(struct space *s, uint64_t va, uint64_t bytes, const void *from,
                           uint64_t from_bytes) MUST_CHECK;
/* Maps @count pages of the kernel's own image read-only, or executable. */
enum err space_add_image(struct space *s, uint64_t va, const void *image, uint64_t bytes,
                         bool is_executable) MUST_CHECK;
/* Maps @pages[0..count) of @o at an address that the kernel chooses; takes a reference to @o. */
enum err space_map_pages(struct space *s, struct object *o, const hpa_t *pages, uint64_t count,
                         bool is_writable, uint64_t *va) MUST_CHECK;
/* Finds @bytes of free addresses, aligned to @align; space lock held until they are noted. */
enum err space_reserve_locked(const struct space *s, uint64_t bytes, uint64_t align, uint64_t *va)
    MUST_CHECK;
/* Adds a mapping record for pages that the caller maps itself (views); space lock held. */
enum err space_note_locked(struct space *s, struct object *o, uint64_t va, uint64_t bytes,
                           bool is_view) MUST_CHECK;
/* Unmaps what was mapped at @va by a program's own request. ERR_NOT_FOUND. */
enum err space_unmap(struct space *s, uint64_t va) MUST_CHECK;

/* Between the caller's program and the kernel. ERR_ARGUMENT: not all of it is mapped. */
enum err user_read(void *to, uint64_t from, uint64_t bytes) MUST_CHECK;
enum err user_write(uint64_t to, const void *from, uint64_t bytes) MUST_CHECK;
