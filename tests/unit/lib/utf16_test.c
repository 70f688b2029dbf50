// SOURCES: lib/utf16.c lib/string.c
#include "lib/utf16.h"
#include "tests/unit/test.h"

static char utf8[64];
static uint16_t utf16[32];

TEST(text_goes_there_and_back)
{
    static const char *const texts[] = { "", "a", "Grüße", "日本語", "𝄞 clef", "a\xc2\x80z" };

    for (unsigned i = 0; i < array_count(texts); i++) {
        size_t units = utf8_to_utf16(texts[i], utf16, array_count(utf16));

        EXPECT(units > 0);
        EXPECT_EQ(utf16[units - 1], 0);
        EXPECT_EQ(utf16_to_utf8(utf16, units, utf8, sizeof(utf8)), strlen(texts[i]));
        EXPECT_EQ(strcmp(utf8, texts[i]), 0);
    }
}

TEST(a_character_beyond_16_bits_is_a_pair)
{
    EXPECT_EQ(utf8_to_utf16("\xf0\x9d\x84\x9e", utf16, 8), 3);
    EXPECT_EQ(utf16[0], 0xd834);
    EXPECT_EQ(utf16[1], 0xdd1e);
}

TEST(what_does_not_fit_is_refused_or_cut_between_characters)
{
    EXPECT_EQ(utf8_to_utf16("abc", utf16, 3), 0);
    EXPECT_EQ(utf8_to_utf16("abc", utf16, 4), 4);
    EXPECT_EQ(utf8_to_utf16("\xf0\x9d\x84\x9e", utf16, 2), 0);
    utf16[0] = 0xe9;
    utf16[1] = 0xe9;
    utf16[2] = 0;
    EXPECT_EQ(utf16_to_utf8(utf16, 3, utf8, 4), 2);
    EXPECT_EQ(utf16_to_utf8(utf16, 3, utf8, 1), 0);
    EXPECT_EQ(utf8[0], 0);
}

TEST(text_without_an_end_ends_where_it_must)
{
    utf16[0] = utf16[1] = 'x';
    EXPECT_EQ(utf16_to_utf8(utf16, 2, utf8, sizeof(utf8)), 2);
    EXPECT_EQ(utf16_to_utf8(utf16, 0, utf8, sizeof(utf8)), 0);
}

TEST(lone_surrogates_become_replacement_characters)
{
    static const uint16_t lone[][3] = { { 0xd834, 'a', 0 },
                                        { 0xdd1e, 'a', 0 },
                                        { 'a', 0xd834, 0 } };

    for (unsigned i = 0; i < array_count(lone); i++) {
        EXPECT_EQ(utf16_to_utf8(lone[i], 2, utf8, sizeof(utf8)), 4);
        EXPECT(strcmp(utf8, "\xef\xbf\xbd"
                            "a") == 0 ||
               strcmp(utf8, "a\xef\xbf\xbd") == 0);
    }
}

TEST(what_is_no_utf8_becomes_replacement_characters)
{
    static const char *const broken[] = { "\x80",         "\xc3",
                                          "\xc0\x80",     "\xe0\x80\x80",
                                          "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                          "\xff",         "\xf8\x88\x80\x80\x80" };

    for (unsigned i = 0; i < array_count(broken); i++) {
        size_t units = utf8_to_utf16(broken[i], utf16, array_count(utf16));

        EXPECT(units == strlen(broken[i]) + 1);
        for (size_t k = 0; k + 1 < units; k++)
            EXPECT_EQ(utf16[k], 0xfffd);
    }
}
