// SOURCES: services/vmm/vsp/flow.c lib/string.c
/* The vectors are Microsoft's, of "Verifying the RSS Hash Calculation" (Windows driver kit). */
#include "services/vmm/vsp/flow.h"
#include "tests/unit/test.h"

#define ALL_KINDS (NDIS_HASH_IPV4 | NDIS_HASH_TCP_IPV4 | NDIS_HASH_IPV6 | NDIS_HASH_TCP_IPV6)

static const uint8_t key[NDIS_RSS_KEY_BYTES] = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static const struct {
    uint8_t source[4], target[4];
    uint16_t source_port, target_port;
    uint32_t without, with;
} ip4[] = {
    { { 66, 9, 149, 187 }, { 161, 142, 100, 80 }, 2794, 1766, 0x323e8fc2, 0x51ccc178 },
    { { 199, 92, 111, 2 }, { 65, 69, 140, 83 }, 14230, 4739, 0xd718262a, 0xc626b0ea },
    { { 24, 19, 198, 95 }, { 12, 22, 207, 184 }, 12898, 38024, 0xd2d0a5de, 0x5c2b394a },
    { { 38, 27, 205, 30 }, { 209, 142, 163, 6 }, 48228, 2217, 0x82989176, 0xafc7327f },
    { { 153, 39, 163, 191 }, { 202, 188, 127, 2 }, 44251, 1303, 0x5d1809c5, 0x10e828a2 },
};

static const struct {
    uint16_t source[8], target[8];
    uint16_t source_port, target_port;
    uint32_t without, with;
} ip6[] = {
    { { 0x3ffe, 0x2501, 0x200, 0x1fff, 0, 0, 0, 7 },
      { 0x3ffe, 0x2501, 0x200, 3, 0, 0, 0, 1 },
      2794,
      1766,
      0x2cc18cd5,
      0x40207d3d },
    { { 0x3ffe, 0x501, 8, 0, 0x260, 0x97ff, 0xfe40, 0xefab },
      { 0xff02, 0, 0, 0, 0, 0, 0, 1 },
      14230,
      4739,
      0x0f0c461c,
      0xdde51bbf },
    { { 0x3ffe, 0x1900, 0x4545, 3, 0x200, 0xf8ff, 0xfe21, 0x67cf },
      { 0xfe80, 0, 0, 0, 0x200, 0xf8ff, 0xfe21, 0x67cf },
      44251,
      38024,
      0x4b61e985,
      0x02d1feef },
};

static struct flow_key k;
static uint8_t frame[80];

static void put16(uint32_t at, uint16_t v)
{
    frame[at] = (uint8_t)(v >> 8);
    frame[at + 1] = (uint8_t)v;
}

/* The frame of vector @i, whose IPv4 header has @header bytes. */
static void make_ip4(unsigned i, uint8_t protocol, unsigned header)
{
    memset(frame, 0, sizeof(frame));
    flow_set_key(&k, key);
    put16(12, 0x0800);
    frame[14] = (uint8_t)(0x40 | header / 4);
    frame[23] = protocol;
    memcpy(frame + 26, ip4[i].source, 4);
    memcpy(frame + 30, ip4[i].target, 4);
    put16(14 + header, ip4[i].source_port);
    put16(16 + header, ip4[i].target_port);
}

static void make_ip6(unsigned i, uint8_t protocol)
{
    memset(frame, 0, sizeof(frame));
    flow_set_key(&k, key);
    put16(12, 0x86dd);
    frame[14] = 0x60;
    frame[20] = protocol;
    for (unsigned w = 0; w < 8; w++) {
        put16(22 + 2 * w, ip6[i].source[w]);
        put16(38 + 2 * w, ip6[i].target[w]);
    }
    put16(54, ip6[i].source_port);
    put16(56, ip6[i].target_port);
}

/* What is not hashed is told apart from a hash of 0. */
static uint64_t hash(uint32_t kinds, uint32_t n)
{
    uint32_t out = 0;

    return flow_hash(&k, kinds, frame, n, &out) ? out : UINT64_MAX;
}

TEST(hashes_of_ipv4_are_those_that_are_published)
{
    for (unsigned i = 0; i < 5; i++) {
        make_ip4(i, 6, 20);
        EXPECT_EQ(hash(ALL_KINDS, FLOW_HEAD_BYTES), ip4[i].with);
        EXPECT_EQ(hash(NDIS_HASH_IPV4, FLOW_HEAD_BYTES), ip4[i].without);
        make_ip4(i, 17, 20);
        EXPECT_EQ(hash(ALL_KINDS, FLOW_HEAD_BYTES), ip4[i].without);
    }
}

TEST(hashes_of_ipv6_are_those_that_are_published)
{
    for (unsigned i = 0; i < 3; i++) {
        make_ip6(i, 6);
        EXPECT_EQ(hash(ALL_KINDS, FLOW_HEAD_BYTES), ip6[i].with);
        EXPECT_EQ(hash(NDIS_HASH_IPV6, FLOW_HEAD_BYTES), ip6[i].without);
        make_ip6(i, 17);
        EXPECT_EQ(hash(ALL_KINDS, FLOW_HEAD_BYTES), ip6[i].without);
    }
}

TEST(ports_stand_behind_the_options_of_ipv4)
{
    make_ip4(0, 6, 32);
    EXPECT_EQ(hash(ALL_KINDS, FLOW_HEAD_BYTES), ip4[0].with);
}

TEST(a_fragment_has_no_ports)
{
    make_ip4(0, 6, 20);
    put16(20, 0x2000); /* more follow */
    EXPECT_EQ(hash(ALL_KINDS, FLOW_HEAD_BYTES), ip4[0].without);
    put16(20, 0x0010); /* not the first */
    EXPECT_EQ(hash(ALL_KINDS, FLOW_HEAD_BYTES), ip4[0].without);
    put16(20, 0x4000); /* not to be fragmented */
    EXPECT_EQ(hash(ALL_KINDS, FLOW_HEAD_BYTES), ip4[0].with);
}

TEST(kinds_that_were_not_asked_for_are_not_hashed)
{
    make_ip4(0, 17, 20);
    EXPECT_EQ(hash(NDIS_HASH_TCP_IPV4 | NDIS_HASH_IPV6, FLOW_HEAD_BYTES), UINT64_MAX);
    make_ip6(0, 17);
    EXPECT_EQ(hash(NDIS_HASH_TCP_IPV6 | NDIS_HASH_IPV4, FLOW_HEAD_BYTES), UINT64_MAX);
    put16(12, 0x0806);
    EXPECT_EQ(hash(ALL_KINDS, FLOW_HEAD_BYTES), UINT64_MAX);
}

TEST(what_is_cut_short_is_not_read_beyond)
{
    make_ip4(0, 6, 20);
    for (uint32_t n = 0; n < 34; n++)
        EXPECT_EQ(hash(ALL_KINDS, n), UINT64_MAX);
    for (uint32_t n = 34; n < 38; n++)
        EXPECT_EQ(hash(ALL_KINDS, n), ip4[0].without);
    make_ip4(0, 6, 60); /* ports behind what is looked at */
    EXPECT_EQ(hash(ALL_KINDS, FLOW_HEAD_BYTES), ip4[0].without);
    make_ip6(0, 6);
    for (uint32_t n = 0; n < 54; n++)
        EXPECT_EQ(hash(ALL_KINDS, n), UINT64_MAX);
    for (uint32_t n = 54; n < 58; n++)
        EXPECT_EQ(hash(ALL_KINDS, n), ip6[0].without);
}

TEST(a_header_that_is_too_short_has_no_ports)
{
    make_ip4(0, 6, 20);
    frame[14] = 0x44;
    EXPECT_EQ(hash(ALL_KINDS, FLOW_HEAD_BYTES), ip4[0].without);
    frame[14] = 0x55; /* and this is not IPv4 at all */
    EXPECT_EQ(hash(ALL_KINDS, FLOW_HEAD_BYTES), UINT64_MAX);
}
