// SOURCES: services/manager/utc.c lib/format.c lib/string.c
#include "services/manager/utc.h"
#include "tests/unit/test.h"

static uint64_t ns;

TEST(text_and_number_are_each_other)
{
    static const struct {
        const char *text;
        uint64_t seconds;
    } cases[] = { { "1970-01-01T00:00:00Z", 0 },
                  { "2000-02-29T23:59:59Z", 951868799 },
                  { "2026-11-22T16:14:51Z", 1795364091 },
                  { "2100-03-01T00:00:00Z", 4107542400 } };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char text[UTC_TEXT_BYTES];

        EXPECT_EQ(utc_parse(cases[i].text, 20, &ns), OK);
        EXPECT_EQ(ns, cases[i].seconds * 1000000000ull);
        utc_format(ns, text);
        EXPECT_STR(text, cases[i].text);
    }
}

TEST(what_is_no_moment_is_refused)
{
    static const char *const bad[] = { "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
                                       "2026-00-01T00:00:00Z", "2026-01-01T24:00:00Z",
                                       "2026-01-01 00:00:00Z", "2026-01-01T00:00:00+",
                                       "1969-12-31T23:59:59Z", "2026-1-01T000:00:00Z" };

    for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        EXPECT_EQ(utc_parse(bad[i], strlen(bad[i]), &ns), ERR_FORMAT);
    EXPECT_EQ(utc_parse("2026", 4, &ns), ERR_FORMAT);
}

TEST(cmos_clock_is_read_in_all_its_forms)
{
    struct cmos_time bcd24 = { 0x51, 0x14, 0x16, 0x22, 0x11, 0x26, 0x20, 0x02 };
    struct cmos_time bcd12 = { 0x51, 0x14, 0x84, 0x22, 0x11, 0x26, 0x00, 0x00 };
    struct cmos_time binary = { 51, 14, 16, 22, 11, 26, 20, 0x06 };
    struct cmos_time midnight = { 0, 0, 0x12, 0x22, 0x11, 0x26, 0, 0 };
    struct cmos_time nothing = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

    EXPECT_EQ(utc_from_cmos(&bcd24, &ns), OK);
    EXPECT_EQ(ns / 1000000000, 1795364091);
    EXPECT_EQ(utc_from_cmos(&bcd12, &ns), OK);
    EXPECT_EQ(ns / 1000000000, 1795364091);
    EXPECT_EQ(utc_from_cmos(&binary, &ns), OK);
    EXPECT_EQ(ns / 1000000000, 1795364091);
    EXPECT_EQ(utc_from_cmos(&midnight, &ns), OK);
    EXPECT_EQ(ns / 1000000000 % 86400, 0);
    EXPECT_EQ(utc_from_cmos(&nothing, &ns), ERR_IO);
}
