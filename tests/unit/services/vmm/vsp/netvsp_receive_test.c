// SOURCES: services/vmm/vsp/netvsp*.c services/vmm/vsp/rndis*.c services/vmm/vsp/flow.c
// SOURCES: services/vmm/vmbus/channel.c lib/ring.c lib/string.c
// SOURCES: tests/unit/services/vmm/vsp/fake_nic.c
/* Frames to the guest, and the slots that carry them. */
#include "tests/unit/services/vmm/vsp/fake_nic.h"
#include "tests/unit/test.h"

static struct fake_nic f;
static struct fake_packet p;
static uint8_t frame[70000];

static void ready(void)
{
    fake_nic_ready(&f, 4, 1500);
}

static void end(void)
{
    EXPECT(!f.is_wrong);
    fake_nic_check(&f);
    fake_nic_end(&f);
}

/* All slots but the control ones are at the switch again. */
/* At the switch, or on the way to it: a few go with the next sends. */
static bool has_all_slots(void)
{
    fake_nic_read_link(&f);
    return f.slots + f.n.returned_slots == f.connect.slot_count - NETVSP_CONTROL_SLOTS;
}

static uint32_t range_count(void)
{
    struct xfer_pages x;

    memcpy(&x, p.bytes, sizeof(x));
    return x.count;
}

/* The RNDIS message of range @i of the packet that was taken: its head, and where its frame is. */
static const uint8_t *message(uint32_t i, struct rndis_packet *out)
{
    struct xfer_range r;
    struct rndis_head h;

    memcpy(&r, p.bytes + sizeof(struct xfer_pages) + i * sizeof(r), sizeof(r));
    if (!range_fits(r.offset, r.bytes, FAKE_RECEIVE_BYTES) || r.bytes > f.connect.slot_bytes)
        abort();
    memcpy(&h, f.receive + r.offset, sizeof(h));
    memcpy(out, f.receive + r.offset + sizeof(h), sizeof(*out));
    if (h.type != RNDIS_PACKET || h.bytes != r.bytes ||
        !range_fits(out->data_offset + 8ull, out->data_bytes, r.bytes))
        abort();
    return f.receive + r.offset + sizeof(h);
}

/* The value of the information of @type in range @i; ~0: none. Each entry is as Linux needs it. */
static uint32_t info(uint32_t i, uint32_t type)
{
    struct rndis_packet r;
    const uint8_t *at = message(i, &r) + r.info_offset;
    uint32_t e[4];

    for (uint32_t left = r.info_bytes; left; left -= e[0], at += e[0]) {
        memcpy(e, at, sizeof(e));
        if (e[0] != 16 || e[2] != 12 || left < 16)
            abort();
        if (e[1] == type)
            return e[3];
    }
    return ~0u;
}

static bool give(uint32_t bytes, uint8_t fill, uint16_t flags)
{
    memset(frame, fill, bytes);
    return fake_nic_receive(&f, frame, bytes, f.connect.slot_bytes - NETVSP_FRAME_OFFSET, flags);
}

TEST(a_frame_comes_with_its_head_and_its_slot_goes_back)
{
    struct rndis_packet r;

    ready();
    EXPECT(give(1514, 0x42, 0));
    EXPECT(fake_nic_take(&f, 0, &p));
    EXPECT_EQ(p.h.type, RING_XFER_PAGES);
    EXPECT_EQ(p.h.flags, RING_FLAG_WANTS_COMPLETION);
    EXPECT_EQ(p.m.type, NVSP_SEND_RNDIS_PACKET);
    EXPECT_EQ(p.m.rndis.channel_type, NVSP_CHANNEL_DATA);
    EXPECT_EQ(range_count(), 1);
    const uint8_t *at = message(0, &r);
    EXPECT_EQ(r.data_bytes, 1514);
    EXPECT_EQ(r.info_bytes, 0);
    EXPECT_EQ(memcmp(at + r.data_offset, frame, 1514), 0);
    EXPECT(!has_all_slots());
    EXPECT(fake_nic_return(&f, 0, p.h.transaction));
    EXPECT(has_all_slots());
    end();
}

TEST(tag_and_checksums_are_told_with_the_frame)
{
    struct port_received e = { .bytes = 100, .tci = 5 << 13 | 1 << 12 | 0x123 };

    ready();
    EXPECT(give(60, 1, PORT_RECEIVED_TCP_OK | PORT_RECEIVED_IP_OK));
    EXPECT(fake_nic_take(&f, 0, &p));
    EXPECT_EQ(info(0, RNDIS_INFO_CHECKSUM), 8 | 32);
    EXPECT_EQ(info(0, RNDIS_INFO_TAG), ~0u);
    while (!f.has_slot[e.slot])
        e.slot++;
    e.flags = PORT_RECEIVED_HAS_TAG | PORT_RECEIVED_UDP_OK;
    EXPECT(fake_nic_say(&f, PORT_RECEIVED, f.generation, &e, sizeof(e), 1));
    EXPECT(fake_nic_take(&f, 0, &p));
    EXPECT_EQ(info(0, RNDIS_INFO_TAG), 5 | 8 | 0x123 << 4);
    EXPECT_EQ(info(0, RNDIS_INFO_CHECKSUM), 16);
    end();
}

TEST(a_frame_in_several_slots_is_one_packet)
{
    struct rndis_packet r;
    uint32_t bytes = 0;

    ready();
    memset(frame, 0x11, 5000);
    EXPECT(fake_nic_receive(&f, frame, 5000, 1500, PORT_RECEIVED_TCP_OK));
    EXPECT(fake_nic_take(&f, 0, &p));
    EXPECT_EQ(range_count(), 4);
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t want =
            PACKET_INFO_PART | (i == 0 ? PACKET_INFO_FIRST : 0) | (i == 3 ? PACKET_INFO_LAST : 0);

        (void)message(i, &r);
        bytes += r.data_bytes;
        EXPECT_EQ(info(i, RNDIS_INFO_PACKET), 1 | want << 8);
        EXPECT_EQ(info(i, RNDIS_INFO_CHECKSUM), i ? ~0u : 8u);
    }
    EXPECT_EQ(bytes, 5000);
    EXPECT(fake_nic_return(&f, 0, p.h.transaction));
    EXPECT(has_all_slots());
    end();
}

TEST(a_frame_of_9000_bytes_is_in_one_slot)
{
    struct rndis_packet r;

    fake_nic_ready(&f, 4, 9000);
    EXPECT(give(9014, 3, 0));
    EXPECT(fake_nic_take(&f, 0, &p));
    EXPECT_EQ(range_count(), 1);
    (void)message(0, &r);
    EXPECT_EQ(r.data_bytes, 9014);
    end();
}

/* Frames are numbered by their fill; takes those that are there, and gives their slots back. */
static bool take_frames(uint8_t *next, uint32_t *count)
{
    struct rndis_packet r;

    while (fake_nic_take(&f, 0, &p)) {
        if (p.h.type != RING_XFER_PAGES)
            return false;
        for (uint32_t i = 0; i < range_count(); i++, (*count)++) {
            const uint8_t *at = message(i, &r);

            if (at[r.data_offset] != (*next)++)
                return false;
        }
        if (!fake_nic_return(&f, 0, p.h.transaction))
            return false;
    }
    return true;
}

TEST(a_guest_that_does_not_read_gets_all_when_it_does)
{
    uint32_t given = 0, got = 0;
    uint8_t fill = 0, next = 0;

    ready();
    while (give(60, fill, 0)) { /* until the slots end */
        given++;
        fill++;
    }
    EXPECT(given > 250);
    fake_nic_check(&f);
    for (unsigned i = 0; i < 20; i++) {
        EXPECT(take_frames(&next, &got));
        fake_nic_read_link(&f);
        for (; i < 10 && give(60, fill, 0); fill++)
            given++;
        fake_nic_check(&f);
    }
    EXPECT(take_frames(&next, &got));
    EXPECT_EQ(got, given);
    EXPECT(has_all_slots());
    end();
}

/* Its ring is filled by completions, so that frames find no room. */
TEST(a_full_ring_holds_frames_back_until_the_guest_makes_room)
{
    uint32_t given = 0, got = 0, free;
    uint8_t fill = 0, next = 0;

    ready();
    for (unsigned i = 0; i < 2000; i++) {
        if (ring_free(&f.channels[0].out, &free) || free < 200)
            break;
        EXPECT(fake_nic_send(&f, 0, 0, 0, 0, 0, 0)); /* empty: completed at once */
    }
    for (; given < 100 && give(60, fill, 0); given++)
        fill++;
    EXPECT(given == 100 && f.n.waits_for_guest);
    fake_nic_check(&f);
    while (fake_nic_take(&f, 0, &p) && p.h.type == RING_COMPLETION)
        continue;
    for (bool has_packet = true; has_packet; has_packet = fake_nic_take(&f, 0, &p)) {
        EXPECT_EQ(p.h.type, RING_XFER_PAGES);
        for (uint32_t i = 0; i < range_count(); i++, got++) {
            struct rndis_packet r;
            const uint8_t *at = message(i, &r);

            EXPECT_EQ(at[r.data_offset], next);
            next++;
        }
        EXPECT(fake_nic_return(&f, 0, p.h.transaction));
    }
    EXPECT_EQ(got, given);
    EXPECT(!f.n.waits_for_guest);
    EXPECT(has_all_slots());
    EXPECT(give(60, 1, 0)); /* and the link is awake */
    EXPECT(fake_nic_take(&f, 0, &p));
    end();
}

TEST(a_channel_that_closes_while_it_is_full_lets_the_link_go_on)
{
    uint32_t free;

    ready();
    for (unsigned i = 0; i < 2000; i++) {
        if (ring_free(&f.channels[0].out, &free) || free < 200)
            break;
        EXPECT(fake_nic_send(&f, 0, 0, 0, 0, 0, 0));
    }
    for (unsigned i = 0; i < 100; i++)
        EXPECT(give(60, 1, 0));
    EXPECT(f.n.waits_for_guest);
    fake_nic_close(&f, 0);
    EXPECT(!f.n.waits_for_guest);
    fake_nic_check(&f);
    fake_nic_open(&f, 0);
    EXPECT(fake_nic_negotiate(&f, NVSP_VERSION_6_1, 1500));
    EXPECT(has_all_slots());
    EXPECT(give(60, 2, 0));
    EXPECT(fake_nic_take(&f, 0, &p));
    EXPECT_EQ(p.h.type, RING_XFER_PAGES);
    end();
}

/* ---- slots ---- */

TEST(slots_for_which_the_link_has_no_room_are_given_later)
{
    struct {
        struct port_message head;
        struct port_filter f;
    } unused = { 0 };
    uint64_t transactions[300];
    uint32_t count = 0;

    ready();
    while (give(60, 1, 0))
        if (fake_nic_take(&f, 0, &p))
            transactions[count++] = p.h.transaction;
    EXPECT(count > 200);
    while (netvsp_send_message(&f.n, PORT_FILTER, 1, &unused.head, sizeof(unused.f)) == OK)
        continue;
    for (uint32_t i = 0; i < count; i += 2) /* none beside another */
        EXPECT(fake_nic_return(&f, 0, transactions[i]));
    for (uint32_t i = 1; i < count; i += 2)
        EXPECT(fake_nic_return(&f, 0, transactions[i]));
    fake_nic_check(&f);
    EXPECT(has_all_slots());
    end();
}

TEST(slots_that_the_switch_has_not_are_strange)
{
    struct port_received e[4] = { { .slot = 0, .bytes = 60 },
                                  { .slot = 100000, .bytes = 60 },
                                  { .slot = UINT32_MAX, .bytes = 60 },
                                  { .slot = 100, .bytes = 1664 - NETVSP_FRAME_OFFSET + 1 } };

    ready();
    EXPECT(fake_nic_say(&f, PORT_RECEIVED, f.generation, e, sizeof(e), 4));
    EXPECT_EQ(f.n.strange_count, 4);
    EXPECT(!fake_nic_take(&f, 0, &p));
    e[0] = (struct port_received){ .slot = 50, .bytes = 60 };
    e[1] = e[0]; /* twice */
    EXPECT(fake_nic_say(&f, PORT_RECEIVED, f.generation, e, 32, 2));
    EXPECT_EQ(f.n.strange_count, 5);
    EXPECT(fake_nic_take(&f, 0, &p));
    EXPECT_EQ(range_count(), 1);
    EXPECT(fake_nic_say(&f, PORT_RECEIVED, f.generation, e, 16, 1)); /* it is the guest's now */
    EXPECT_EQ(f.n.strange_count, 6);
    end();
}

TEST(a_count_beyond_the_message_ends_with_it)
{
    struct port_received e = { .slot = 60, .bytes = 60 };

    ready();
    EXPECT(fake_nic_say(&f, PORT_RECEIVED, f.generation, &e, sizeof(e), 0xffff));
    EXPECT(fake_nic_take(&f, 0, &p));
    EXPECT_EQ(range_count(), 1);
    EXPECT(give(60, 1, 0));
    EXPECT(fake_nic_take(&f, 0, &p));
    end();
}

TEST(a_packet_is_returned_once_and_by_its_first_slot)
{
    for (unsigned i = 0; i < 4; i++) {
        ready();
        memset(frame, 0, 3000);
        EXPECT(fake_nic_receive(&f, frame, 3000, 1500, 0));
        EXPECT(fake_nic_take(&f, 0, &p));
        uint64_t id = p.h.transaction;
        const uint64_t bad[] = { id + 1, id + 2, id + (1ull << 32), UINT64_MAX };
        EXPECT(fake_nic_return(&f, 0, bad[i]));
        EXPECT(f.channels[0].is_broken);
        end();
    }
    ready();
    EXPECT(give(60, 1, 0));
    EXPECT(fake_nic_take(&f, 0, &p));
    EXPECT(fake_nic_return(&f, 0, p.h.transaction));
    EXPECT(!f.channels[0].is_broken);
    EXPECT(fake_nic_return(&f, 0, p.h.transaction));
    EXPECT(f.channels[0].is_broken);
    end();
}

TEST(slots_that_the_guest_holds_go_to_the_next_switch)
{
    ready();
    EXPECT(give(60, 1, 0));
    EXPECT(give(60, 2, 0));
    EXPECT(fake_nic_take(&f, 0, &p));
    netvsp_unlink(&f.n);
    fake_nic_check(&f);
    EXPECT(fake_nic_return(&f, 0, p.h.transaction)); /* between them */
    fake_nic_link(&f);
    fake_nic_read_link(&f);
    EXPECT_EQ(f.slots, f.connect.slot_count - NETVSP_CONTROL_SLOTS - 1);
    EXPECT(fake_nic_take(&f, 0, &p));
    EXPECT(fake_nic_return(&f, 0, p.h.transaction));
    EXPECT(has_all_slots());
    EXPECT(give(60, 3, 0));
    EXPECT(fake_nic_take(&f, 0, &p));
    end();
}

TEST(a_buffer_that_is_taken_back_forgets_what_the_guest_holds)
{
    ready();
    EXPECT(give(60, 1, 0));
    EXPECT(fake_nic_take(&f, 0, &p));
    netvsp_gpadl_gone(&f.n, FAKE_GPADL_RECEIVE);
    EXPECT(fake_nic_return(&f, 0, p.h.transaction)); /* late, but not wrong */
    EXPECT(!f.channels[0].is_broken);
    end();
}

TEST(frames_of_an_older_connection_are_ignored)
{
    struct port_received e = { .slot = 50, .bytes = 60 };

    ready();
    EXPECT(fake_nic_say(&f, PORT_RECEIVED, f.generation - 1, &e, sizeof(e), 1));
    EXPECT(!fake_nic_take(&f, 0, &p));
    EXPECT_EQ(f.n.strange_count, 0);
    end();
}

TEST(a_frame_that_never_ends_is_dropped)
{
    struct port_received e = { .bytes = 60, .flags = PORT_RECEIVED_MORE };

    ready();
    for (uint32_t slot = 16; slot < 16 + 300; slot++) {
        e.slot = slot;
        if (slot < f.connect.slot_count)
            EXPECT(fake_nic_say(&f, PORT_RECEIVED, f.generation, &e, sizeof(e), 1));
    }
    EXPECT(!fake_nic_take(&f, 0, &p));
    fake_nic_check(&f);
    EXPECT(f.n.batch_count <= NETVSP_BATCH_MAX);
    fake_nic_end(&f);
}

/* ---- channels ---- */

static void set_rss(void)
{
    static struct {
        struct ndis_rss_parameters p;
        uint32_t table[NDIS_RSS_TABLE_ENTRIES];
        uint8_t key[NDIS_RSS_KEY_BYTES];
    } rss = { .p = { .head = { NDIS_TYPE_RSS_PARAMETERS, 2, sizeof(rss.p) },
                     .hash = 0x1701,
                     .table_bytes = sizeof(rss.table),
                     .table_offset = sizeof(rss.p),
                     .key_bytes = sizeof(rss.key),
                     .key_offset = sizeof(rss.p) + sizeof(rss.table) },
              .key = { 0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                       0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb } };
    struct nvsp_message m = { .type = NVSP_SUBCHANNEL, .subchannel = { 1, 3 } }, a;

    for (uint32_t i = 0; i < NDIS_RSS_TABLE_ENTRIES; i++)
        rss.table[i] = i % 4;
    if (!fake_nic_ask(&f, &m, &a) || a.subchannel.count != 3 ||
        fake_nic_set(&f, OID_GEN_RECEIVE_SCALE_PARAMETERS, &rss, sizeof(rss)))
        abort();
    for (unsigned i = 1; i < 4; i++) {
        fake_nic_open(&f, i);
        if (!fake_nic_take(&f, 0, &p))
            abort();
    }
}

/* TCP over IPv4 from @port. */
static void make_tcp(uint16_t port)
{
    memset(frame, 0, 100);
    memcpy(frame + 12, "\x08\x00\x45", 3);
    frame[23] = 6;
    memcpy(frame + 26, "\x42\x09\x95\xbb\xa1\x8e\x64\x50", 8);
    frame[34] = (uint8_t)(port >> 8);
    frame[35] = (uint8_t)port;
}

TEST(the_hash_of_a_flow_chooses_its_channel)
{
    uint32_t counts[4] = { 0 };

    ready();
    set_rss();
    for (uint16_t port = 1000; port < 1064; port++) {
        uint32_t hash, found = 0;

        make_tcp(port);
        EXPECT(flow_hash(&f.n.flow, 0x1701, frame, 64, &hash));
        EXPECT(fake_nic_receive(&f, frame, 100, 1500, 0));
        for (uint32_t i = 0; i < 4; i++)
            while (fake_nic_take(&f, i, &p)) {
                EXPECT_EQ(i, hash % 4);
                EXPECT(fake_nic_return(&f, i, p.h.transaction));
                found++;
                counts[i]++;
            }
        EXPECT_EQ(found, 1);
    }
    for (uint32_t i = 0; i < 4; i++)
        EXPECT(counts[i] > 4);
    EXPECT(has_all_slots());
    end();
}

TEST(a_channel_that_is_not_open_has_its_flows_on_the_first)
{
    ready();
    set_rss();
    for (unsigned i = 1; i < 4; i++)
        fake_nic_close(&f, i);
    for (uint16_t port = 1000; port < 1020; port++) {
        make_tcp(port);
        EXPECT(fake_nic_receive(&f, frame, 100, 1500, 0));
        EXPECT(fake_nic_take(&f, 0, &p));
    }
    end();
}

TEST(a_broken_channel_costs_only_its_own_frames)
{
    uint32_t got = 0;

    ready();
    set_rss();
    f.channels[1].is_broken = true;
    for (uint16_t port = 1000; port < 1064; port++) {
        make_tcp(port);
        EXPECT(fake_nic_receive(&f, frame, 100, 1500, 0));
        for (uint32_t i = 0; i < 4; i++)
            while (fake_nic_take(&f, i, &p)) {
                EXPECT(fake_nic_return(&f, i, p.h.transaction));
                got++;
            }
    }
    EXPECT(got > 30 && got < 64);
    EXPECT(has_all_slots());
    end();
}
