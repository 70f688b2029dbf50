// SOURCES: lib/format.c lib/string.c
#include "lib/format.h"
#include "tests/unit/test.h"

static char out[64];

TEST(conversions_are_those_of_printf)
{
    EXPECT_EQ(format(out, sizeof(out), "%d %i %u", -5, 7, 9u), 6);
    EXPECT_STR(out, "-5 7 9");
    format(out, sizeof(out), "%08lx|%-6s|%6s|%.2s|", 0xabcul, "ab", "cd", "xyz");
    EXPECT_STR(out, "00000abc|ab    |    cd|xy|");
    format(out, sizeof(out), "%c%%%X %5d|%-5d|%05d", 'a', 255u, 42, 42, -42);
    EXPECT_STR(out, "a%FF    42|42   |-0042");
    format(out, sizeof(out), "%ld %lu %zu", -1l, ~0ul, (size_t)3);
    EXPECT_STR(out, "-1 18446744073709551615 3");
    const char *volatile nothing = NULL;

    format(out, sizeof(out), "%s", nothing);
    EXPECT_STR(out, "(null)");
}

TEST(what_does_not_fit_is_cut_and_terminated)
{
    EXPECT_EQ(format(out, 4, "%s", "abcdef"), 3);
    EXPECT_STR(out, "abc");
    EXPECT_EQ(format(out, 1, "%d", 12345), 0);
    EXPECT_STR(out, "");
}

TEST(the_least_number_prints)
{
    format(out, sizeof(out), "%ld", INT64_MIN);
    EXPECT_STR(out, "-9223372036854775808");
}
