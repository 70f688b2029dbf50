/* A pairing heap of embedded nodes: the smallest key first, among equal ones the smallest order;
 * insertion O(1), removal O(log n) amortised. No allocation, no locking. */
#pragma once
#include "lib/types.h"

struct heap_node {
    struct heap_node *child, *next;
    struct heap_node **link; /* what points at this node; NULL: not in a heap */
    uint64_t key, order;
};

struct heap {
    struct heap_node *root;
};

static inline bool heap_holds(const struct heap_node *n)
{
    return n->link != NULL;
}

static inline struct heap_node *heap_first(const struct heap *h)
{
    return h->root;
}

/* @n must not be in a heap. */
void heap_insert_ordered(struct heap *h, struct heap_node *n, uint64_t key, uint64_t order);
static inline void heap_insert(struct heap *h, struct heap_node *n, uint64_t key)
{
    heap_insert_ordered(h, n, key, 0);
}
/* @n must be in @h. */
void heap_remove(struct heap *h, struct heap_node *n);
