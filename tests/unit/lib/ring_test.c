// SOURCES: lib/ring.c
#include "lib/ring.h"
#include "tests/unit/test.h"

#define DATA 256u

static struct {
    struct ring_control control;
    uint8_t data[DATA];
} page;
static struct ring writer, reader;

static void fresh(void)
{
    memset(&page, 0, sizeof(page));
    ring_init(&page.control);
    if (ring_attach_writer(&writer, &page, DATA) || ring_attach_reader(&reader, &page, DATA))
        abort();
}

static enum err put(const char *text, bool *signal)
{
    struct ring_packet h = { .type = RING_DATA_INBAND, .transaction = 7 };
    struct ring_part part = { text, strlen(text) + 1 };

    return ring_write(&writer, &h, &part, 1, signal);
}

static enum err take(char *text, uint32_t capacity, bool *signal)
{
    struct ring_packet h;
    enum err err = ring_peek(&reader, &h);

    if (err)
        return err;
    err = ring_read(&reader, &h, ring_payload_offset(&h), text,
                    min(capacity, ring_payload_bytes(&h)));
    ring_advance(&reader, &h);
    *signal = ring_commit(&reader);
    return err;
}

static void raw(uint16_t offset8, uint16_t len8, uint32_t write_index)
{
    struct ring_packet h = { .type = 6, .offset8 = offset8, .len8 = len8 };

    fresh();
    memcpy(page.data, &h, sizeof(h));
    page.control.write_index = write_index;
}

TEST(what_is_written_is_read_in_order)
{
    char text[64];
    bool signal;

    fresh();
    EXPECT_EQ(put("one", &signal), OK);
    EXPECT_EQ(put("two", &signal), OK);
    EXPECT_EQ(take(text, sizeof(text), &signal), OK);
    EXPECT_STR(text, "one");
    EXPECT_EQ(take(text, sizeof(text), &signal), OK);
    EXPECT_STR(text, "two");
    EXPECT_EQ(take(text, sizeof(text), &signal), ERR_EMPTY);
}

TEST(packets_wrap_round_the_end_whole)
{
    char text[128], in[64];
    bool signal;

    fresh();
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(in, sizeof(in), "packet %u%.*s", i, (int)(i % 40),
                 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
        EXPECT_EQ(put(in, &signal), OK);
        EXPECT_EQ(take(text, sizeof(text), &signal), OK);
        EXPECT_STR(text, in);
    }
}

TEST(three_parts_make_one_payload_and_the_padding_is_zero)
{
    struct ring_packet h = { .type = RING_DATA_INBAND }, out;
    struct ring_part parts[] = { { "ab", 2 }, { "", 0 }, { "cde", 3 } };
    uint8_t payload[8];
    bool signal;

    fresh();
    memset(page.data, 0xee, DATA);
    EXPECT_EQ(ring_write(&writer, &h, parts, 3, &signal), OK);
    EXPECT_EQ(ring_peek(&reader, &out), OK);
    EXPECT_EQ(out.len8, 3);
    EXPECT_EQ(out.offset8, 2);
    EXPECT_EQ(ring_read(&reader, &out, 16, payload, 8), OK);
    EXPECT(memcmp(payload, "abcde\0\0\0", 8) == 0);
}

TEST(trailer_holds_the_old_write_index)
{
    uint64_t trailer;
    bool signal;

    fresh();
    EXPECT_EQ(put("x", &signal), OK);
    EXPECT_EQ(put("y", &signal), OK);
    memcpy(&trailer, page.data + 32 + 24, 8);
    EXPECT_EQ(trailer, 32ull << 32);
}

TEST(writer_signals_only_the_first_packet_of_an_empty_ring)
{
    bool signal;

    fresh();
    EXPECT_EQ(put("a", &signal), OK);
    EXPECT(signal);
    EXPECT_EQ(put("b", &signal), OK);
    EXPECT(!signal);
}

TEST(masked_reader_is_not_signalled)
{
    bool signal;

    fresh();
    ring_mask(&reader, 1);
    EXPECT_EQ(put("a", &signal), OK);
    EXPECT(!signal);
}

TEST(ring_is_never_filled_to_the_last_unit)
{
    uint8_t big[DATA] = { 0 };
    struct ring_packet h = { .type = RING_DATA_INBAND };
    struct ring_part part = { big, DATA - 16 - 8 };
    bool signal;

    fresh();
    EXPECT_EQ(ring_write(&writer, &h, &part, 1, &signal), ERR_ARGUMENT);
    part.n -= 8;
    EXPECT_EQ(ring_write(&writer, &h, &part, 1, &signal), OK);
    EXPECT_EQ(put("x", &signal), ERR_FULL);
}

TEST(reader_signals_a_writer_that_waited_once_there_is_room)
{
    char text[64];
    bool signal;

    fresh();
    while (put("0123456789012345678901234567890", &signal) == OK)
        ;
    EXPECT(page.control.pending_send_bytes > 0);
    EXPECT_EQ(take(text, sizeof(text), &signal), OK);
    EXPECT(signal);
    EXPECT_EQ(take(text, sizeof(text), &signal), OK);
    EXPECT(!signal);
}

TEST(a_wish_for_room_outlives_the_publishing_of_what_was_put_before_it)
{
    struct ring_packet h = { .type = RING_DATA_INBAND };
    char text[64];
    bool signal;

    fresh();
    while (ring_put_one(&writer, &h, "0123456789012345678901234567890", 32) == OK)
        ;
    (void)!ring_publish(&writer);
    EXPECT(page.control.pending_send_bytes > 0);
    EXPECT_EQ(take(text, sizeof(text), &signal), OK);
    EXPECT(signal);
}

TEST(hostile_035_write_index_beyond_ring)
{
    struct ring_packet h;
    uint32_t bad[] = { DATA, DATA + 8, 4, 0xffffffff, 0xfffffff8 };

    for (unsigned i = 0; i < array_count(bad); i++) {
        fresh();
        page.control.write_index = bad[i];
        EXPECT_EQ(ring_peek(&reader, &h), ERR_GUEST);
    }
}

TEST(read_index_beyond_ring_is_refused)
{
    bool signal;

    fresh();
    page.control.read_index = DATA;
    EXPECT_EQ(put("x", &signal), ERR_GUEST);
    page.control.read_index = 3;
    EXPECT_EQ(put("x", &signal), ERR_GUEST);
}

TEST(hostile_037_header_longer_than_the_ring_is_refused)
{
    struct ring_packet h;

    raw(2, 0xffff, 64);
    EXPECT_EQ(ring_peek(&reader, &h), ERR_GUEST);
    raw(2, 8, 64); /* the trailer does not fit */
    EXPECT_EQ(ring_peek(&reader, &h), ERR_GUEST);
    raw(2, 7, 64);
    EXPECT_EQ(ring_peek(&reader, &h), OK);
}

TEST(hostile_037_payload_offset_outside_the_packet_is_refused)
{
    struct ring_packet h;

    raw(8, 7, 64);
    EXPECT_EQ(ring_peek(&reader, &h), ERR_GUEST);
    raw(0, 7, 64);
    EXPECT_EQ(ring_peek(&reader, &h), ERR_GUEST);
    raw(2, 0, 64);
    EXPECT_EQ(ring_peek(&reader, &h), ERR_GUEST);
}

TEST(packet_shorter_than_a_header_is_refused)
{
    struct ring_packet h;

    raw(2, 2, 16);
    EXPECT_EQ(ring_peek(&reader, &h), ERR_GUEST);
}

TEST(reading_beyond_the_packet_is_refused)
{
    struct ring_packet h;
    uint8_t out[64];

    raw(2, 4, 64);
    EXPECT_EQ(ring_peek(&reader, &h), OK);
    EXPECT_EQ(ring_read(&reader, &h, 16, out, 17), ERR_ARGUMENT);
    EXPECT_EQ(ring_read(&reader, &h, 0xffffffff, out, 1), ERR_ARGUMENT);
    EXPECT_EQ(ring_read(&reader, &h, 16, out, 16), OK);
}

TEST(own_index_is_not_read_back_from_the_page)
{
    char text[64];
    bool signal;

    fresh();
    EXPECT_EQ(put("x", &signal), OK);
    page.control.read_index = 128; /* the writer scribbles over the reader's index */
    EXPECT_EQ(take(text, sizeof(text), &signal), OK);
    EXPECT_STR(text, "x");
}

TEST(a_side_that_attaches_again_goes_on_where_it_stopped)
{
    char text[64];
    bool signal;

    fresh();
    EXPECT_EQ(put("a", &signal), OK);
    EXPECT_EQ(put("b", &signal), OK);
    EXPECT_EQ(take(text, sizeof(text), &signal), OK);
    EXPECT_EQ(ring_attach_reader(&reader, &page, DATA), OK);
    EXPECT_EQ(ring_attach_writer(&writer, &page, DATA), OK);
    EXPECT_EQ(put("c", &signal), OK);
    EXPECT_EQ(take(text, sizeof(text), &signal), OK);
    EXPECT_STR(text, "b");
    page.control.read_index = 12;
    EXPECT_EQ(ring_attach_reader(&reader, &page, DATA), ERR_GUEST);
}

TEST(a_batch_is_seen_as_a_whole_and_signals_once)
{
    struct ring_packet h = { .type = RING_DATA_INBAND }, seen;
    bool signal;

    fresh();
    for (unsigned i = 0; i < 3; i++) {
        h.transaction = i;
        EXPECT_EQ(ring_put_one(&writer, &h, "12345678", 8), OK);
        EXPECT_EQ(ring_peek(&reader, &seen), ERR_EMPTY);
    }
    EXPECT(ring_publish(&writer));
    EXPECT(!ring_publish(&writer)); /* nothing new */
    for (unsigned i = 0; i < 3; i++) {
        EXPECT_EQ(ring_peek(&reader, &seen), OK);
        EXPECT_EQ(seen.transaction, i);
        EXPECT_EQ(seen.len8, 3);
        ring_advance(&reader, &seen);
    }
    EXPECT_EQ(put("not empty for the writer", &signal), OK);
    EXPECT(!signal); /* the reader has not given its room back: it will look again */
}

TEST(packets_of_every_length_go_round_the_end)
{
    static uint8_t bytes[DATA], back[DATA];
    struct ring_packet h = { .type = RING_DATA_INBAND }, seen;

    for (uint32_t n = 0; n < DATA - 32; n++) {
        fresh();
        for (unsigned round = 0; round < 40; round++) {
            for (uint32_t i = 0; i < n; i++)
                bytes[i] = (uint8_t)(i + round);
            EXPECT_EQ(ring_reserve(&writer, n), OK);
            EXPECT_EQ(ring_put_one(&writer, &h, bytes, n), OK);
            (void)!ring_publish(&writer);
            EXPECT_EQ(ring_peek(&reader, &seen), OK);
            const void *at = ring_straight(&reader, ring_payload_offset(&seen), n);
            if (at)
                EXPECT_EQ(memcmp(at, bytes, n), 0);
            EXPECT_EQ(ring_read(&reader, &seen, ring_payload_offset(&seen), back, n), OK);
            EXPECT_EQ(memcmp(back, bytes, n), 0);
            ring_advance(&reader, &seen);
            (void)!ring_commit(&reader);
        }
    }
}

TEST(room_that_is_missing_is_asked_for)
{
    struct ring_packet seen;
    bool signal;

    fresh();
    while (put("fill", &signal) == OK)
        ;
    EXPECT_EQ(ring_reserve(&writer, 8), ERR_FULL);
    EXPECT_EQ(page.control.pending_send_bytes, 32);
    EXPECT_EQ(ring_peek(&reader, &seen), OK);
    ring_advance(&reader, &seen);
    EXPECT(ring_commit(&reader)); /* there is room now: signal it, */
    EXPECT_EQ(ring_peek(&reader, &seen), OK);
    ring_advance(&reader, &seen);
    EXPECT(!ring_commit(&reader)); /* once */
    EXPECT_EQ(ring_reserve(&writer, 8), OK);
    page.control.read_index = 3;
    writer.known = 0;
    EXPECT_EQ(ring_reserve(&writer, 8), ERR_GUEST);
}
