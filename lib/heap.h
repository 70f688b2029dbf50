/* A pairing heap of embedded nodes: the smallest key first; insertion O(1), removal O(log n)
 * amortised. Among equal keys the order is unspecified. No allocation, no locking. */
#pragma once
#include "lib/types.h"

struct heap_node {
    struct heap_node *child, *next;
    struct heap_node **link; /* what points at this node; NULL: not in a heap */
    uint64_t key;
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
void heap_insert(struct heap *h, struct heap_node *n, uint64_t key);
/* @n must be in @h. */
void heap_remove(struct heap *h, struct heap_node *n);
