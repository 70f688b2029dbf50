// SOURCES: services/switch/pcapng.c
#include "services/switch/pcapng.h"
#include "tests/unit/test.h"

static uint8_t file[1024];
static struct pcapng out;

static void fresh(uint64_t capacity)
{
    memset(file, 0xee, sizeof(file));
    out = (struct pcapng){ file, capacity, 0 };
}

static uint32_t word(uint64_t at)
{
    uint32_t v;

    memcpy(&v, file + at, sizeof(v));
    return v;
}

static bool put_packet(const char *comment)
{
    struct pcapng_packet p = { .interface = 3,
                               .time_ns = 0x100000002,
                               .bytes = 9,
                               .snap_bytes = 7,
                               .direction = PCAPNG_INBOUND,
                               .queue = 5,
                               .comment = comment,
                               .parts = { { "abcde", 5 }, { "fghi", 4 } } };

    return pcapng_packet(&out, &p);
}

TEST(a_section_block_says_version_1_0)
{
    fresh(sizeof(file));
    EXPECT(pcapng_section(&out));
    EXPECT_EQ(out.used, 28);
    EXPECT_EQ(word(0), 0x0a0d0d0a);
    EXPECT_EQ(word(8), 0x1a2b3c4d);
    EXPECT_EQ(word(12), 1);
    EXPECT_EQ(word(24), word(4));
}

TEST(an_interface_block_has_its_name_and_counts_in_ns)
{
    fresh(sizeof(file));
    EXPECT(pcapng_interface(&out, "web/nic0", 96));
    EXPECT_EQ(word(0), 1);
    EXPECT_EQ(word(4), out.used);
    EXPECT_EQ(word(out.used - 4), out.used);
    EXPECT_EQ(word(8), 1);
    EXPECT_EQ(word(12), 96);
    EXPECT_EQ(word(16), 2 | 8 << 16);
    EXPECT(memcmp(file + 20, "web/nic0", 8) == 0);
    EXPECT_EQ(word(28), 9 | 1 << 16);
    EXPECT_EQ(file[32], 9);
}

TEST(a_packet_block_has_its_bytes_and_options)
{
    fresh(sizeof(file));
    EXPECT(put_packet("no"));
    EXPECT_EQ(word(0), 6);
    EXPECT_EQ(word(4), out.used);
    EXPECT_EQ(word(8), 3);
    EXPECT_EQ(word(12), 1);
    EXPECT_EQ(word(16), 2);
    EXPECT_EQ(word(20), 7);
    EXPECT_EQ(word(24), 9);
    EXPECT(memcmp(file + 28, "abcdefg\0", 8) == 0);
    EXPECT_EQ(word(36), 2 | 4 << 16);
    EXPECT_EQ(word(40), PCAPNG_INBOUND);
    EXPECT_EQ(word(44), 6 | 4 << 16);
    EXPECT_EQ(word(48), 5);
    EXPECT_EQ(word(52), 1 | 2 << 16);
    EXPECT(memcmp(file + 56, "no\0\0", 4) == 0);
    EXPECT_EQ(word(60), 0);
    EXPECT_EQ(word(64), out.used);
}

TEST(a_block_that_does_not_fit_is_not_there_at_all)
{
    for (uint64_t capacity = 0; capacity < 60; capacity++) {
        fresh(capacity);
        EXPECT_EQ(put_packet(NULL), capacity >= 60);
        EXPECT_EQ(out.used, 0);
        EXPECT_EQ(file[0], 0xee);
    }
    fresh(60);
    EXPECT(put_packet(NULL));
    EXPECT_EQ(out.used, 60);
}
