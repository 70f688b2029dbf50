// SOURCES: services/manager/json.c services/manager/people.c lib/format.c lib/string.c
#include "services/manager/json.h"
#include "services/manager/people.h"
#include "tests/unit/test.h"

static char text[4096];
static struct json j;

static const char *string_of(const char *in, size_t n)
{
    json_init(&j, text, sizeof(text) - 1);
    json_bytes(&j, in, n);
    text[j.used] = 0;
    return text;
}

TEST(values_are_separated)
{
    json_init(&j, text, sizeof(text) - 1);
    json_object_begin(&j);
    json_field_number(&j, "a", UINT64_MAX);
    json_key(&j, "b");
    json_list_begin(&j);
    json_bool(&j, true);
    json_null(&j);
    json_object_begin(&j);
    json_object_end(&j);
    json_list_end(&j);
    json_field_hex(&j, "c", 0x12);
    json_object_end(&j);
    text[j.used] = 0;
    EXPECT_STR(text,
               "{\"a\":18446744073709551615,\"b\":[true,null,{}],\"c\":\"0x0000000000000012\"}");
}

TEST(strings_are_escaped)
{
    EXPECT_STR(string_of("a\"\\\n\r\t\x01\x7f\0b", 10),
               "\"a\\\"\\\\\\n\\r\\t\\u0001\\u007f\\u0000b\"");
}

TEST(text_that_is_not_utf8_shows_the_replacement)
{
    static const char *const bad[] = { "\xff",         "\xc0\xaf",
                                       "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                       "\xe0\x80\x80", "\xf0\x80\x80\x80",
                                       "\x80",         "\xc3" };

    for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        EXPECT_HAS(string_of(bad[i], strlen(bad[i])), "\xef\xbf\xbd");
    EXPECT_STR(string_of("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9),
               "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
    EXPECT_STR(string_of("\xe2\x82x", 3), "\"\xef\xbf\xbd\xef\xbf\xbdx\"");
}

TEST(character_cut_by_a_piece_waits_for_the_next)
{
    char out[16];
    size_t written;

    EXPECT_EQ(json_escape("a\xe2\x82", 3, false, out, sizeof(out), &written), 1);
    EXPECT_EQ(json_escape("a\xe2\x82", 3, true, out, sizeof(out), &written), 3);
    EXPECT_EQ(written, 7);
    EXPECT_EQ(json_escape("ab", 2, false, out, 1, &written), 1);
}

TEST(overflow_is_noticed_and_nothing_is_written_beyond)
{
    char small[8];

    json_init(&j, small, sizeof(small));
    json_string(&j, "0123456789");
    EXPECT(j.is_overflown);
    EXPECT(j.used <= sizeof(small));
}

static char shown[8192];

static void show_out(const char *s, size_t n)
{
    strncat(shown, s, n);
}

static const char *show(const char *json)
{
    shown[0] = 0;
    people_show(json, strlen(json), show_out);
    return shown;
}

TEST(lists_of_objects_become_tables)
{
    EXPECT_STR(
        show(
            "[{\"name\":\"a\",\"memory_bytes\":1572864},{\"name\":\"longer\",\"memory_bytes\":null}]"),
        "name    memory\na       1.5M\nlonger  -\n");
    EXPECT_STR(show("[]"), "(none)\n");
}

TEST(objects_become_lines)
{
    EXPECT_STR(show("{\"up_ns\":1500000000,\"x\":{\"a\":1},\"l\":[],\"s\":\"q\\\"\"}"),
               "up  1.500 s\nx   \n  a  1\nl   -\ns   q\"\n");
}

TEST(any_text_can_be_shown)
{
    static const char *const odd[] = { "",   "{",    "[",   "\"",  "{\"a\"", "{\"a\":",
                                       "[{", "[{\"", "{]}", "[,]", "{}" };

    for (unsigned i = 0; i < sizeof(odd) / sizeof(*odd); i++)
        show(odd[i]);
}

TEST(amounts_and_times_read_well)
{
    static const struct {
        uint64_t v;
        const char *bytes, *ns;
    } cases[] = {
        { 0, "0 bytes", "0" },
        { 1023, "1023 bytes", "1 us" },
        { 256ull << 20, "256M", "0.268 s" },
        { 3ull << 40, "3T", "0h 54m 58s" },
        { 90061ull * 1000000000, "81.9T", "25h 01m 01s" },
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        people_bytes(cases[i].v, text);
        EXPECT_STR(text, cases[i].bytes);
        people_ns(cases[i].v, text);
        EXPECT_STR(text, cases[i].ns);
    }
}
