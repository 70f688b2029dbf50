/* Views: a range of a partition's memory, or a list of its pages, that programs map, and that can be
 * revoked.
 *
 * Revoking always succeeds at once: every page of every mapping of the view is replaced by the
 * borrower's private scrap page, which was set aside when the view was mapped; the borrower never
 * faults. What it writes to a revoked view is never read from another: views that it may only read
 * have a scrap page of their own, which stays zero. */
#pragma once
#include "kernel/partition.h"
#include "kernel/space.h"

#define VIEW_MAPPINGS_MAX 8u
#define VIEW_PAGES_MAX    16384u /* in a list */

struct view_mapping {
    struct space *space; /* NULL: free */
    uint64_t va;
};

struct view {
    struct object object;
    struct partition *partition; /* referenced; all here constant */
    gpa_t gpa;                   /* of a range */
    uint64_t *pages;             /* owned: the page numbers of a list; NULL: a range */
    uint64_t bytes;
    bool is_writable;
    struct spinlock lock; /* rank PROCESSES: taken before the space's; guards: */
    bool is_revoked;
    struct view_mapping mappings[VIEW_MAPPINGS_MAX];
};

enum err view_create(struct partition *p, struct budget *b, gpa_t gpa, uint64_t bytes,
                     bool is_writable, struct view **out) MUST_CHECK;
/* @pages, allocated from @b, becomes the view's if it succeeds. */
enum err view_create_list(struct partition *p, struct budget *b, uint64_t *pages, uint64_t count,
                          bool is_writable, struct view **out) MUST_CHECK;
enum err view_map(struct view *v, struct space *s, uint64_t *va) MUST_CHECK;
void view_revoke(struct view *v);

/* space.c: takes the view's leaves out of @s (space lock held), then forgets the mapping. */
void view_unmap_leaves(struct space *s, const struct mapping *m);
void view_mapping_gone(struct view *v, struct space *s, uint64_t va);
