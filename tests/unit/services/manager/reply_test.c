// SOURCES: services/manager/reply.c lib/string.c
#include "services/manager/reply.h"
#include "tests/unit/test.h"

static uint8_t bytes[8192];
static struct reply_item item;

static size_t put(size_t at, uint32_t key_n, uint32_t value_n, const char *text)
{
    struct vmm_item head = { key_n, value_n };

    memcpy(bytes + at, &head, sizeof(head));
    memcpy(bytes + at + sizeof(head), text, strlen(text));
    return at + sizeof(head) + strlen(text);
}

TEST(items_are_read_in_order_and_end)
{
    struct reply_reader r;
    size_t n = put(0, 2, 3, "k1one");

    n = put(n, 1, 0, "k");
    reply_begin(&r, bytes, n, 2);
    EXPECT_EQ(reply_next_item(&r, &item), OK);
    EXPECT_STR(item.key, "k1");
    EXPECT_STR(item.value, "one");
    EXPECT_EQ(reply_next_item(&r, &item), OK);
    EXPECT_STR(item.value, "");
    EXPECT_EQ(reply_next_item(&r, &item), ERR_EMPTY);
}

TEST(lengths_beyond_the_region_or_the_room_are_refused)
{
    static const uint32_t lengths[][2] = { { 4, 1 },
                                           { 0, 5 },
                                           { 0xffffffff, 1 },
                                           { 1, 0xffffffff },
                                           { 0xffffffff, 0xffffffff },
                                           { QUERY_KEY_BYTES + 1, 0 },
                                           { 0, QUERY_VALUE_BYTES + 1 } };

    for (unsigned i = 0; i < array_count(lengths); i++) {
        struct reply_reader r;
        size_t n = put(0, lengths[i][0], lengths[i][1], "abcd");

        reply_begin(&r, bytes, i < 2 ? n : sizeof(bytes), 1);
        EXPECT_EQ(reply_next_item(&r, &item), ERR_FORMAT);
    }
}

TEST(count_that_is_greater_than_what_is_there_is_refused)
{
    struct reply_reader r;
    struct vmm_channel c;

    reply_begin(&r, bytes, sizeof(c) + 1, 2);
    EXPECT_EQ(reply_next_channel(&r, &c), OK);
    EXPECT_EQ(reply_next_channel(&r, &c), ERR_FORMAT);
    reply_begin(&r, NULL, 0, 1);
    EXPECT_EQ(reply_next_item(&r, &item), ERR_FORMAT);
    reply_begin(&r, NULL, 0, 0);
    EXPECT_EQ(reply_next_channel(&r, &c), ERR_EMPTY);
}
