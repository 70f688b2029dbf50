// SOURCES: lib/heap.c
#include "lib/heap.h"
#include "tests/unit/test.h"

#define COUNT 500

static struct heap heap;
static struct heap_node nodes[COUNT];
static uint64_t seed = 1;

static uint64_t next_random(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return seed >> 33;
}

static void fill(void)
{
    heap = (struct heap){ 0 };
    for (int i = 0; i < COUNT; i++) {
        nodes[i] = (struct heap_node){ 0 };
        heap_insert(&heap, &nodes[i], next_random() % 100);
    }
}

TEST(nodes_leave_in_the_order_of_their_keys)
{
    uint64_t last = 0;

    fill();
    for (int i = 0; i < COUNT; i++) {
        struct heap_node *n = heap_first(&heap);

        EXPECT(n);
        EXPECT(n->key >= last);
        last = n->key;
        heap_remove(&heap, n);
        EXPECT(!heap_holds(n));
    }
    EXPECT(!heap_first(&heap));
}

TEST(any_node_can_be_removed_and_the_rest_stays_ordered)
{
    uint64_t last = 0;
    int left = COUNT;

    fill();
    for (int i = 0; i < COUNT; i += 3) {
        heap_remove(&heap, &nodes[i]);
        left--;
    }
    while (heap_first(&heap)) {
        EXPECT(heap_first(&heap)->key >= last);
        last = heap_first(&heap)->key;
        heap_remove(&heap, heap_first(&heap));
        left--;
    }
    EXPECT_EQ(left, 0);
}

TEST(an_empty_heap_has_no_first)
{
    struct heap empty = { 0 };

    EXPECT(!heap_first(&empty));
}

TEST(among_equal_keys_the_smallest_order_comes_first)
{
    static struct heap_node same[64];
    struct heap h = { 0 };

    for (unsigned i = 0; i < 64; i++)
        heap_insert_ordered(&h, &same[i], 7, i * 37 % 64);
    for (unsigned i = 0; i < 64; i++) {
        struct heap_node *first = heap_first(&h);

        EXPECT_EQ(first->order, i);
        heap_remove(&h, first);
    }
}
