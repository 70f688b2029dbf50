/* Each node links to its first child and its next sibling; @link is the pointer that holds the
 * node, so a node can be cut out without knowing its parent. */
#include "lib/heap.h"

static bool is_before(const struct heap_node *a, const struct heap_node *b)
{
    return a->key < b->key || (a->key == b->key && a->order < b->order);
}

static struct heap_node *meld(struct heap_node *a, struct heap_node *b)
{
    if (!a)
        return b;
    if (!b)
        return a;
    if (is_before(b, a)) {
        struct heap_node *t = a;

        a = b;
        b = t;
    }
    b->next = a->child;
    if (b->next)
        b->next->link = &b->next;
    a->child = b;
    b->link = &a->child;
    return a;
}

/* Melds a list of siblings in pairs, left to right, then the results right to left. */
static struct heap_node *meld_siblings(struct heap_node *first)
{
    struct heap_node *pairs = NULL, *result = NULL;

    while (first) {
        struct heap_node *a = first, *b = a->next;

        first = b ? b->next : NULL;
        a->next = NULL;
        if (b)
            b->next = NULL;
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs) {
        struct heap_node *next = pairs->next;

        pairs->next = NULL;
        result = meld(result, pairs);
        pairs = next;
    }
    return result;
}

static void set_root(struct heap *h, struct heap_node *n)
{
    h->root = n;
    if (n)
        n->link = &h->root;
}

void heap_insert_ordered(struct heap *h, struct heap_node *n, uint64_t key, uint64_t order)
{
    *n = (struct heap_node){ .key = key, .order = order };
    set_root(h, meld(h->root, n));
}

void heap_remove(struct heap *h, struct heap_node *n)
{
    struct heap_node *children = meld_siblings(n->child);

    if (h->root == n) {
        set_root(h, children);
    } else {
        *n->link = n->next;
        if (n->next)
            n->next->link = n->link;
        set_root(h, meld(h->root, children));
    }
    *n = (struct heap_node){ 0 };
}
