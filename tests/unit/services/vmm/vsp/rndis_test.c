// SOURCES: services/vmm/vsp/rndis.c lib/string.c
#include "services/vmm/vsp/rndis.h"
#include "lib/abi/nvsp.h"
#include "tests/unit/test.h"

static struct rndis r;
static uint8_t out[RNDIS_ANSWER_BYTES_MAX];
static uint32_t out_bytes, changes;
static uint8_t message[RNDIS_CONTROL_BYTES_MAX];

static uint32_t word(uint32_t at)
{
    uint32_t v;

    memcpy(&v, out + at, sizeof(v));
    return v;
}

/* The message lies at the end of memory of its own, so that reading beyond it is seen. */
static void say_bytes(uint32_t n)
{
    uint8_t *copy = malloc(n + 1);

    memcpy(copy, message, n);
    memset(out, 0xee, sizeof(out));
    changes = rndis_control(&r, copy, n, out, &out_bytes);
    free(copy);
}

static void say(uint32_t type, const void *body, uint32_t n)
{
    struct rndis_head h = { type, (uint32_t)sizeof(h) + n };

    memcpy(message, &h, sizeof(h));
    memcpy(message + sizeof(h), body, n);
    say_bytes(h.bytes);
}

static void initialize(void)
{
    struct rndis_initialize in = { 5, 1, 0, 0x4000 };

    say(RNDIS_INITIALIZE, &in, sizeof(in));
}

static void fresh(uint32_t version)
{
    r = (struct rndis){ .permanent_mac = { { 0, 0x15, 0x5d, 1, 2, 3 } },
                        .link_is_up = true,
                        .may_change_mac = true,
                        .speed_bits = 10000000000ull,
                        .queue_max = 4,
                        .name = "web/nic0",
                        .nvsp_version = version,
                        .mtu = 1500 };
    initialize();
}

static uint32_t set(uint32_t oid, const void *data, uint32_t n)
{
    static uint8_t body[RNDIS_CONTROL_BYTES_MAX];
    struct rndis_query q = { 77, oid, n, sizeof(q), 0 };

    memcpy(body, &q, sizeof(q));
    if (n)
        memcpy(body + sizeof(q), data, n);
    say(RNDIS_SET, body, (uint32_t)sizeof(q) + n);
    return out_bytes == 16 && word(0) == (RNDIS_SET | RNDIS_COMPLETE) && word(8) == 77 ? word(12)
                                                                                       : ~0u;
}

/* Asks, and holds the answer's form against what Linux checks; the data begin at byte 24. */
static uint32_t query(uint32_t oid)
{
    struct rndis_query q = { 78, oid, 0, 0, 0 };

    say(RNDIS_QUERY, &q, sizeof(q));
    bool is_good = word(0) == (RNDIS_QUERY | RNDIS_COMPLETE) && word(4) == out_bytes &&
                   word(8) == 78 && out_bytes == 24 + word(16) && word(20) == (word(16) ? 16u : 0u);
    return is_good ? word(12) : ~0u;
}

TEST(a_device_is_initialized_and_says_how_messages_are_batched)
{
    fresh(NVSP_VERSION_6_1);
    EXPECT_EQ(out_bytes, 52);
    EXPECT_EQ(word(0), 0x80000002);
    EXPECT_EQ(word(4), 52);
    EXPECT_EQ(word(8), 5);
    EXPECT_EQ(word(12), 0);
    EXPECT_EQ(word(32), 8); /* messages in a packet */
    EXPECT_EQ(word(40), 3); /* each at a multiple of 8 */
    EXPECT(r.is_initialized);
}

TEST(another_version_of_rndis_is_refused)
{
    struct rndis_initialize in = { 5, 2, 0, 0x4000 };

    fresh(NVSP_VERSION_6_1);
    rndis_reset(&r);
    say(RNDIS_INITIALIZE, &in, sizeof(in));
    EXPECT_EQ(word(12), RNDIS_STATUS_NOT_SUPPORTED);
    EXPECT(!r.is_initialized);
}

TEST(nothing_is_answered_before_it_is_initialized)
{
    fresh(NVSP_VERSION_6_1);
    rndis_reset(&r);
    EXPECT_EQ(query(OID_GEN_MAXIMUM_FRAME_SIZE), RNDIS_STATUS_NOT_ACCEPTED);
    EXPECT_EQ(set(OID_GEN_CURRENT_PACKET_FILTER, &(uint32_t){ 1 }, 4), RNDIS_STATUS_NOT_ACCEPTED);
    EXPECT_EQ(r.filter, 0);
}

TEST(simple_questions_have_their_answers)
{
    fresh(NVSP_VERSION_6_1);
    EXPECT_EQ(query(OID_GEN_MAXIMUM_FRAME_SIZE), 0);
    EXPECT_EQ(word(24), 1500);
    EXPECT_EQ(query(OID_GEN_MAXIMUM_TOTAL_SIZE), 0);
    EXPECT_EQ(word(24), 1514);
    EXPECT_EQ(query(OID_GEN_MEDIA_CONNECT_STATUS), 0);
    EXPECT_EQ(word(24), 0);
    r.link_is_up = false;
    EXPECT_EQ(query(OID_GEN_MEDIA_CONNECT_STATUS), 0);
    EXPECT_EQ(word(24), 1);
    EXPECT_EQ(query(OID_GEN_LINK_SPEED), 0);
    EXPECT_EQ(word(24), 100000000); /* in 100 bit/s */
    EXPECT_EQ(query(OID_802_3_PERMANENT_ADDRESS), 0);
    EXPECT_EQ(word(16), 6);
    EXPECT_EQ(memcmp(out + 24, &r.permanent_mac, 6), 0);
    EXPECT_EQ(query(OID_GEN_FRIENDLY_NAME), 0);
    EXPECT_EQ(word(16), 16);
    EXPECT_EQ(memcmp(out + 24, "w\0e\0b\0/\0n\0i\0c\0000", 16), 0);
    EXPECT_EQ(query(OID_GEN_SUPPORTED_LIST), 0);
    EXPECT_EQ(word(24), OID_GEN_SUPPORTED_LIST);
    EXPECT_EQ(query(0x12345678), RNDIS_STATUS_NOT_SUPPORTED);
    EXPECT_EQ(set(OID_GEN_LINK_SPEED, NULL, 0), RNDIS_STATUS_NOT_SUPPORTED);
}

TEST(offload_capabilities_have_the_size_that_the_version_knows)
{
    static const struct {
        uint32_t version, revision, bytes, has_rsc;
    } sizes[] = { { NVSP_VERSION_1, 1, 112, 0 }, { NVSP_VERSION_2, 1, 112, 0 },
                  { NVSP_VERSION_4, 2, 144, 0 }, { NVSP_VERSION_5, 3, 156, 0 },
                  { NVSP_VERSION_6, 3, 156, 0 }, { NVSP_VERSION_6_1, 3, 156, 1 } };
    struct ndis_offload o;

    for (unsigned i = 0; i < 6; i++) {
        fresh(sizes[i].version);
        EXPECT_EQ(query(OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES), 0);
        EXPECT_EQ(word(16), sizes[i].bytes);
        memset(&o, 0, sizeof(o));
        memcpy(&o, out + 24, sizes[i].bytes);
        EXPECT_EQ(o.head.type, 0xa7);
        EXPECT_EQ(o.head.revision, sizes[i].revision);
        EXPECT_EQ(o.head.bytes, sizes[i].bytes);
        EXPECT_EQ(o.rsc_ip4, sizes[i].has_rsc);
        EXPECT_EQ(o.rsc_ip6, sizes[i].has_rsc);
        EXPECT_EQ(o.ip4_send_checksum & 0x54, 0x54); /* what Linux asks for */
        EXPECT_EQ(o.ip6_send_checksum & 0x55, 0x55);
        EXPECT_EQ(o.lso_ip4_encapsulation, 2);
        EXPECT_EQ(o.lso_ip6_options, 5);
    }
}

TEST(rsc_is_taken_from_a_guest_that_knows_it)
{
    struct ndis_offload_parameters p = { .head = { NDIS_TYPE_DEFAULT, 3, sizeof(p) },
                                         .rsc_ip4 = NDIS_RSC_ON,
                                         .rsc_ip6 = NDIS_RSC_ON };

    fresh(NVSP_VERSION_6);
    EXPECT_EQ(set(OID_TCP_OFFLOAD_PARAMETERS, &p, sizeof(p)), 0);
    EXPECT_EQ(rndis_takes(&r), 0);
    fresh(NVSP_VERSION_6_1);
    EXPECT_EQ(set(OID_TCP_OFFLOAD_PARAMETERS, &p, sizeof(p)), 0);
    EXPECT_EQ(changes, RNDIS_NEW_FILTER);
    EXPECT_EQ(rndis_takes(&r), PORT_TAKES_LSO_IPV4 | PORT_TAKES_LSO_IPV6);
    p.rsc_ip4 = 1;
    p.rsc_ip6 = 0; /* no change */
    EXPECT_EQ(set(OID_TCP_OFFLOAD_PARAMETERS, &p, sizeof(p)), 0);
    EXPECT_EQ(rndis_takes(&r), PORT_TAKES_LSO_IPV6);
}

TEST(offload_parameters_of_old_guests_are_taken_and_strange_ones_refused)
{
    struct ndis_offload_parameters p = { .head = { NDIS_TYPE_DEFAULT, 2, 22 } };

    fresh(NVSP_VERSION_4);
    EXPECT_EQ(set(OID_TCP_OFFLOAD_PARAMETERS, &p, 22), 0);
    EXPECT_EQ(set(OID_TCP_OFFLOAD_PARAMETERS, &p, 21), RNDIS_STATUS_INVALID_LENGTH);
    p.head.bytes = 28;
    EXPECT_EQ(set(OID_TCP_OFFLOAD_PARAMETERS, &p, 22), RNDIS_STATUS_INVALID_DATA);
    p.head = (struct ndis_head){ 0x81, 2, 22 };
    EXPECT_EQ(set(OID_TCP_OFFLOAD_PARAMETERS, &p, 22), RNDIS_STATUS_INVALID_DATA);
}

TEST(a_filter_says_what_the_port_takes)
{
    static const struct {
        uint32_t filter, takes;
    } filters[] = {
        { 0, 0 },
        { 0x0d, PORT_TAKES_DIRECTED | PORT_TAKES_MULTICAST | PORT_TAKES_BROADCAST },
        { FILTER_MULTICAST, PORT_TAKES_MULTICAST },
        { FILTER_PROMISCUOUS, PORT_TAKES_PROMISCUOUS | PORT_TAKES_DIRECTED | PORT_TAKES_MULTICAST |
                                  PORT_TAKES_BROADCAST },
    };

    fresh(NVSP_VERSION_6_1);
    for (unsigned i = 0; i < 4; i++) {
        EXPECT_EQ(set(OID_GEN_CURRENT_PACKET_FILTER, &filters[i].filter, 4), 0);
        EXPECT_EQ(changes, RNDIS_NEW_FILTER);
        EXPECT_EQ(rndis_takes(&r), filters[i].takes);
        EXPECT_EQ(query(OID_GEN_CURRENT_PACKET_FILTER), 0);
        EXPECT_EQ(word(24), filters[i].filter);
    }
    EXPECT_EQ(set(OID_GEN_CURRENT_PACKET_FILTER, &(uint32_t){ 0x10 }, 4),
              RNDIS_STATUS_NOT_SUPPORTED);
    EXPECT_EQ(set(OID_GEN_CURRENT_PACKET_FILTER, &filters[1].filter, 3),
              RNDIS_STATUS_INVALID_LENGTH);
    EXPECT_EQ(r.filter, FILTER_PROMISCUOUS);
}

/* ---- RSS ---- */

static struct {
    struct ndis_rss_parameters p;
    uint32_t table[NDIS_RSS_TABLE_ENTRIES];
    uint8_t key[NDIS_RSS_KEY_BYTES];
} rss;

static void make_rss(void)
{
    rss.p = (struct ndis_rss_parameters){
        .head = { NDIS_TYPE_RSS_PARAMETERS, 2, sizeof(rss.p) },
        .hash = 0x1701,
        .table_bytes = sizeof(rss.table),
        .table_offset = sizeof(rss.p),
        .key_bytes = sizeof(rss.key),
        .key_offset = sizeof(rss.p) + sizeof(rss.table),
    };
    for (uint32_t i = 0; i < NDIS_RSS_TABLE_ENTRIES; i++)
        rss.table[i] = i % 3;
    memset(rss.key, 0x6d, sizeof(rss.key));
}

static uint32_t set_rss(void)
{
    return set(OID_GEN_RECEIVE_SCALE_PARAMETERS, &rss, sizeof(rss));
}

TEST(rss_is_offered_with_as_many_queues_as_there_may_be)
{
    fresh(NVSP_VERSION_6_1);
    EXPECT_EQ(query(OID_GEN_RECEIVE_SCALE_CAPABILITIES), 0);
    EXPECT_EQ(word(16), 18);
    EXPECT_EQ(out[24], 0x88);
    EXPECT_EQ(word(36), 4);
}

TEST(rss_is_set_and_turned_off)
{
    fresh(NVSP_VERSION_6_1);
    make_rss();
    EXPECT_EQ(set_rss(), 0);
    EXPECT_EQ(changes, RNDIS_NEW_RSS);
    EXPECT(r.rss.is_on);
    EXPECT_EQ(r.rss.hash, 0x1701);
    EXPECT_EQ(r.rss.table[5], 2);
    EXPECT_EQ(r.rss.key[39], 0x6d);
    rss.p.flags = NDIS_RSS_DISABLE;
    rss.p.table_bytes = rss.p.key_bytes = 0;
    EXPECT_EQ(set(OID_GEN_RECEIVE_SCALE_PARAMETERS, &rss, sizeof(rss.p)), 0);
    EXPECT(!r.rss.is_on);
}

TEST(a_shorter_table_is_repeated)
{
    fresh(NVSP_VERSION_6_1);
    make_rss();
    rss.p.table_bytes = 4 * 4;
    EXPECT_EQ(set_rss(), 0);
    EXPECT_EQ(r.rss.table[3], 0);
    EXPECT_EQ(r.rss.table[126], 2);
}

TEST(rss_that_cannot_be_is_refused_and_changes_nothing)
{
    fresh(NVSP_VERSION_6_1);
    for (unsigned i = 0; i < 9; i++) {
        make_rss();
        switch (i) {
        case 0: rss.table[127] = 4; break; /* no such queue */
        case 1: rss.p.table_offset = sizeof(rss); break;
        case 2: rss.p.table_offset = UINT32_MAX; break;
        case 3: rss.p.table_bytes = 514; break;
        case 4: rss.p.key_bytes = 39; break;
        case 5: rss.p.key_offset = sizeof(rss) - 39; break;
        case 6: rss.p.head.bytes = 39; break;
        case 7: rss.p.table_bytes = 4 * 3; break;
        case 8: rss.p.head.type = 0x88; break;
        default: break;
        }
        EXPECT_EQ(set_rss(), RNDIS_STATUS_INVALID_DATA);
        EXPECT(!r.rss.is_on);
    }
}

/* ---- the address ---- */

static uint32_t set_mac(const char *digits, const char *name)
{
    struct {
        struct rndis_config_parameter p;
        uint8_t text[80];
    } in = { .p = { .type = RNDIS_CONFIG_STRING, .name_offset = sizeof(in.p) } };
    uint32_t at = 0;

    for (; *name; name++, at += 2)
        in.text[at] = (uint8_t)*name;
    in.p.name_bytes = at;
    in.p.value_offset = (uint32_t)sizeof(in.p) + at;
    for (; *digits; digits++, at += 2)
        in.text[at] = (uint8_t)*digits;
    in.p.value_bytes = (uint32_t)sizeof(in.p) + at - in.p.value_offset;
    return set(OID_GEN_RNDIS_CONFIG_PARAMETER, &in, (uint32_t)sizeof(in.p) + at);
}

TEST(a_guest_changes_its_address_where_it_may)
{
    fresh(NVSP_VERSION_6_1);
    EXPECT_EQ(set_mac("02AbcDEF0189", "NetworkAddress"), 0);
    EXPECT_EQ(changes, RNDIS_NEW_MAC);
    EXPECT_EQ(r.mac.bytes[1], 0xab);
    EXPECT_EQ(r.mac.bytes[5], 0x89);
    EXPECT_EQ(query(OID_802_3_CURRENT_ADDRESS), 0);
    EXPECT_EQ(memcmp(out + 24, &r.mac, 6), 0);
    EXPECT_EQ(query(OID_802_3_PERMANENT_ADDRESS), 0);
    EXPECT_EQ(memcmp(out + 24, &r.permanent_mac, 6), 0);
}

TEST(a_guest_that_may_not_can_only_set_its_own)
{
    fresh(NVSP_VERSION_6_1);
    r.may_change_mac = false;
    EXPECT_EQ(set_mac("020000000001", "NetworkAddress"), RNDIS_STATUS_NOT_ACCEPTED);
    EXPECT_EQ(memcmp(&r.mac, &r.permanent_mac, 6), 0);
    EXPECT_EQ(set_mac("00155D010203", "NetworkAddress"), 0);
}

TEST(what_is_no_address_is_refused)
{
    fresh(NVSP_VERSION_6_1);
    EXPECT_EQ(set_mac("010000000001", "NetworkAddress"), RNDIS_STATUS_INVALID_DATA); /* a group */
    EXPECT_EQ(set_mac("02000000000g", "NetworkAddress"), RNDIS_STATUS_INVALID_DATA);
    EXPECT_EQ(set_mac("02000000000", "NetworkAddress"), RNDIS_STATUS_INVALID_DATA);
    EXPECT_EQ(set_mac("020000000001", "networkaddress"), RNDIS_STATUS_NOT_SUPPORTED);
    EXPECT_EQ(memcmp(&r.mac, &r.permanent_mac, 6), 0);
}

/* ---- messages ---- */

TEST(halting_forgets_all_that_the_guest_has_set)
{
    fresh(NVSP_VERSION_6_1);
    EXPECT_EQ(set(OID_GEN_CURRENT_PACKET_FILTER, &(uint32_t){ 0x0d }, 4), 0);
    EXPECT_EQ(set_mac("020000000001", "NetworkAddress"), 0);
    say(RNDIS_HALT, &(uint32_t){ 9 }, 4);
    EXPECT_EQ(out_bytes, 0);
    EXPECT_EQ(changes, RNDIS_HALTED | RNDIS_NEW_FILTER);
    EXPECT_EQ(rndis_takes(&r), 0);
    EXPECT(!r.is_initialized);
    EXPECT_EQ(memcmp(&r.mac, &r.permanent_mac, 6), 0);
}

TEST(a_guest_that_asks_whether_we_live_is_answered)
{
    fresh(NVSP_VERSION_6_1);
    say(RNDIS_KEEPALIVE, &(uint32_t){ 41 }, 4);
    EXPECT_EQ(out_bytes, 16);
    EXPECT_EQ(word(0), 0x80000008);
    EXPECT_EQ(word(8), 41);
    EXPECT_EQ(word(12), 0);
}

TEST(what_is_no_message_is_strange_and_has_no_answer)
{
    static const uint32_t heads[][2] = { { RNDIS_QUERY, 7 },     { RNDIS_QUERY, 100 },
                                         { RNDIS_QUERY, 27 },    { RNDIS_INITIALIZE, 20 },
                                         { RNDIS_KEEPALIVE, 8 }, { RNDIS_PACKET, 40 },
                                         { RNDIS_RESET, 16 },    { 0x12345, 40 } };

    fresh(NVSP_VERSION_6_1);
    memset(message, 0, sizeof(message));
    for (unsigned i = 0; i < 8; i++) {
        memcpy(message, heads[i], 8);
        say_bytes(40);
        EXPECT_EQ(changes, RNDIS_IS_STRANGE);
        EXPECT_EQ(out_bytes, 0);
    }
    for (uint32_t n = 0; n < 8; n++) {
        say_bytes(n);
        EXPECT_EQ(changes, RNDIS_IS_STRANGE);
    }
}

TEST(a_buffer_outside_its_message_is_refused)
{
    struct rndis_query q = { 1, OID_GEN_CURRENT_PACKET_FILTER, 4, 0, 0 };
    static const uint32_t offsets[] = { 17, 21, UINT32_MAX, UINT32_MAX - 3 };

    fresh(NVSP_VERSION_6_1);
    for (unsigned i = 0; i < 4; i++) {
        q.offset = offsets[i];
        say(RNDIS_SET, &q, sizeof(q));
        EXPECT_EQ(word(12), RNDIS_STATUS_INVALID_LENGTH);
        EXPECT_EQ(changes, 0);
    }
}

TEST(link_and_speed_are_told_as_linux_reads_them)
{
    fresh(NVSP_VERSION_6_1);
    EXPECT_EQ(rndis_indicate_link(&r, out), 20);
    EXPECT_EQ(word(0), RNDIS_INDICATE);
    EXPECT_EQ(word(4), 20);
    EXPECT_EQ(word(8), 0x4001000b);
    r.link_is_up = false;
    EXPECT_EQ(rndis_indicate_link(&r, out), 20);
    EXPECT_EQ(word(8), 0x4001000c);
    EXPECT_EQ(rndis_indicate_speed(&r, out), 24);
    EXPECT_EQ(word(8), 0x40010013);
    EXPECT_EQ(word(12), 4);
    EXPECT_EQ(word(16), 12); /* from the status field */
    EXPECT_EQ(word(20), 100000000);
    r.speed_bits = UINT64_MAX;
    EXPECT_EQ(rndis_indicate_speed(&r, out), 24);
    EXPECT_EQ(word(20), UINT32_MAX);
}
