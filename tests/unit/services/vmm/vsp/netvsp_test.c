// SOURCES: services/vmm/vsp/netvsp*.c services/vmm/vsp/rndis*.c services/vmm/vsp/flow.c
// SOURCES: services/vmm/vmbus/channel.c lib/ring.c lib/string.c
// SOURCES: tests/unit/services/vmm/vsp/fake_nic.c
/* How a connection is made, and ends. */
#include "tests/unit/services/vmm/vsp/fake_nic.h"
#include "tests/unit/test.h"

static struct fake_nic f;
static struct fake_packet p;

static void opened(uint32_t queue_max)
{
    fake_nic_init(&f, queue_max);
    fake_nic_link(&f);
    fake_nic_open(&f, 0);
}

static void ready(void)
{
    fake_nic_ready(&f, 4, 1500);
}

static void end(void)
{
    fake_nic_check(&f);
    fake_nic_end(&f);
}

static uint32_t status_of(uint32_t type, uint32_t a, uint32_t b)
{
    struct nvsp_message m = { .type = type, .words = { a, b } }, r;

    return fake_nic_ask(&f, &m, &r) ? r.words[type == NVSP_INIT ? 2 : 0] : ~0u;
}

TEST(a_guest_goes_from_init_to_ready_at_each_version)
{
    static const uint32_t versions[] = { NVSP_VERSION_1, NVSP_VERSION_2, NVSP_VERSION_4,
                                         NVSP_VERSION_5, NVSP_VERSION_6, NVSP_VERSION_6_1 };
    struct vmm_nic_state s;

    for (unsigned i = 0; i < 6; i++) {
        opened(4);
        EXPECT(fake_nic_negotiate(&f, versions[i], 1500));
        netvsp_state(&f.n, &s);
        EXPECT_EQ(s.state, NIC_READY);
        EXPECT_EQ(s.nvsp_version, versions[i]);
        EXPECT_EQ(s.mtu, 1500);
        EXPECT_EQ(s.number, 3);
        EXPECT_EQ(s.epoch, 1);
        EXPECT_EQ(s.slot_count, f.n.slots.count);
        end();
    }
}

TEST(a_version_that_is_not_known_is_refused_and_the_next_one_taken)
{
    opened(4);
    EXPECT_EQ(status_of(NVSP_INIT, 0x60002, 0x60002), NVSP_STATUS_FAIL);
    EXPECT_EQ(status_of(NVSP_INIT, 0x60001, 0x60000), NVSP_STATUS_FAIL);
    EXPECT_EQ(status_of(NVSP_INIT, 0, 0), NVSP_STATUS_FAIL);
    EXPECT_EQ(status_of(NVSP_INIT, 2, 2), NVSP_STATUS_SUCCESS);
    EXPECT_EQ(status_of(NVSP_INIT, 2, 2), NVSP_STATUS_FAIL); /* once is enough */
    end();
}

TEST(the_switch_is_told_of_the_buffers_once_both_are_lent)
{
    ready();
    EXPECT_EQ(f.connects, 1);
    EXPECT_EQ(f.hand_overs, 1);
    EXPECT_EQ(f.connect.slot_bytes, 1664);
    EXPECT_EQ(f.connect.slot_count, FAKE_RECEIVE_BYTES / 1664);
    EXPECT_EQ(f.connect.receive_bytes, FAKE_RECEIVE_BYTES);
    EXPECT_EQ(f.connect.send_bytes, FAKE_SEND_BYTES);
    EXPECT_EQ(f.connect.mtu, 1500);
    EXPECT_EQ(f.slots, f.connect.slot_count - NETVSP_CONTROL_SLOTS);
    EXPECT(!f.is_wrong);
    end();
}

TEST(buffers_out_of_order_or_of_no_gpadl_are_refused)
{
    opened(4);
    EXPECT_EQ(status_of(NVSP_SEND_RECEIVE_BUFFER, FAKE_GPADL_RECEIVE, NVSP_RECEIVE_BUFFER_ID),
              NVSP_STATUS_FAIL);
    EXPECT_EQ(status_of(NVSP_INIT, 2, 2), NVSP_STATUS_SUCCESS);
    EXPECT_EQ(status_of(NVSP_SEND_RECEIVE_BUFFER, 99, NVSP_RECEIVE_BUFFER_ID), NVSP_STATUS_FAIL);
    EXPECT_EQ(status_of(NVSP_SEND_RECEIVE_BUFFER, FAKE_GPADL_RECEIVE, 0), NVSP_STATUS_FAIL);
    EXPECT_EQ(status_of(NVSP_SEND_RECEIVE_BUFFER, FAKE_GPADL_TINY, NVSP_RECEIVE_BUFFER_ID),
              NVSP_STATUS_FAIL);
    EXPECT_EQ(status_of(NVSP_SEND_SEND_BUFFER, FAKE_GPADL_TINY, 0), NVSP_STATUS_FAIL);
    EXPECT_EQ(status_of(NVSP_SEND_SEND_BUFFER, FAKE_GPADL_SEND, 7), NVSP_STATUS_FAIL);
    EXPECT_EQ(status_of(NVSP_SEND_SEND_BUFFER, FAKE_GPADL_SEND, 0), NVSP_STATUS_SUCCESS);
    EXPECT_EQ(status_of(NVSP_SEND_SEND_BUFFER, FAKE_GPADL_SEND, 0), NVSP_STATUS_FAIL);
    f.refuses_memory = true;
    EXPECT_EQ(status_of(NVSP_SEND_RECEIVE_BUFFER, FAKE_GPADL_RECEIVE, NVSP_RECEIVE_BUFFER_ID),
              NVSP_STATUS_FAIL);
    EXPECT(!f.is_lent[NETVSP_RECEIVE]);
    f.refuses_memory = false;
    EXPECT_EQ(status_of(NVSP_SEND_RECEIVE_BUFFER, FAKE_GPADL_RECEIVE, NVSP_RECEIVE_BUFFER_ID),
              NVSP_STATUS_SUCCESS);
    EXPECT_EQ(f.n.state, NIC_READY);
    end();
}

TEST(the_mtu_is_kept_within_bounds_and_makes_the_slots)
{
    static const struct {
        uint32_t asked, mtu, slot;
    } sizes[] = { { 0, 68, 512 },       { 67, 68, 512 },      { 1500, 1500, 1664 },
                  { 9000, 9000, 9152 }, { 9001, 9000, 9152 }, { 65521, 9000, 9152 } };

    for (unsigned i = 0; i < 6; i++) {
        opened(1);
        EXPECT_EQ(f.connects, 0);
        (void)fake_nic_negotiate(&f, NVSP_VERSION_6_1, sizes[i].asked);
        fake_nic_read_link(&f);
        EXPECT_EQ(f.n.rndis.mtu, sizes[i].mtu);
        EXPECT_EQ(f.n.slots.bytes, sizes[i].slot ? f.n.slots.bytes : 0);
        EXPECT(!f.n.slots.count || f.n.slots.bytes == sizes[i].slot);
        end();
    }
}

TEST(buffers_taken_back_at_any_moment_are_revoked_and_the_switch_told)
{
    for (unsigned which = 0; which < 4; which++) {
        ready();
        if (which < 2)
            fake_nic_tell(&f, &(struct nvsp_message){ .type = which ? NVSP_REVOKE_SEND_BUFFER
                                                                    : NVSP_REVOKE_RECEIVE_BUFFER });
        else
            netvsp_gpadl_gone(&f.n, which == 2 ? FAKE_GPADL_RECEIVE : FAKE_GPADL_SEND);
        fake_nic_read_link(&f);
        EXPECT_EQ(f.disconnects, 1);
        EXPECT_EQ(f.n.state, NIC_OPENED);
        EXPECT_EQ(f.is_lent[NETVSP_RECEIVE] + f.is_lent[NETVSP_SEND], 1);
        fake_nic_check(&f);
        netvsp_gpadl_gone(&f.n, FAKE_GPADL_RECEIVE);
        netvsp_gpadl_gone(&f.n, FAKE_GPADL_SEND);
        netvsp_gpadl_gone(&f.n, 77);
        end();
    }
}

TEST(a_guest_that_halts_takes_nothing_and_can_begin_anew)
{
    uint8_t answer[RNDIS_ANSWER_BYTES_MAX];

    ready();
    EXPECT_EQ(fake_nic_set(&f, OID_GEN_CURRENT_PACKET_FILTER, &(uint32_t){ 0x0d }, 4), 0);
    fake_nic_read_link(&f);
    EXPECT_EQ(f.takes, 7);
    EXPECT_EQ(fake_nic_rndis(&f, RNDIS_HALT, &(uint32_t){ 1 }, 4, answer), 0); /* but completed */
    EXPECT(!fake_nic_take(&f, 0, &p));
    fake_nic_read_link(&f);
    EXPECT_EQ(f.takes, 0);
    fake_nic_tell(&f, &(struct nvsp_message){ .type = NVSP_REVOKE_RECEIVE_BUFFER });
    fake_nic_tell(&f, &(struct nvsp_message){ .type = NVSP_REVOKE_SEND_BUFFER });
    fake_nic_close(&f, 0);
    EXPECT_EQ(f.n.state, NIC_OFFERED);
    fake_nic_open(&f, 0);
    EXPECT(fake_nic_negotiate(&f, NVSP_VERSION_6_1, 9000));
    fake_nic_read_link(&f);
    EXPECT_EQ(f.connects, 2);
    EXPECT_EQ(f.connect.mtu, 9000);
    EXPECT(!f.is_wrong);
    end();
}

TEST(a_new_switch_is_told_all_of_it)
{
    ready();
    EXPECT_EQ(fake_nic_set(&f, OID_GEN_CURRENT_PACKET_FILTER, &(uint32_t){ 0x0d }, 4), 0);
    f.takes = 0;
    netvsp_unlink(&f.n);
    fake_nic_check(&f);
    fake_nic_link(&f);
    fake_nic_read_link(&f);
    EXPECT_EQ(f.connects, 2);
    EXPECT_EQ(f.takes, 7);
    EXPECT_EQ(f.slots, f.connect.slot_count - NETVSP_CONTROL_SLOTS);
    EXPECT(!f.is_wrong);
    end();
}

TEST(a_switch_that_comes_late_is_told_as_well)
{
    fake_nic_init(&f, 4);
    fake_nic_open(&f, 0);
    EXPECT(fake_nic_negotiate(&f, NVSP_VERSION_6_1, 1500));
    EXPECT_EQ(f.connects, 0);
    fake_nic_link(&f);
    fake_nic_read_link(&f);
    EXPECT_EQ(f.connects, 1);
    end();
}

/* ---- sub-channels ---- */

TEST(as_many_channels_are_promised_as_are_offered)
{
    struct nvsp_message m = { .type = NVSP_SUBCHANNEL, .subchannel = { 1, 9 } }, a;

    ready();
    f.channels_refused = 1;
    EXPECT(fake_nic_ask(&f, &m, &a));
    EXPECT_EQ(a.subchannel.operation_or_status, NVSP_STATUS_SUCCESS);
    EXPECT_EQ(a.subchannel.count, 2); /* four at most, and one of them failed */
    EXPECT_EQ(f.channels_offered, 2);
    EXPECT(fake_nic_ask(&f, &m, &a)); /* not twice */
    EXPECT_EQ(a.subchannel.operation_or_status, NVSP_STATUS_FAIL);
    EXPECT_EQ(a.subchannel.count, 0);
    EXPECT_EQ(f.channels_offered, 2);
    end();
}

TEST(channels_are_not_promised_before_there_are_buffers)
{
    struct nvsp_message m = { .type = NVSP_SUBCHANNEL, .subchannel = { 1, 2 } }, a;

    opened(4);
    EXPECT(fake_nic_ask(&f, &m, &a));
    EXPECT_EQ(a.subchannel.operation_or_status, NVSP_STATUS_FAIL);
    EXPECT_EQ(f.channels_offered, 0);
    end();
}

TEST(an_opened_channel_brings_the_send_table)
{
    struct nvsp_message m = { .type = NVSP_SUBCHANNEL, .subchannel = { 1, 3 } }, a;
    uint32_t entry;

    ready();
    EXPECT(fake_nic_ask(&f, &m, &a));
    fake_nic_open(&f, 1);
    EXPECT(fake_nic_take(&f, 0, &p));
    EXPECT_EQ(p.m.type, NVSP_SEND_INDIRECTION_TABLE);
    EXPECT_EQ(p.n, 104);
    memcpy(&entry, p.bytes + 40 + 4 * 6, 4);
    EXPECT_EQ(entry, 6 % 4);
    end();
}

/* ---- what the manager changes ---- */

static uint32_t told(void)
{
    struct xfer_range at;
    uint32_t status;

    if (!fake_nic_take(&f, 0, &p) || p.h.type != RING_XFER_PAGES)
        return 0;
    memcpy(&at, p.bytes + sizeof(struct xfer_pages), sizeof(at));
    memcpy(&status, f.receive + at.offset + 8, sizeof(status));
    return status;
}

TEST(link_and_speed_are_told_when_they_change)
{
    ready();
    netvsp_set(&f.n, &f.config);
    EXPECT_EQ(told(), 0);
    f.config.flags &= ~NIC_LINK_IS_UP;
    netvsp_set(&f.n, &f.config);
    EXPECT_EQ(told(), RNDIS_STATUS_MEDIA_DISCONNECT);
    EXPECT(fake_nic_return(&f, 0, p.h.transaction));
    f.config.flags |= NIC_LINK_IS_UP;
    f.config.speed_bits /= 10;
    netvsp_set(&f.n, &f.config);
    EXPECT_EQ(told(), RNDIS_STATUS_LINK_SPEED);
    EXPECT_EQ(told(), RNDIS_STATUS_MEDIA_CONNECT);
    end();
}

TEST(a_guest_that_does_not_listen_is_told_the_latest_when_it_does)
{
    uint32_t last = 0, count = 0, next;

    ready();
    for (unsigned i = 0; i < 101; i++) {
        f.config.flags ^= NIC_LINK_IS_UP;
        netvsp_set(&f.n, &f.config);
    }
    while ((next = told()) != 0) {
        last = next;
        count++;
        EXPECT(fake_nic_return(&f, 0, p.h.transaction));
    }
    EXPECT_EQ(last, RNDIS_STATUS_MEDIA_DISCONNECT);
    EXPECT(count < 20);
    end();
}

/* The request lies before the completions that would give the slots back. */
TEST(a_guest_that_asks_before_it_has_listened_is_answered)
{
    struct nvsp_message m = { .type = NVSP_SWITCH_DATA_PATH };
    struct ring_part part = { &m, sizeof(m) };
    bool has_answer = false;

    ready();
    for (unsigned i = 0; i < 101; i++) {
        f.config.flags ^= NIC_LINK_IS_UP;
        netvsp_set(&f.n, &f.config);
    }
    EXPECT(fake_nic_put(&f, 0, RING_DATA_INBAND, 1, 4711, &part, 1, 0));
    while (fake_nic_take(&f, 0, &p)) {
        has_answer |= p.h.type == RING_COMPLETION && p.h.transaction == 4711;
        if (p.h.type == RING_XFER_PAGES)
            EXPECT(fake_nic_return(&f, 0, p.h.transaction));
    }
    EXPECT(has_answer);
    end();
}

/* ---- guests that break the protocol ---- */

TEST(what_is_no_message_breaks_the_channel_and_no_more)
{
    static const struct {
        uint16_t type;
        uint32_t word;
    } bad[] = { { RING_DATA_INBAND, 99 },
                { RING_DATA_INBAND, NVSP_INIT_COMPLETE },
                { 5, NVSP_INIT },
                { RING_XFER_PAGES, NVSP_INIT },
                { RING_COMPLETION, NVSP_RNDIS_PACKET_COMPLETE } };

    for (unsigned i = 0; i < 5; i++) {
        struct nvsp_message m = { .type = bad[i].word };
        struct ring_part part = { &m, sizeof(m) };

        ready();
        EXPECT(fake_nic_put(&f, 0, bad[i].type, 0, 12345, &part, 1, 0));
        EXPECT(f.channels[0].is_broken);
        EXPECT_EQ(f.n.strange_count, 1);
        netvsp_closed(&f.n, &f.channels[0]);
        EXPECT_EQ(f.n.state, NIC_BROKEN);
        fake_nic_open(&f, 0);
        EXPECT(fake_nic_negotiate(&f, NVSP_VERSION_6_1, 1500));
        end();
    }
}

TEST(a_packet_that_holds_no_type_breaks_the_channel)
{
    ready();
    EXPECT(fake_nic_put(&f, 0, RING_DATA_INBAND, 0, 1, NULL, 0, 0));
    EXPECT(f.channels[0].is_broken);
    end();
}

TEST(data_before_the_buffers_break_the_channel)
{
    opened(4);
    EXPECT(fake_nic_send(&f, 0, NVSP_NO_SECTION, 0, 1, 0, 100));
    EXPECT(f.channels[0].is_broken);
    end();
}
