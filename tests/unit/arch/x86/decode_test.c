// SOURCES: arch/x86/decode.c
#include "arch/x86/decode.h"
#include "tests/unit/test.h"

static const struct decode_want cpuid_want = { { 0x0f, 0xa2 }, 2, false, 0 };
static const struct decode_want cr4_want = { { 0x0f, 0x22 }, 2, true, 4 };
static const struct decode_want cr8_want = { { 0x0f, 0x22 }, 2, true, 8 };

static unsigned match(const struct decode_want *want, bool is_long, const char *bytes, unsigned n,
                      unsigned *reg)
{
    return decode_match((const uint8_t *)bytes, n, is_long, want, reg);
}

TEST(a_plain_instruction_has_its_own_length)
{
    unsigned reg;

    EXPECT_EQ(match(&cpuid_want, true, "\x0f\xa2\x90", 3, &reg), 2);
}

TEST(prefixes_count)
{
    unsigned reg;

    EXPECT_EQ(match(&cpuid_want, true, "\x66\xf3\x2e\x0f\xa2", 5, &reg), 5);
    EXPECT_EQ(match(&cpuid_want, true, "\x48\x0f\xa2", 3, &reg), 3);
    EXPECT_EQ(match(&cpuid_want, true, "\x48\x66\x0f\xa2", 4, &reg), 4);
}

TEST(rex_is_an_instruction_outside_long_mode)
{
    unsigned reg;

    EXPECT_EQ(match(&cpuid_want, false, "\x48\x0f\xa2", 3, &reg), 0);
}

TEST(another_instruction_does_not_match)
{
    unsigned reg;

    EXPECT_EQ(match(&cpuid_want, true, "\x0f\xa3", 2, &reg), 0);
    EXPECT_EQ(match(&cpuid_want, true, "\xf0\x0f\xa2", 3, &reg), 0);
}

TEST(what_ends_too_early_does_not_match)
{
    unsigned reg;

    EXPECT_EQ(match(&cpuid_want, true, "\x0f", 1, &reg), 0);
    EXPECT_EQ(match(&cpuid_want, true, "", 0, &reg), 0);
    EXPECT_EQ(match(&cr4_want, true, "\x0f\x22", 2, &reg), 0);
}

TEST(fifteen_bytes_is_the_longest)
{
    unsigned reg;
    char bytes[17];

    memset(bytes, 0x66, sizeof(bytes));
    memcpy(bytes + 13, "\x0f\xa2", 2);
    EXPECT_EQ(match(&cpuid_want, true, bytes, 17, &reg), 15);
    memset(bytes, 0x66, sizeof(bytes));
    memcpy(bytes + 14, "\x0f\xa2", 2);
    EXPECT_EQ(match(&cpuid_want, true, bytes, 17, &reg), 0);
}

TEST(the_general_register_of_a_control_register_move_is_found)
{
    unsigned reg = 99;

    EXPECT_EQ(match(&cr4_want, true, "\x0f\x22\xe0", 3, &reg), 3);
    EXPECT_EQ(reg, 0);
    EXPECT_EQ(match(&cr4_want, true, "\x41\x0f\x22\xe7", 4, &reg), 4);
    EXPECT_EQ(reg, 15);
    EXPECT_EQ(match(&cr8_want, true, "\x44\x0f\x22\xc3", 4, &reg), 4);
    EXPECT_EQ(reg, 3);
    EXPECT_EQ(match(&cr4_want, true, "\x0f\x22\xd8", 3, &reg), 0); /* CR3 */
}
