// SOURCES: services/vmm/vmbus/server.c services/vmm/vmbus/gpadl.c services/vmm/vmbus/channel.c
// SOURCES: services/vmm/vmbus/server_save.c services/vmm/image.c lib/ring.c lib/checksum.c
// SOURCES: lib/string.c tests/unit/services/vmm/vmbus/fake_bus.c
#include "lib/checksum.h"
#include "services/vmm/vmbus/server_save.h"
#include "tests/unit/services/vmm/vmbus/fake_bus.h"
#include "tests/unit/test.h"

static struct fake_bus bus;
static struct ring out, in;

struct counting {
    struct device device;
    uint32_t opened, closed, signalled;
};

static void on_opened(struct device *d, struct channel *c)
{
    container_of(d, struct counting, device)->opened++;
}
static void on_closed(struct device *d, struct channel *c)
{
    container_of(d, struct counting, device)->closed++;
}
/* Takes whatever comes. */
static void on_signalled(struct device *d, struct channel *c)
{
    struct ring_packet h;
    uint8_t bytes[64];
    uint32_t n;

    container_of(d, struct counting, device)->signalled++;
    do {
        channel_begin(c);
        while (channel_receive(c, &h, bytes, sizeof(bytes), &n) == OK)
            ;
    } while (!channel_done(c));
}
static const struct device_ops counting_ops = { on_opened, on_closed, on_signalled, NULL };
static struct counting one, two;

static void add(struct counting *d, uint32_t number)
{
    *d = (struct counting){ .device = { .ops = &counting_ops,
                                        .class_id = { .a = number },
                                        .instance_id = { .a = number },
                                        .is_enabled = true } };
    server_add(&bus.server, &d->device);
}

static void fresh(void)
{
    fake_bus_init(&bus);
    add(&one, 1);
    add(&two, 2);
}

static void connected(void)
{
    fresh();
    if (!fake_bus_connect(&bus))
        abort();
}

static void released(uint32_t channel)
{
    struct vmbus_rescind m = { .channel = channel };

    fake_bus_send(&bus, VMBUS_RELID_RELEASED, &m, sizeof(m));
}

TEST(versions_from_5_3_to_2_4_are_spoken_and_no_others)
{
    static const uint32_t good[] = { VMBUS_VERSION(5, 3), VMBUS_VERSION(5, 2), VMBUS_VERSION(5, 1),
                                     VMBUS_VERSION(5, 0), VMBUS_VERSION(4, 1), VMBUS_VERSION(4, 0),
                                     VMBUS_VERSION(3, 0), VMBUS_VERSION(2, 4) };
    static const uint32_t bad[] = {
        0, 13, VMBUS_VERSION(1, 1), VMBUS_VERSION(5, 4), VMBUS_VERSION(6, 0), ~0u
    };

    fresh();
    for (unsigned i = 0; i < array_count(good); i++) {
        EXPECT(fake_bus_contact(&bus, good[i]));
        EXPECT_EQ(bus.server.version, good[i]);
    }
    for (unsigned i = 0; i < array_count(bad); i++) {
        EXPECT(!fake_bus_contact(&bus, bad[i]));
        EXPECT_EQ(bus.server.version, 0);
    }
    EXPECT_EQ(bus.complaints, 0); /* to try a version is no fault */
}

TEST(hostile_028_a_contact_that_names_what_is_not_there_is_refused)
{
    static const struct vmbus_initiate_contact bad[] = {
        { .version = VMBUS_VERSION_5_3, .sint = VMBUS_SINT, .target_vp = FAKE_VCPUS },
        { .version = VMBUS_VERSION_5_3, .sint = VMBUS_SINT, .target_vp = ~0u },
        { .version = VMBUS_VERSION_5_3, .sint = 3 },
        { .version = VMBUS_VERSION_5_3, .sint = VMBUS_SINT, .monitor_pages = { 4097 } },
        { .version = VMBUS_VERSION_5_3, .sint = VMBUS_SINT, .monitor_pages = { 8192, 8192 } },
        { .version = VMBUS_VERSION_5_3, .sint = VMBUS_SINT, .monitor_pages = { 0, 1ull << 40 } },
        { .version = VMBUS_VERSION(4, 1), .interrupt_page = FAKE_PAGES * 4096ull },
        { .version = VMBUS_VERSION(4, 1), .interrupt_page = ~4095ull },
        { .version = VMBUS_VERSION(4, 1), .interrupt_page = 1 },
    };

    fresh();
    for (unsigned i = 0; i < array_count(bad); i++) {
        struct vmbus_version_response r = { .is_supported = 1 };

        fake_bus_send(&bus, VMBUS_INITIATE_CONTACT, &bad[i], sizeof(bad[i]));
        EXPECT_EQ(fake_bus_next(&bus, &r, sizeof(r)), VMBUS_VERSION_RESPONSE);
        EXPECT_EQ(r.is_supported, 0);
        EXPECT_EQ(bus.complaints, i + 1);
    }
    EXPECT(fake_bus_contact(&bus, VMBUS_VERSION_5_3));
}

TEST(offers_come_once_in_ascending_order_and_then_their_end)
{
    struct vmbus_offer o;
    struct vmbus_header m;

    fresh();
    EXPECT(fake_bus_contact(&bus, VMBUS_VERSION_5_3));
    EXPECT_EQ(fake_bus_next(&bus, NULL, 0), 0);
    fake_bus_send(&bus, VMBUS_REQUEST_OFFERS, &m, sizeof(m));
    for (uint32_t id = 1; id <= 2; id++) {
        EXPECT_EQ(fake_bus_next(&bus, &o, sizeof(o)), VMBUS_OFFER);
        EXPECT_EQ(o.channel, id);
        EXPECT_EQ(o.class_id.a, id);
        EXPECT_EQ(o.monitor_is_allocated, 0);
        EXPECT_EQ(o.has_own_interrupt, 1);
        EXPECT_EQ(o.connection, SERVER_EVENT_CONNECTION + id);
    }
    EXPECT_EQ(fake_bus_next(&bus, NULL, 0), VMBUS_ALL_OFFERS_DELIVERED);
    EXPECT_EQ(fake_bus_next(&bus, NULL, 0), 0);
    fake_bus_send(&bus, VMBUS_REQUEST_OFFERS, &m, sizeof(m));
    EXPECT_EQ(fake_bus_next(&bus, NULL, 0), 0);
    EXPECT_EQ(bus.complaints, 1);
}

TEST(a_channel_opens_carries_packets_and_closes)
{
    struct ring_packet h = { .type = RING_DATA_INBAND };
    struct ring_part part = { "hello", 5 };
    bool signal;

    connected();
    EXPECT(fake_bus_open_channel(&bus, 1, 8, &out, &in));
    EXPECT_EQ(one.opened, 1);
    EXPECT_EQ(ring_write(&out, &h, &part, 1, &signal), OK);
    EXPECT(signal);
    (void)!server_signalled(&bus.server, 1);
    EXPECT_EQ(one.signalled, 1);
    EXPECT_EQ(server_channel(&bus.server, 1)->packets_in, 1);
    EXPECT_EQ(server_channel(&bus.server, 1)->bytes_in, 8);
    EXPECT_EQ(channel_send(one.device.channel, RING_DATA_INBAND, 0, 0, &part, 1), OK);
    EXPECT_EQ(bus.signals, 1);
    EXPECT_EQ(ring_peek(&in, &h), OK);
    fake_bus_close(&bus, 1);
    EXPECT_EQ(one.closed, 1);
    EXPECT_EQ(bus.maps, 0);
    EXPECT_EQ(fake_bus_teardown(&bus, 1, 1001), 1001);
    EXPECT(fake_bus_open_channel(&bus, 1, 8, &out, &in));
    EXPECT_EQ(bus.complaints, 0);
}

TEST(a_device_hears_of_its_channel_when_the_guest_has_its_answer)
{
    struct vmbus_open m = { .channel = 1, .open_id = 1, .gpadl = 7, .downstream_page = 4 };

    connected();
    EXPECT_EQ(fake_bus_gpadl(&bus, 1, 7, 8, 8), 0);
    fake_bus_send(&bus, VMBUS_OPEN, &m, sizeof(m));
    EXPECT_EQ(one.opened, 0);
    EXPECT_EQ(bus.signals, 0);
    EXPECT_EQ(fake_bus_next(&bus, NULL, 0), VMBUS_OPEN_RESULT);
    EXPECT_EQ(one.opened, 1);
    fake_bus_close(&bus, 1);
    EXPECT_EQ(one.closed, 1);
    fake_bus_send(&bus, VMBUS_OPEN, &m, sizeof(m)); /* closed again before it is answered */
    fake_bus_close(&bus, 1);
    fake_bus_send(&bus, VMBUS_OPEN, &m, sizeof(m));
    EXPECT_EQ(fake_bus_drain(&bus, VMBUS_OPEN_RESULT), 2);
    EXPECT_EQ(one.opened, 2);
    EXPECT_EQ(one.closed, 1);
}

TEST(a_channel_with_more_than_a_turns_packets_comes_again)
{
    struct ring_packet h = { .type = RING_DATA_INBAND };

    connected();
    EXPECT(fake_bus_open_channel(&bus, 1, 8, &out, &in));
    for (unsigned i = 0; i < CHANNEL_TURN_MAX + 10; i++)
        EXPECT_EQ(ring_put_one(&out, &h, "8 bytes", 8), OK);
    EXPECT(ring_publish(&out));
    EXPECT(server_signalled(&bus.server, 1));
    EXPECT_EQ(server_channel(&bus.server, 1)->packets_in, CHANNEL_TURN_MAX);
    EXPECT(!server_signalled(&bus.server, 1));
    EXPECT_EQ(server_channel(&bus.server, 1)->packets_in, CHANNEL_TURN_MAX + 10);
}

TEST(hostile_033_an_open_that_cannot_be_is_refused)
{
    struct vmbus_open m = { .channel = 1, .gpadl = 7, .downstream_page = 4 };
    struct vmbus_open_result r;

    connected();
    EXPECT_EQ(fake_bus_gpadl(&bus, 1, 7, 8, 8), 0);
    EXPECT_EQ(fake_bus_gpadl(&bus, 2, 8, 16, 8), 0);
    EXPECT_EQ(fake_bus_gpadl(&bus, 1, 9, 24, 2), 0);
    for (uint32_t split = 0; split < 12; split++)
        if (split < 2 || split > 6)
            EXPECT(fake_bus_open(&bus, 1, 7, split) != 0);
    EXPECT(fake_bus_open(&bus, 1, 7, ~0u) != 0);
    EXPECT(fake_bus_open(&bus, 1, 8, 4) != 0);  /* another channel's */
    EXPECT(fake_bus_open(&bus, 1, 77, 4) != 0); /* none */
    EXPECT(fake_bus_open(&bus, 1, 9, 1) != 0);  /* a page each */
    EXPECT(fake_bus_open(&bus, 3, 7, 4) != 0);  /* no such channel */
    EXPECT(fake_bus_open(&bus, ~0u, 7, 4) != 0);
    m.target_vp = FAKE_VCPUS;
    fake_bus_send(&bus, VMBUS_OPEN, &m, sizeof(m));
    EXPECT_EQ(fake_bus_next(&bus, &r, sizeof(r)), VMBUS_OPEN_RESULT);
    EXPECT(r.status != 0);
    EXPECT_EQ(one.opened, 0);
    bus.refuses_map = true;
    EXPECT_EQ(fake_bus_open(&bus, 1, 7, 4), VMBUS_STATUS_INSUFFICIENT_RESOURCES);
    bus.refuses_map = false;
    EXPECT_EQ(fake_bus_open(&bus, 1, 7, 4), 0);
    EXPECT(fake_bus_open(&bus, 1, 7, 4) != 0); /* twice */
    EXPECT_EQ(one.opened, 1);
}

TEST(hostile_029_a_gpadl_that_cannot_be_is_refused_and_nothing_is_kept)
{
    struct {
        struct vmbus_gpadl_header h;
        uint64_t pages[26];
    } PACKED m = { .h = { .channel = 1, .gpadl = 7, .range_count = 1, .byte_count = 4096 } };
    const struct {
        uint16_t ranges;
        uint32_t bytes, offset;
        uint32_t pages; /* that are sent */
        uint64_t page;
    } bad[] = {
        { 0, 4096, 0, 1, 1 },     { 2, 4096, 0, 1, 1 },
        { 65535, 4096, 0, 1, 1 }, { 1, 0, 0, 1, 1 },
        { 1, 0, 0, 0, 1 },        { 1, 4096, 4096, 2, 1 },
        { 1, 4096, ~0u, 2, 1 },   { 1, ~0u, ~0u, 1, 1 },
        { 1, ~0u, 4095, 1, 1 },   { 1, 4096, 0, 2, 1 },
        { 1, 4096, 1, 3, 1 },     { 1, 4096, 0, 1, FAKE_PAGES },
        { 1, 4096, 0, 1, ~0ull }, { 1, 4096, 0, 1, 1ull << 52 },
    };
    struct vmbus_gpadl_created r;

    connected();
    uint32_t before = bus.allocations;
    for (unsigned i = 0; i < array_count(bad); i++) {
        m.h.range_count = bad[i].ranges;
        m.h.byte_count = bad[i].bytes;
        m.h.byte_offset = bad[i].offset;
        for (unsigned k = 0; k < 26; k++)
            m.pages[k] = bad[i].page;
        fake_bus_send(&bus, VMBUS_GPADL_HEADER, &m, (uint32_t)sizeof(m.h) + 8 * bad[i].pages);
        EXPECT_EQ(fake_bus_next(&bus, &r, sizeof(r)), VMBUS_GPADL_CREATED);
        EXPECT(r.status != 0);
        EXPECT_EQ(bus.allocations, before);
    }
    EXPECT(fake_bus_gpadl(&bus, 3, 7, 1, 1) != 0); /* no such channel */
    EXPECT_EQ(fake_bus_gpadl(&bus, 1, 7, 1, 200), 0);
    EXPECT(fake_bus_gpadl(&bus, 1, 7, 1, 1) != 0); /* hostile_030: the id is taken */
    EXPECT_EQ(bus.server.gpadls.page_count, 200);
}

TEST(hostile_030_gpadls_have_a_quota_and_unfinished_ones_count)
{
    struct vmbus_gpadl_header m = { .channel = 1, .range_count = 1 };
    struct vmbus_gpadl_created r;
    uint32_t refused = 0;

    connected();
    for (uint32_t i = 0; i < 100000; i++) {
        m.gpadl = i;
        m.byte_count = 4096 * (1 + i % 20);
        fake_bus_send(&bus, VMBUS_GPADL_HEADER, &m, sizeof(m));
        refused += fake_bus_next(&bus, &r, sizeof(r)) == VMBUS_GPADL_CREATED && r.status;
    }
    EXPECT_EQ(bus.server.gpadls.count, GPADL_COUNT_MAX);
    EXPECT(bus.server.gpadls.page_count <= GPADL_PAGES_MAX);
    EXPECT_EQ(refused, 100000 - GPADL_COUNT_MAX);
    fake_bus_end(&bus);
    EXPECT_EQ(bus.allocations, 0);
}

TEST(hostile_030_a_body_without_a_header_is_ignored)
{
    struct vmbus_gpadl_body m = { .gpadl = 7 };

    connected();
    fake_bus_send(&bus, VMBUS_GPADL_BODY, &m, sizeof(m));
    EXPECT_EQ(fake_bus_next(&bus, NULL, 0), 0);
    EXPECT_EQ(bus.complaints, 1);
}

TEST(hostile_031_a_page_may_be_named_twice)
{
    struct {
        struct vmbus_gpadl_header h;
        uint64_t pages[4];
    } PACKED m = { { .channel = 1, .gpadl = 7, .range_count = 1, .byte_count = 4 * 4096 },
                   { 5, 5, 5, 5 } };
    struct vmbus_gpadl_created r = { .status = 1 };

    connected();
    fake_bus_send(&bus, VMBUS_GPADL_HEADER, &m, sizeof(m));
    EXPECT_EQ(fake_bus_next(&bus, &r, sizeof(r)), VMBUS_GPADL_CREATED);
    EXPECT_EQ(r.status, 0);
}

TEST(hostile_032_tearing_down_a_live_ring_closes_the_channel_first)
{
    connected();
    EXPECT(fake_bus_open_channel(&bus, 1, 8, &out, &in));
    EXPECT_EQ(fake_bus_teardown(&bus, 2, 1001), 0); /* by another channel */
    EXPECT_EQ(one.closed, 0);
    EXPECT_EQ(fake_bus_teardown(&bus, 1, 1001), 1001);
    EXPECT_EQ(one.closed, 1);
    EXPECT_EQ(bus.maps, 0);
    EXPECT_EQ(fake_bus_teardown(&bus, 1, 1001), 0); /* twice */
    fake_bus_close(&bus, 1);
    EXPECT_EQ(one.closed, 1);
}

TEST(what_is_taken_back_is_rescinded_and_its_id_comes_back_by_release)
{
    struct vmbus_rescind m;
    struct vmbus_offer o;

    connected();
    EXPECT(fake_bus_open_channel(&bus, 1, 8, &out, &in));
    server_enable(&bus.server, &one.device, false);
    EXPECT_EQ(one.closed, 1);
    EXPECT_EQ(fake_bus_next(&bus, &m, sizeof(m)), VMBUS_RESCIND);
    EXPECT_EQ(m.channel, 1);
    fake_bus_close(&bus, 1); /* the guest may not have seen it yet */
    EXPECT_EQ(fake_bus_teardown(&bus, 1, 1001), 1001);
    server_enable(&bus.server, &one.device, true);
    EXPECT_EQ(fake_bus_next(&bus, NULL, 0), 0); /* not while the old one is known */
    released(1);
    EXPECT_EQ(fake_bus_next(&bus, &o, sizeof(o)), VMBUS_OFFER);
    EXPECT_EQ(o.class_id.a, 1);
    EXPECT_EQ(bus.complaints, 0);
    released(1);
    released(99);
    EXPECT_EQ(bus.complaints, 2);
    EXPECT_EQ(server_channel(&bus.server, 1)->state, CHANNEL_OFFERED);
}

TEST(an_open_on_its_way_while_its_channel_is_rescinded_is_ignored)
{
    struct vmbus_open m = { .channel = 1, .gpadl = 7, .downstream_page = 4 };

    connected();
    EXPECT_EQ(fake_bus_gpadl(&bus, 1, 7, 8, 8), 0);
    server_enable(&bus.server, &one.device, false);
    fake_bus_send(&bus, VMBUS_OPEN, &m, sizeof(m));
    EXPECT_EQ(fake_bus_next(&bus, NULL, 0), VMBUS_RESCIND);
    EXPECT_EQ(fake_bus_next(&bus, NULL, 0), 0);
    EXPECT_EQ(one.opened, 0);
    EXPECT_EQ(bus.complaints, 0);
}

TEST(hostile_035_a_broken_ring_closes_its_channel_and_no_other)
{
    struct vmbus_rescind m;

    connected();
    EXPECT(fake_bus_open_channel(&bus, 1, 8, &out, &in));
    EXPECT(fake_bus_open_channel(&bus, 2, 24, &out, &in));
    ((struct ring_control *)(void *)bus.memory[8])->write_index = 3 * 4096;
    (void)!server_signalled(&bus.server, 1);
    EXPECT_EQ(one.closed, 1);
    EXPECT_EQ(two.closed, 0);
    EXPECT_EQ(fake_bus_next(&bus, &m, sizeof(m)), VMBUS_RESCIND);
    EXPECT_EQ(m.channel, 1);
    released(1);
    EXPECT_EQ(fake_bus_next(&bus, NULL, 0), 0); /* not offered again, */
    EXPECT(fake_bus_connect(&bus));             /* but to the next that connects */
    EXPECT(server_channel(&bus.server, 1) && server_channel(&bus.server, 2));
}

TEST(subchannels_come_when_asked_for_and_go_with_their_primary)
{
    struct vmbus_offer o;
    struct ring o2, i2;

    connected();
    EXPECT_EQ(server_add_subchannel(&bus.server, &one.device, 1), ERR_STATE);
    EXPECT(fake_bus_open_channel(&bus, 1, 8, &out, &in));
    EXPECT_EQ(server_add_subchannel(&bus.server, &one.device, 1), OK);
    EXPECT_EQ(fake_bus_next(&bus, &o, sizeof(o)), VMBUS_OFFER);
    EXPECT_EQ(o.subchannel, 1);
    EXPECT_EQ(o.channel, 3);
    EXPECT_EQ(o.instance_id.a, 1);
    EXPECT(fake_bus_open_channel(&bus, 3, 24, &o2, &i2));
    fake_bus_close(&bus, 1);
    EXPECT_EQ(one.closed, 2);
    EXPECT_EQ(fake_bus_next(&bus, &o, sizeof(struct vmbus_rescind)), VMBUS_RESCIND);
    released(3);
    EXPECT(!server_channel(&bus.server, 3));
    EXPECT_EQ(server_channel(&bus.server, 1)->state, CHANNEL_OFFERED);
}

TEST(channels_move_and_answer_only_since_5_3)
{
    struct vmbus_modify_channel m = { .channel = 1, .target_vp = 2 };
    struct vmbus_modify_response r = { .status = 9 };

    connected();
    EXPECT(fake_bus_open_channel(&bus, 1, 8, &out, &in));
    fake_bus_send(&bus, VMBUS_MODIFY_CHANNEL, &m, sizeof(m));
    EXPECT_EQ(fake_bus_next(&bus, &r, sizeof(r)), VMBUS_MODIFY_CHANNEL_RESPONSE);
    EXPECT_EQ(r.status, 0);
    EXPECT_EQ(server_channel(&bus.server, 1)->target_vp, 2);
    m.target_vp = FAKE_VCPUS;
    fake_bus_send(&bus, VMBUS_MODIFY_CHANNEL, &m, sizeof(m));
    EXPECT_EQ(fake_bus_next(&bus, &r, sizeof(r)), VMBUS_MODIFY_CHANNEL_RESPONSE);
    EXPECT(r.status != 0);
    EXPECT_EQ(server_channel(&bus.server, 1)->target_vp, 2);
    EXPECT(fake_bus_contact(&bus, VMBUS_VERSION(4, 1)));
    m.channel = 1;
    fake_bus_send(&bus, VMBUS_MODIFY_CHANNEL, &m, sizeof(m));
    EXPECT_EQ(fake_bus_next(&bus, NULL, 0), 0);
}

TEST(a_new_kernel_finds_everything_anew)
{
    connected();
    EXPECT(fake_bus_open_channel(&bus, 1, 8, &out, &in));
    EXPECT(fake_bus_connect(&bus)); /* without UNLOAD, as after a crash */
    EXPECT_EQ(one.closed, 1);
    EXPECT_EQ(bus.maps, 0);
    EXPECT_EQ(bus.server.gpadls.count, 0);
    EXPECT(fake_bus_open_channel(&bus, 1, 8, &out, &in));
    fake_bus_send(&bus, VMBUS_UNLOAD, &(struct vmbus_header){ 0 }, sizeof(struct vmbus_header));
    EXPECT_EQ(fake_bus_next(&bus, NULL, 0), VMBUS_UNLOAD_RESPONSE);
    EXPECT_EQ(bus.server.version, 0);
    released(1); /* as Linux does */
    EXPECT_EQ(bus.complaints, 0);
    EXPECT_EQ(fake_bus_gpadl(&bus, 1, 7, 8, 8), ~0u);
    EXPECT_EQ(bus.complaints, 1);
    fake_bus_end(&bus);
    EXPECT_EQ(bus.allocations, 0);
}

TEST(messages_that_are_cut_short_are_refused)
{
    static const uint8_t zeros[SYNIC_PAYLOAD_BYTES];

    for (uint32_t type = 0; type < 30; type++)
        for (uint32_t n = 0; n < 8; n++) {
            uint8_t m[8] = { (uint8_t)type };

            connected();
            server_message(&bus.server, m, n);
            EXPECT_EQ(bus.complaints, 1);
        }
    for (uint32_t type = 0; type < 30; type++)
        for (uint32_t n = 8; n <= SYNIC_PAYLOAD_BYTES; n++) {
            connected();
            fake_bus_send(&bus, type, zeros, n);
            (void)fake_bus_drain(&bus, 0);
            fake_bus_end(&bus);
            EXPECT_EQ(bus.allocations, 0);
        }
}

TEST(the_queue_never_takes_more_than_it_holds)
{
    struct vmbus_gpadl_header bad = { .channel = 1 };
    uint32_t sent = 0;

    connected();
    while (server_has_room(&bus.server)) {
        fake_bus_send(&bus, VMBUS_GPADL_HEADER, &bad, sizeof(bad));
        sent++;
    }
    EXPECT(sent >= SERVER_QUEUE_MAX - SERVER_ANSWERS_MAX);
    EXPECT(bus.server.count <= SERVER_QUEUE_MAX);
    EXPECT_EQ(fake_bus_drain(&bus, VMBUS_GPADL_CREATED), sent);
}

TEST(two_thousand_channels_can_be_offered)
{
    connected();
    EXPECT(fake_bus_open_channel(&bus, 1, 8, &out, &in));
    for (unsigned i = 1; i <= VMBUS_CHANNELS_MAX - 2; i++)
        EXPECT_EQ(server_add_subchannel(&bus.server, &one.device, (uint16_t)i), OK);
    EXPECT_EQ(server_add_subchannel(&bus.server, &one.device, 2047), ERR_FULL);
    EXPECT_EQ(fake_bus_drain(&bus, VMBUS_OFFER), VMBUS_CHANNELS_MAX - 2);
    fake_bus_end(&bus);
    EXPECT_EQ(bus.allocations, 0);
}

TEST(every_failing_allocation_is_survived)
{
    for (uint32_t n = 1; n < 6; n++) {
        fresh();
        bus.fails_at = n;
        if (fake_bus_contact(&bus, VMBUS_VERSION_5_3)) {
            fake_bus_send(&bus, VMBUS_REQUEST_OFFERS, &(struct vmbus_header){ 0 }, 8);
            (void)fake_bus_drain(&bus, 0);
            if (!fake_bus_open_channel(&bus, 1, 8, &out, &in))
                EXPECT_EQ(one.opened, 0);
        }
        fake_bus_end(&bus);
        EXPECT_EQ(bus.allocations, 0);
    }
}

/* ---- saving ---- */

static uint8_t saved[65536], again[65536];

static uint64_t save(uint8_t *at)
{
    struct image_writer w = { .at = at, .capacity = sizeof(saved) };

    server_save(&bus.server, &w);
    return w.err ? 0 : w.used;
}

static enum err restore(const uint8_t *at, uint64_t n)
{
    uint64_t offset = 0;
    enum err err = OK;

    while (!err && offset < n) {
        struct record r;
        uint8_t payload[8192];

        err = image_take(at, n, &offset, &r, payload, sizeof(payload));
        if (!err)
            err = server_restore(&bus.server, &r, payload);
    }
    return err;
}

static void busy(void)
{
    connected();
    if (!fake_bus_open_channel(&bus, 1, 8, &out, &in) ||
        server_add_subchannel(&bus.server, &one.device, 1) || fake_bus_gpadl(&bus, 2, 55, 100, 40))
        abort();
    server_enable(&bus.server, &two.device, false);
    fake_bus_send(&bus, VMBUS_MODIFY_CHANNEL,
                  &(struct vmbus_modify_channel){ .channel = 1, .target_vp = 3 }, 16);
}

TEST(saving_restoring_and_saving_gives_equal_bytes)
{
    static uint8_t memory[sizeof(bus.memory)];

    busy();
    uint64_t n = save(saved);
    memcpy(memory, bus.memory, sizeof(memory));
    fresh();
    two.device.is_enabled = false;
    memcpy(bus.memory, memory, sizeof(memory));
    EXPECT_EQ(restore(saved, n), OK);
    EXPECT_EQ(save(again), n);
    EXPECT_EQ(memcmp(saved, again, n), 0);
    EXPECT_EQ(bus.maps, 1);
    EXPECT_EQ(fake_bus_drain(&bus, VMBUS_MODIFY_CHANNEL_RESPONSE), 1);
    fake_bus_close(&bus, 1);
    EXPECT_EQ(bus.maps, 0);
}

TEST(every_altered_word_of_what_is_saved_is_seen_or_refused)
{
    static uint8_t memory[sizeof(bus.memory)];
    uint32_t refused = 0, kept = 0;

    busy();
    uint64_t n = save(saved);
    memcpy(memory, bus.memory, sizeof(memory));
    for (uint64_t offset = 0; offset < n;) {
        struct record r;

        memcpy(&r, saved + offset, sizeof(r));
        for (uint32_t i = 0; i < r.bytes; i += 4) {
            uint8_t image[sizeof(saved)];
            uint32_t word;

            memcpy(image, saved, n);
            memcpy(&word, image + offset + sizeof(r) + i, sizeof(word));
            word ^= 1;
            memcpy(image + offset + sizeof(r) + i, &word, sizeof(word));
            r.checksum = checksum32(image + offset + sizeof(r), r.bytes);
            memcpy(image + offset, &r, sizeof(r));
            fresh();
            memcpy(bus.memory, memory, sizeof(memory));
            if (restore(image, n)) {
                refused++;
            } else {
                EXPECT_EQ(save(again), n);
                bool is_reserved =
                    r.type == RECORD_GPADL && i == 20; /* refused are those of channels */
                is_reserved |= r.type == RECORD_VMBUS_MESSAGE && (i == 0 || i == 12);
                if (memcmp(image, again, n) && !is_reserved)
                    TEST_FAIL("word %u of record type 0x%x is lost", i / 4, r.type);
                kept++;
            }
            fake_bus_end(&bus);
            EXPECT_EQ(bus.allocations, 0);
        }
        offset += sizeof(r) + r.bytes;
    }
    EXPECT(refused > 10 && kept > 10);
}
