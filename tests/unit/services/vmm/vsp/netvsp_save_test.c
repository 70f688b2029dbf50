// SOURCES: services/vmm/vsp/netvsp*.c services/vmm/vsp/rndis*.c services/vmm/vsp/flow.c
// SOURCES: services/vmm/vmbus/channel.c lib/ring.c lib/string.c
// SOURCES: tests/unit/services/vmm/vsp/fake_nic.c
/* A NIC that is saved and restored, with the guest copied between two machines. */
#include "tests/unit/services/vmm/vsp/fake_nic.h"
#include "tests/unit/test.h"

static struct fake_nic one, two;
static struct fake_packet p;
static struct channel *open_channels[NIC_CHANNELS_MAX];
static uint8_t saved[NETVSP_RECORD_BYTES_MAX], again[NETVSP_RECORD_BYTES_MAX];
static uint64_t plain, chain; /* packets that the guest holds */

static void must(bool what)
{
    if (!what)
        abort();
}

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
              .key = { 0x6d, 0x5a, 0x56 } };
    struct nvsp_message m = { .type = NVSP_SUBCHANNEL, .subchannel = { 1, 1 } }, a;

    must(fake_nic_ask(&one, &m, &a) && a.subchannel.count == 1);
    must(fake_nic_set(&one, OID_GEN_RECEIVE_SCALE_PARAMETERS, &rss, sizeof(rss)) == 0);
    fake_nic_open(&one, 1);
    must(fake_nic_take(&one, 0, &p));
}

/* All that a record can hold: two channels, RSS, a filter, packets at the guest, others in flight. */
static void busy(void)
{
    static const uint8_t frame[5000];

    fake_nic_ready(&one, 4, 1500);
    set_rss();
    must(fake_nic_set(&one, OID_GEN_CURRENT_PACKET_FILTER, &(uint32_t){ 0x0d }, 4) == 0);
    must(fake_nic_receive(&one, frame, 60, 1500, 0) && fake_nic_take(&one, 0, &p));
    plain = p.h.transaction;
    must(fake_nic_receive(&one, frame, 5000, 1500, 0) && fake_nic_take(&one, 0, &p));
    chain = p.h.transaction;
    must(fake_nic_receive(&one, frame, 60, 1500, 0)); /* it has not looked yet */
    uint32_t n = fake_nic_frame(one.send, 60, 1);
    for (unsigned i = 0; i < 5; i++)
        must(fake_nic_send(&one, i % 2, 0, n, 0, 0, 0));
}

static enum err restore(const void *record, uint32_t bytes)
{
    fake_nic_copy(&two, &one, open_channels);
    return netvsp_restore(&two.n, record, bytes, open_channels);
}

TEST(saving_restoring_and_saving_gives_equal_bytes)
{
    busy();
    uint32_t n = netvsp_save(&one.n, saved);
    EXPECT_EQ(restore(saved, n), OK);
    fake_nic_check(&two);
    EXPECT_EQ(two.changes, 2); /* the manager hears of it */
    EXPECT_EQ(netvsp_save(&two.n, again), n);
    EXPECT_EQ(memcmp(saved, again, n), 0);
    EXPECT_EQ(n % 8, 0);
    fake_nic_end(&two);
    fake_nic_end(&one);
}

TEST(a_nic_that_was_never_used_is_saved_and_restored)
{
    fake_nic_init(&one, 4);
    uint32_t n = netvsp_save(&one.n, saved);
    EXPECT_EQ(n, sizeof(struct record_netvsp));
    EXPECT_EQ(restore(saved, n), OK);
    EXPECT_EQ(netvsp_save(&two.n, again), n);
    EXPECT_EQ(memcmp(saved, again, n), 0);
    fake_nic_open(&two, 0);
    EXPECT(fake_nic_negotiate(&two, NVSP_VERSION_6_1, 1500));
    fake_nic_end(&two);
}

TEST(a_restored_nic_goes_on_with_its_next_link)
{
    static const uint8_t frame[60];
    uint64_t slots;

    busy();
    uint32_t n = netvsp_save(&one.n, saved);
    EXPECT_EQ(restore(saved, n), OK);
    EXPECT_EQ(two.n.dropped_sends, 5);
    fake_nic_link(&two);
    fake_nic_read_link(&two);
    EXPECT_EQ(two.connects, 1);
    EXPECT_EQ(two.takes, 7);
    EXPECT_EQ(two.connect.slot_count, one.connect.slot_count);
    slots = two.connect.slot_count - NETVSP_CONTROL_SLOTS;
    EXPECT_EQ(two.slots, slots - 6);
    for (unsigned i = 0; i < 2; i++) /* as vmbus_resumed() does */
        fake_nic_signal(&two, i);
    EXPECT(fake_nic_take(&two, 0, &p));
    EXPECT_EQ(p.h.type, RING_XFER_PAGES); /* what it had not looked at is still there */
    EXPECT(fake_nic_return(&two, 0, p.h.transaction));
    for (unsigned i = 0; i < 5; i += 2) {
        EXPECT(fake_nic_take(&two, 0, &p));
        EXPECT_EQ(p.h.type, RING_COMPLETION);
        EXPECT_EQ(p.h.transaction, one.transaction - 4 + i);
    }
    for (unsigned i = 1; i < 5; i += 2) {
        EXPECT(fake_nic_take(&two, 1, &p));
        EXPECT_EQ(p.h.transaction, one.transaction - 4 + i);
    }
    EXPECT(!fake_nic_take(&two, 0, &p) && !fake_nic_take(&two, 1, &p));
    EXPECT(fake_nic_return(&two, 0, chain));
    EXPECT(fake_nic_return(&two, 0, plain));
    fake_nic_read_link(&two);
    EXPECT_EQ(two.slots + two.n.returned_slots, slots);
    EXPECT(fake_nic_receive(&two, frame, 60, 1500, 0));
    EXPECT(fake_nic_take(&two, 0, &p));
    EXPECT(fake_nic_send(&two, 1, 0, fake_nic_frame(two.send, 60, 1), 0, 0, 0));
    fake_nic_read_link(&two);
    EXPECT_EQ(two.send_count, 1);
    fake_nic_sent(&two, 1);
    EXPECT(fake_nic_take(&two, 1, &p));
    EXPECT(!two.is_wrong);
    fake_nic_check(&two);
    fake_nic_end(&two);
    fake_nic_end(&one);
}

TEST(a_full_ring_s_completions_are_not_lost)
{
    uint64_t last;
    uint32_t free;

    fake_nic_ready(&one, 4, 1500);
    last = one.transaction;
    while (!ring_free(&one.channels[0].out, &free) && free > 40)
        must(fake_nic_send(&one, 0, 0, 0, 0, 0, 0)); /* empty: completed at once */
    for (unsigned i = 0; i < 50; i++)
        must(fake_nic_send(&one, 0, 0, 0, 0, 0, 0));
    EXPECT(one.n.flight_count >= 49);
    EXPECT_EQ(restore(saved, netvsp_save(&one.n, saved)), OK);
    for (; fake_nic_take(&two, 0, &p); last++)
        EXPECT_EQ(p.h.transaction, last + 1);
    EXPECT_EQ(last, one.transaction);
    fake_nic_end(&two);
    fake_nic_end(&one);
}

TEST(every_altered_byte_is_seen_or_refused)
{
    static uint8_t bad[sizeof(saved)];
    uint32_t refused = 0, kept = 0;

    busy();
    uint32_t n = netvsp_save(&one.n, saved);
    for (uint32_t i = 0; i < n; i++) {
        if (i == offsetof(struct record_netvsp, is_broken))
            continue; /* the device's: nics.c has it */
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(bad, saved, n);
            bad[i] ^= (uint8_t)(1u << bit);
            enum err err = restore(bad, n);
            EXPECT(err == OK || err == ERR_FORMAT);
            fake_nic_check(&two);
            refused += err != OK;
            kept += err == OK;
            if (!err)
                EXPECT(netvsp_save(&two.n, again) == n && memcmp(bad, again, n) == 0);
            else
                EXPECT(!two.allocations && !two.is_lent[0] && !two.is_lent[1]);
            fake_nic_end(&two);
        }
    }
    EXPECT(refused > 500 && kept > 500);
    fake_nic_end(&one);
}

TEST(a_record_of_another_length_is_refused)
{
    busy();
    uint32_t n = netvsp_save(&one.n, saved);
    for (uint32_t bytes = 0; bytes < n + 64; bytes += 8)
        EXPECT_EQ(restore(saved, bytes), bytes == n ? OK : ERR_FORMAT);
    fake_nic_end(&two);
    fake_nic_end(&one);
}

TEST(a_record_whose_channels_are_not_open_is_refused)
{
    busy();
    uint32_t n = netvsp_save(&one.n, saved);
    fake_nic_copy(&two, &one, open_channels);
    open_channels[1] = NULL; /* it has completions to get */
    EXPECT_EQ(netvsp_restore(&two.n, saved, n, open_channels), ERR_FORMAT);
    open_channels[0] = NULL;
    EXPECT_EQ(netvsp_restore(&two.n, saved, n, open_channels), ERR_FORMAT);
    fake_nic_end(&two);
    fake_nic_end(&one);
}

TEST(memory_that_is_short_is_told_apart)
{
    busy();
    uint32_t n = netvsp_save(&one.n, saved);
    fake_nic_copy(&two, &one, open_channels);
    two.refuses_memory = true;
    EXPECT_EQ(netvsp_restore(&two.n, saved, n, open_channels), ERR_MEMORY);
    EXPECT(!two.is_lent[0] && !two.is_lent[1]);
    two.refuses_memory = false;
    EXPECT_EQ(netvsp_restore(&two.n, saved, n, open_channels), OK);
    fake_nic_check(&two);
    fake_nic_end(&two);
    fake_nic_end(&one);
}
