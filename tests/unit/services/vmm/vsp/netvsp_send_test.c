// SOURCES: services/vmm/vsp/netvsp*.c services/vmm/vsp/rndis*.c services/vmm/vsp/flow.c
// SOURCES: services/vmm/vmbus/channel.c lib/ring.c lib/string.c
// SOURCES: tests/unit/services/vmm/vsp/fake_nic.c
/* Frames from the guest. */
#include "tests/unit/services/vmm/vsp/fake_nic.h"
#include "tests/unit/test.h"

static struct fake_nic f;
static struct fake_packet p;

static uint8_t *section(uint32_t i)
{
    return f.send + i * NETVSP_SECTION_BYTES;
}

static void end(void)
{
    EXPECT(!f.is_wrong);
    fake_nic_check(&f);
    fake_nic_end(&f);
}

/* Completions that are there, and that they are in the order of their packets. */
static uint32_t completions(uint64_t *last)
{
    uint32_t n = 0;

    for (; fake_nic_take(&f, 0, &p); n++) {
        if (p.h.type != RING_COMPLETION || p.h.transaction != *last + 1 ||
            p.m.type != NVSP_RNDIS_PACKET_COMPLETE ||
            p.m.rndis_complete.status != NVSP_STATUS_SUCCESS)
            return ~0u;
        *last = p.h.transaction;
    }
    return n;
}

/* Send @i is a frame of @bytes bytes @fill at its place. */
static bool is_frame(uint32_t i, uint32_t bytes, uint8_t fill)
{
    const struct port_send *s = &f.sends[i];
    const uint8_t *at = (s->flags & PORT_SEND_FROM_ARENA ? f.arena : f.send) + s->offset;

    if (s->bytes != bytes)
        return false;
    for (uint32_t b = 0; b < bytes; b++)
        if (at[b] != fill)
            return false;
    return true;
}

TEST(a_frame_in_a_section_is_named_where_it_lies)
{
    uint64_t last;

    fake_nic_ready(&f, 4, 1500);
    uint32_t n = fake_nic_frame(section(2), 100, 0xab);
    last = f.transaction;
    EXPECT(fake_nic_send(&f, 0, 2, n, 0, 0, 0));
    fake_nic_read_link(&f);
    EXPECT_EQ(f.send_count, 1);
    EXPECT_EQ(f.sends[0].offset, 2 * NETVSP_SECTION_BYTES + 44);
    EXPECT_EQ(f.sends[0].flags, 0);
    EXPECT(is_frame(0, 100, 0xab));
    EXPECT_EQ(completions(&last), 0);
    fake_nic_sent(&f, 1);
    EXPECT_EQ(completions(&last), 1);
    EXPECT_EQ(completions(&last), 0);
    end();
}

TEST(a_frame_in_pages_is_gathered)
{
    fake_nic_ready(&f, 4, 1500);
    uint32_t n = fake_nic_frame(f.memory[3] + 4000, 1514, 0xcd);
    EXPECT(fake_nic_send(&f, 0, NVSP_NO_SECTION, 0, 3, 4000, n));
    fake_nic_read_link(&f);
    EXPECT_EQ(f.send_count, 1);
    EXPECT_EQ(f.sends[0].flags, PORT_SEND_FROM_ARENA);
    EXPECT(is_frame(0, 1514, 0xcd));
    EXPECT(f.n.arena_used);
    fake_nic_sent(&f, 1);
    EXPECT_EQ(f.n.arena_used, 0);
    end();
}

TEST(a_frame_that_begins_in_a_section_goes_on_in_pages)
{
    uint8_t message[2000];

    fake_nic_ready(&f, 4, 1500);
    uint32_t n = fake_nic_frame(message, 1514, 0x5a);
    for (uint32_t cut = 8; cut < n; cut += 101) { /* heads may be cut as well */
        memcpy(section(1), message, cut);
        memcpy(f.memory[5] + 100, message + cut, n - cut);
        EXPECT(fake_nic_send(&f, 0, 1, cut, 5, 100, n - cut));
        fake_nic_read_link(&f);
        EXPECT_EQ(f.send_count, f.sent_count + 1);
        EXPECT_EQ(f.sends[f.sent_count].flags, PORT_SEND_FROM_ARENA);
        EXPECT(is_frame(f.sent_count, 1514, 0x5a));
        fake_nic_sent(&f, 1);
    }
    end();
}

TEST(several_messages_in_a_section_have_one_completion)
{
    uint64_t last;
    uint32_t n = 0;

    fake_nic_ready(&f, 4, 1500);
    for (uint8_t i = 0; i < 8; i++)
        n += fake_nic_frame(section(0) + n, 60 + 4 * i, i); /* at multiples of 8 */
    last = f.transaction;
    EXPECT(fake_nic_send(&f, 0, 0, n, 0, 0, 0));
    fake_nic_read_link(&f);
    EXPECT_EQ(f.send_count, 8);
    for (uint8_t i = 0; i < 8; i++)
        EXPECT(is_frame(i, 60 + 4 * i, i));
    fake_nic_sent(&f, 7);
    EXPECT_EQ(completions(&last), 0);
    fake_nic_sent(&f, 1);
    EXPECT_EQ(completions(&last), 1);
    end();
}

TEST(the_last_message_of_a_section_may_run_over_into_pages)
{
    uint8_t message[2000];
    uint32_t n = 0;

    fake_nic_ready(&f, 4, 1500);
    n += fake_nic_frame(section(3), 64, 1);
    n += fake_nic_frame(section(3) + n, 64, 2);
    uint32_t bytes = fake_nic_frame(message, 1400, 3);
    memcpy(section(3) + n, message, 98);
    memcpy(f.memory[9] + 7, message + 98, bytes - 98);
    EXPECT(fake_nic_send(&f, 0, 3, n + 98, 9, 7, bytes - 98));
    fake_nic_read_link(&f);
    EXPECT_EQ(f.send_count, 3);
    EXPECT(is_frame(0, 64, 1) && is_frame(1, 64, 2) && is_frame(2, 1400, 3));
    EXPECT_EQ(f.sends[1].flags, 0);
    EXPECT_EQ(f.sends[2].flags, PORT_SEND_FROM_ARENA);
    fake_nic_sent(&f, 3);
    end();
}

TEST(a_whole_frame_that_is_still_to_be_cut_is_gathered)
{
    fake_nic_ready(&f, 4, 1500);
    uint32_t n = fake_nic_frame(f.memory[0] + 64, LSO_BYTES_MAX, 0x77);
    EXPECT(fake_nic_send(&f, 0, NVSP_NO_SECTION, 0, 0, 64, n));
    fake_nic_read_link(&f);
    EXPECT(is_frame(0, LSO_BYTES_MAX, 0x77));
    fake_nic_sent(&f, 1);
    end();
}

TEST(completions_come_in_order_and_once)
{
    uint64_t last;

    fake_nic_ready(&f, 4, 1500);
    last = f.transaction;
    for (uint32_t i = 0; i < 60; i++) {
        uint32_t n =
            i % 2 ? fake_nic_frame(section(i % 10), 70, 1) : fake_nic_frame(f.memory[i], 70, 1);
        EXPECT(fake_nic_send(&f, 0, i % 2 ? i % 10 : NVSP_NO_SECTION, i % 2 ? n : 0, i, 0,
                             i % 2 ? 0 : n));
    }
    fake_nic_read_link(&f);
    EXPECT_EQ(f.send_count, 60);
    for (uint32_t i = 1; i <= 10; i++) {
        fake_nic_sent(&f, i);
        EXPECT_EQ(completions(&last), i);
    }
    fake_nic_sent(&f, 1000); /* more than there are */
    EXPECT_EQ(completions(&last), 5);
    EXPECT_EQ(f.n.flight_count, 0);
    EXPECT_EQ(f.n.arena_used, 0);
    end();
}

TEST(a_packet_that_wants_no_completion_gets_none)
{
    struct nvsp_message m = { .type = NVSP_SEND_RNDIS_PACKET, .rndis = { 0, 0, 0 } };
    struct ring_part part = { &m, sizeof(m) };

    fake_nic_ready(&f, 4, 1500);
    m.rndis.section_bytes = fake_nic_frame(section(0), 60, 1);
    EXPECT(fake_nic_put(&f, 0, RING_DATA_INBAND, 0, 5, &part, 1, 0));
    fake_nic_read_link(&f);
    fake_nic_sent(&f, 1);
    EXPECT(!fake_nic_take(&f, 0, &p));
    EXPECT_EQ(f.n.flight_count, 0);
    end();
}

/* ---- guests that err ---- */

TEST(a_message_that_is_none_is_counted_as_dropped_and_completed)
{
    uint64_t last;

    fake_nic_ready(&f, 4, 1500);
    last = f.transaction;
    memset(section(0), 0xff, 200);
    EXPECT(fake_nic_send(&f, 0, 0, 200, 0, 0, 0));
    EXPECT(fake_nic_send(&f, 0, NVSP_NO_SECTION, 0, 5000, 0, 300)); /* no memory there */
    fake_nic_read_link(&f);
    EXPECT_EQ(f.send_count, 2);
    EXPECT_EQ(f.sends[0].bytes, 0);
    EXPECT_EQ(f.sends[1].bytes, 0);
    fake_nic_sent(&f, 2);
    EXPECT_EQ(completions(&last), 2);
    EXPECT(!f.channels[0].is_broken);
    end();
}

TEST(an_empty_packet_is_completed)
{
    uint64_t last;

    fake_nic_ready(&f, 4, 1500);
    last = f.transaction;
    EXPECT(fake_nic_send(&f, 0, 0, 0, 0, 0, 0));
    EXPECT_EQ(completions(&last), 1);
    end();
}

TEST(sections_and_ranges_that_cannot_be_break_the_channel)
{
    static const struct {
        uint32_t section, bytes, page, offset, pages;
    } bad[] = { { FAKE_SEND_BYTES / NETVSP_SECTION_BYTES, 60, 0, 0, 0 },
                { 0xfffffffe, 60, 0, 0, 0 },
                { 0, NETVSP_SECTION_BYTES + 1, 0, 0, 0 },
                { NVSP_NO_SECTION, 0, 1, 4096, 60 },
                { NVSP_NO_SECTION, 0, 0, 0, 65 * 4096 },
                { NVSP_NO_SECTION, 0, 0, 1, 64 * 4096 } };

    for (unsigned i = 0; i < 6; i++) {
        fake_nic_ready(&f, 4, 1500);
        EXPECT(fake_nic_send(&f, 0, bad[i].section, bad[i].bytes, bad[i].page, bad[i].offset,
                             bad[i].pages));
        EXPECT(f.channels[0].is_broken);
        EXPECT_EQ(f.n.flight_count, 0);
        end();
    }
}

TEST(a_range_that_lacks_its_pages_breaks_the_channel)
{
    struct gpa_direct head = { 0, 1 };
    struct gpa_range range = { 8192, 0 };
    uint64_t page = 1;
    struct nvsp_message m = { .type = NVSP_SEND_RNDIS_PACKET, .rndis = { 0, NVSP_NO_SECTION, 0 } };
    struct ring_part parts[] = {
        { &head, sizeof(head) }, { &range, sizeof(range) }, { &page, 8 }, { &m, sizeof(m) }
    };

    for (unsigned i = 0; i < 4; i++) {
        fake_nic_ready(&f, 4, 1500);
        head.count = i ? i : 1;
        range.bytes = i == 0 ? 8192 : 100;
        page = i == 1 ? UINT64_MAX : 1;
        EXPECT(fake_nic_put(&f, 0, RING_DATA_GPA_DIRECT, 1, 1, parts, 4, 5));
        EXPECT(f.channels[0].is_broken);
        end();
    }
}

/* ---- full rings ---- */

/* Puts frames until the guest's ring is full; returns how many. */
static uint32_t put_all(uint32_t limit)
{
    uint32_t n = fake_nic_frame(section(0), 60, 9), count = 0;

    while (count < limit && fake_nic_send(&f, 0, 0, n, 0, 0, 0))
        count++;
    if (count < limit)
        f.transaction--; /* it was not sent */
    return count;
}

TEST(sends_wait_for_a_switch_that_is_behind_and_none_is_lost)
{
    uint64_t last;
    uint32_t count, done = 0;

    fake_nic_ready(&f, 4, 1500);
    last = f.transaction;
    count = put_all(5000);
    EXPECT(count > NETVSP_FLIGHT_MAX + CHANNEL_TURN_MAX && count < 5000);
    fake_nic_check(&f);
    for (uint32_t turns = 0; done < count && turns < 100; turns++) {
        fake_nic_read_link(&f);
        if (f.send_count > f.sent_count)
            fake_nic_sent(&f, f.send_count - f.sent_count);
        done += completions(&last);
        fake_nic_check(&f);
    }
    EXPECT_EQ(done, count);
    EXPECT_EQ(f.send_count, count);
    end();
}

TEST(completions_wait_for_a_guest_that_does_not_read)
{
    uint64_t last;
    uint32_t count = 0, seen;

    fake_nic_ready(&f, 4, 1500);
    last = f.transaction;
    for (unsigned i = 0; i < 20; i++) { /* more than its ring holds */
        count += put_all(100);
        fake_nic_read_link(&f);
        if (f.send_count > f.sent_count)
            fake_nic_sent(&f, f.send_count - f.sent_count);
        fake_nic_check(&f);
    }
    EXPECT(count > FAKE_RING_BYTES / 32);
    EXPECT(f.n.flight_count > 100);
    for (uint32_t turns = 0; last < f.transaction && turns < 100; turns++) {
        seen = completions(&last);
        EXPECT(seen != ~0u);
        fake_nic_read_link(&f);
        if (f.send_count > f.sent_count)
            fake_nic_sent(&f, f.send_count - f.sent_count);
    }
    EXPECT_EQ(last, f.transaction);
    end();
}

TEST(a_full_arena_makes_packets_wait)
{
    uint64_t last;
    uint32_t n;

    fake_nic_ready(&f, 4, 1500);
    last = f.transaction;
    n = fake_nic_frame(f.memory[0], LSO_BYTES_MAX, 0x31);
    for (unsigned i = 0; i < 40; i++)
        EXPECT(fake_nic_send(&f, 0, NVSP_NO_SECTION, 0, 0, 0, n));
    fake_nic_read_link(&f);
    EXPECT(f.send_count < 20);
    for (unsigned i = 0; i < 40; i++) {
        EXPECT(f.send_count > f.sent_count);
        EXPECT(is_frame(f.sent_count, LSO_BYTES_MAX, 0x31));
        fake_nic_sent(&f, 1);
        fake_nic_read_link(&f);
        EXPECT_EQ(completions(&last), 1);
    }
    EXPECT_EQ(f.n.arena_used, 0);
    end();
}

/* ---- switches that go ---- */

TEST(what_is_in_flight_when_the_switch_dies_is_completed_and_counted)
{
    uint64_t last;

    fake_nic_ready(&f, 4, 1500);
    last = f.transaction;
    EXPECT_EQ(put_all(10), 10);
    EXPECT(fake_nic_send(&f, 0, NVSP_NO_SECTION, 0, 0, 0, fake_nic_frame(f.memory[0], 60, 1)));
    netvsp_unlink(&f.n);
    EXPECT_EQ(completions(&last), 11);
    EXPECT_EQ(f.n.dropped_sends, 11);
    EXPECT_EQ(f.n.arena_used, 0);
    EXPECT_EQ(put_all(5), 5); /* meanwhile nothing goes, and nothing waits */
    EXPECT_EQ(completions(&last), 5);
    EXPECT_EQ(f.n.dropped_sends, 16);
    fake_nic_link(&f);
    fake_nic_read_link(&f);
    EXPECT_EQ(put_all(3), 3);
    fake_nic_read_link(&f);
    EXPECT_EQ(f.send_count, 3);
    fake_nic_sent(&f, 3);
    EXPECT_EQ(completions(&last), 3);
    end();
}

TEST(a_guest_that_waited_for_a_dead_switch_goes_on_with_the_next)
{
    uint64_t last;
    uint32_t count, done = 0;

    fake_nic_ready(&f, 4, 1500);
    last = f.transaction;
    count = put_all(5000);
    fake_nic_link(&f); /* the guest's ring is full, so it says nothing */
    for (uint32_t turns = 0; done < count && turns < 100; turns++) {
        done += completions(&last);
        fake_nic_read_link(&f);
        if (f.send_count > f.sent_count)
            fake_nic_sent(&f, f.send_count - f.sent_count);
    }
    EXPECT_EQ(done, count);
    EXPECT_EQ(f.n.dropped_sends + f.send_count, count);
    end();
}

TEST(words_of_an_older_connection_are_ignored)
{
    struct port_sent sent = { 1, 0 };
    uint64_t last;

    fake_nic_ready(&f, 4, 1500);
    fake_nic_link(&f);
    fake_nic_read_link(&f);
    last = f.transaction;
    EXPECT_EQ(put_all(1), 1);
    EXPECT(fake_nic_say(&f, PORT_SENT, f.generation - 1, &sent, sizeof(sent), 1));
    EXPECT(fake_nic_say(&f, PORT_SENT, f.generation + 1, &sent, sizeof(sent), 1));
    EXPECT_EQ(completions(&last), 0);
    EXPECT(fake_nic_say(&f, PORT_SENT, f.generation, &sent, sizeof(sent), 1));
    EXPECT_EQ(completions(&last), 1);
    end();
}

TEST(strange_words_of_the_switch_are_counted)
{
    fake_nic_ready(&f, 4, 1500);
    EXPECT(fake_nic_say(&f, PORT_SEND, f.generation, NULL, 0, 0));
    EXPECT(fake_nic_say(&f, PORT_SENT, f.generation, NULL, 0, 1));
    EXPECT(fake_nic_say(&f, 0xffff, f.generation, NULL, 0, 0));
    EXPECT_EQ(f.n.strange_count, 3);
    end();
}

TEST(a_link_whose_index_is_wrong_is_given_up)
{
    uint64_t last;
    uint32_t changes;

    fake_nic_ready(&f, 4, 1500);
    last = f.transaction;
    EXPECT_EQ(put_all(2), 2);
    changes = f.changes;
    ((struct ring_control *)(void *)(f.link + 4096 + PORT_LINK_DATA_BYTES))->write_index = 12345;
    fake_nic_serve(&f);
    EXPECT(!f.n.has_link);
    EXPECT(f.changes > changes); /* the manager hears of it */
    EXPECT_EQ(completions(&last), 2);
    fake_nic_link(&f);
    fake_nic_read_link(&f);
    EXPECT_EQ(f.connects, 2);
    end();
}

/* ---- channels that close ---- */

TEST(what_a_closed_channel_sent_is_completed_to_nobody)
{
    fake_nic_ready(&f, 4, 1500);
    uint32_t n = fake_nic_frame(section(0), 60, 1);
    fake_nic_open(&f, 1);
    EXPECT(fake_nic_take(&f, 0, &p)); /* the table */
    EXPECT(fake_nic_send(&f, 1, 0, n, 0, 0, 0));
    EXPECT(fake_nic_send(&f, 0, 0, n, 0, 0, 0));
    fake_nic_read_link(&f);
    EXPECT_EQ(f.sends[0].queue, 1);
    EXPECT_EQ(f.sends[1].queue, 0);
    fake_nic_close(&f, 1);
    fake_nic_sent(&f, 2);
    EXPECT(fake_nic_take(&f, 0, &p));
    EXPECT_EQ(p.h.transaction, f.transaction);
    EXPECT(!fake_nic_take(&f, 0, &p));
    end();
}

TEST(buffers_may_go_while_frames_are_in_flight)
{
    uint64_t last;

    fake_nic_ready(&f, 4, 1500);
    last = f.transaction;
    EXPECT_EQ(put_all(4), 4);
    netvsp_gpadl_gone(&f.n, FAKE_GPADL_SEND);
    fake_nic_signal(&f, 0);
    EXPECT_EQ(completions(&last), 4);
    EXPECT_EQ(f.n.dropped_sends, 4);
    end();
}
