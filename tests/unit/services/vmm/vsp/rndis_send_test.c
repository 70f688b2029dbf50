// SOURCES: services/vmm/vsp/rndis_send.c lib/string.c
#include "services/vmm/vsp/rndis_send.h"
#include "tests/unit/test.h"

/* A message: heads, one info of 16 bytes or several, the frame at its end. */
static struct {
    struct rndis_head h;
    struct rndis_packet p;
    uint32_t infos[53];
} m;
static struct rndis_send out;

static void begin(void)
{
    memset(&m, 0, sizeof(m));
    m.h = (struct rndis_head){ RNDIS_PACKET, 44 + 60 };
    m.p = (struct rndis_packet){ .data_offset = 36, .data_bytes = 60 };
}

static void add(uint32_t type, uint32_t v)
{
    uint32_t *at = &m.infos[m.p.info_bytes / 4];

    at[0] = 16;
    at[1] = type;
    at[2] = 12;
    at[3] = v;
    m.p.info_offset = 36;
    m.p.info_bytes += 16;
    m.p.data_offset += 16;
    m.h.bytes += 16;
}

static enum err parse(uint32_t room)
{
    uint8_t *copy = malloc(RNDIS_SEND_HEAD_MAX); /* so that reading beyond it is seen */
    uint32_t n = room < RNDIS_SEND_HEAD_MAX ? room : RNDIS_SEND_HEAD_MAX;
    uint8_t *end = copy + RNDIS_SEND_HEAD_MAX - n;

    memcpy(end, &m, n);
    enum err err = rndis_send_parse(end, room, &out);
    free(copy);
    return err;
}

TEST(a_plain_message_says_where_its_frame_is)
{
    begin();
    EXPECT_EQ(parse(1000), OK);
    EXPECT_EQ(out.message_bytes, 104);
    EXPECT_EQ(out.data_offset, 44);
    EXPECT_EQ(out.data_bytes, 60);
    EXPECT_EQ(out.flags, 0);
}

TEST(checksums_are_asked_for_by_protocol)
{
    begin();
    add(RNDIS_INFO_CHECKSUM, SEND_CHECKSUM_TCP | SEND_CHECKSUM_IPV4 | 34u << 16);
    EXPECT_EQ(parse(1000), OK);
    EXPECT_EQ(out.flags, PORT_SEND_TCP | PORT_SEND_IPV4);
    EXPECT_EQ(out.l4_offset, 34);
    begin();
    add(RNDIS_INFO_CHECKSUM, SEND_CHECKSUM_UDP | SEND_CHECKSUM_IPV6 | 54u << 16);
    EXPECT_EQ(parse(1000), OK);
    EXPECT_EQ(out.flags, PORT_SEND_UDP | PORT_SEND_IPV6);
    begin();
    add(RNDIS_INFO_CHECKSUM, SEND_CHECKSUM_IP_HEADER | SEND_CHECKSUM_IPV4);
    EXPECT_EQ(parse(1000), OK);
    EXPECT_EQ(out.flags, PORT_SEND_IP_HEADER | PORT_SEND_IPV4);
}

TEST(segmentation_carries_its_size_and_offset)
{
    begin();
    add(RNDIS_INFO_LSO, 1448 | 54u << 20 | LSO_IS_V2);
    EXPECT_EQ(parse(1000), OK);
    EXPECT_EQ(out.flags, PORT_SEND_LSO | PORT_SEND_TCP | PORT_SEND_IPV4);
    EXPECT_EQ(out.mss, 1448);
    EXPECT_EQ(out.l4_offset, 54);
    begin();
    add(RNDIS_INFO_LSO, 1440 | LSO_IS_V2 | LSO_IS_IPV6);
    EXPECT_EQ(parse(1000), OK);
    EXPECT_EQ(out.flags, PORT_SEND_LSO | PORT_SEND_TCP | PORT_SEND_IPV6);
}

TEST(segmentation_that_cannot_be_is_refused_and_the_next_message_found)
{
    const uint32_t bad[] = { LSO_IS_V2, 1448, LSO_IS_V2 | 0x10000 };

    for (unsigned i = 0; i < 3; i++) {
        begin();
        add(RNDIS_INFO_LSO, bad[i]);
        EXPECT_EQ(parse(1000), ERR_GUEST);
        EXPECT_EQ(out.message_bytes, m.h.bytes);
    }
}

TEST(a_tag_is_turned_round)
{
    begin();
    add(RNDIS_INFO_TAG, 5 | 8 | 0x123 << 4);
    EXPECT_EQ(parse(1000), OK);
    EXPECT_EQ(out.flags, PORT_SEND_HAS_TAG);
    EXPECT_EQ(out.tci, 5 << 13 | 1 << 12 | 0x123);
}

TEST(several_infos_are_all_taken_and_unknown_ones_passed_over)
{
    begin();
    add(RNDIS_INFO_HASH, 0x12345678);
    add(RNDIS_INFO_TAG, 0x10);
    add(77, 1);
    add(RNDIS_INFO_CHECKSUM, SEND_CHECKSUM_TCP | SEND_CHECKSUM_IPV6);
    EXPECT_EQ(parse(1000), OK);
    EXPECT_EQ(out.flags, PORT_SEND_HAS_TAG | PORT_SEND_TCP | PORT_SEND_IPV6);
    EXPECT_EQ(out.tci, 1);
}

TEST(an_info_that_does_not_go_on_is_refused)
{
    for (uint32_t bytes = 0; bytes < 16; bytes++) {
        begin();
        add(RNDIS_INFO_TAG, 1);
        m.infos[0] = bytes;
        EXPECT_EQ(parse(1000), ERR_GUEST);
    }
    for (uint32_t offset = 0; offset < 40; offset++) {
        begin();
        add(RNDIS_INFO_TAG, 1);
        m.infos[2] = offset;
        EXPECT_EQ(parse(1000), offset == 12 ? OK : ERR_GUEST);
    }
}

TEST(infos_beyond_what_was_copied_are_refused)
{
    begin();
    add(RNDIS_INFO_TAG, 1);
    m.h.bytes = 2000;
    m.p.info_offset = RNDIS_SEND_HEAD_MAX - 8 - 8;
    EXPECT_EQ(parse(4000), ERR_GUEST);
    m.p.info_offset = UINT32_MAX;
    EXPECT_EQ(parse(4000), ERR_GUEST);
    m.p.info_offset = 36;
    m.p.info_bytes = UINT32_MAX;
    EXPECT_EQ(parse(4000), ERR_GUEST);
    m.p.info_bytes = 17; /* a piece of an entry is left */
    EXPECT_EQ(parse(4000), ERR_GUEST);
    m.p.info_bytes = 16;
    m.p.info_offset = 32; /* inside the head */
    EXPECT_EQ(parse(4000), ERR_GUEST);
}

TEST(lengths_that_cannot_be_are_refused)
{
    static const struct {
        uint32_t bytes, data_offset, data_bytes, known;
    } bad[] = {
        { 7, 36, 0, 0 },
        { 1001, 36, 60, 0 },
        { UINT32_MAX, 36, 60, 0 },
        { 43, 36, 0, 43 },
        { 104, 35, 60, 104 },
        { 104, 36, 61, 104 },
        { 104, 0, 60, 104 },
        { 104, UINT32_MAX, 1, 104 },
        { 104, 36, UINT32_MAX, 104 },
        { 104, UINT32_MAX - 7, 8, 104 },
    };

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        begin();
        m.h.bytes = bad[i].bytes;
        m.p.data_offset = bad[i].data_offset;
        m.p.data_bytes = bad[i].data_bytes;
        EXPECT_EQ(parse(1000), ERR_GUEST);
        EXPECT_EQ(out.message_bytes, bad[i].known);
    }
}

TEST(a_message_that_is_cut_short_is_refused_at_each_length)
{
    begin();
    add(RNDIS_INFO_TAG, 1);
    for (uint32_t room = 0; room < m.h.bytes; room++)
        EXPECT_EQ(parse(room), ERR_GUEST);
    EXPECT_EQ(parse(m.h.bytes), OK);
}

TEST(other_messages_are_no_frames)
{
    begin();
    m.h.type = RNDIS_QUERY;
    EXPECT_EQ(parse(1000), ERR_GUEST);
    EXPECT_EQ(out.message_bytes, 104);
}
