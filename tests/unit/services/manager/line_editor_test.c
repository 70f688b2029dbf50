// SOURCES: services/manager/line_editor.c lib/format.c lib/string.c
#include "services/manager/line_editor.h"
#include "tests/unit/test.h"

static struct line_editor e;

static void echo(const char *text, size_t n)
{
    (void)text;
    (void)n;
}

/* Types @keys; returns the line once it is complete, else what stands there. */
static const char *type(const char *keys)
{
    static char line[LINE_BYTES_MAX + 1];

    for (; *keys; keys++) {
        enum line_editor_result r = line_editor_key(&e, *keys, "> ", echo);

        memcpy(line, e.line, e.n);
        line[e.n] = 0;
        if (r == LINE_EDITOR_LINE)
            line_editor_clear(&e);
    }
    return line;
}

TEST(keys_edit_the_line)
{
    static const char *const cases[][2] = {
        { "abc\r", "abc" },
        { "ab\x7f"
          "c\r",
          "ac" },
        { "ac\x1b[Db\r", "abc" },
        { "bc\x01"
          "a\x05"
          "d\r",
          "abcd" },
        { "abc\x1b[H\x1b[3~\r", "bc" },
        { "one two\x17"
          "three\r",
          "one three" },
        { "abc\x02\x02\x0b\r", "a" },
        { "abc\x15"
          "d\r",
          "d" },
        { "abc\x03"
          "d\r",
          "d" },
        { "\x1b[D\x1b[C\x7f\x04"
          "a\r",
          "a" },
        { "a\x1b[99;5~b\x1bOCc\r", "abc" },
    };

    memset(&e, 0, sizeof(e));
    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        EXPECT_STR(type(cases[i][0]), cases[i][1]);
}

TEST(history_goes_back_and_forth)
{
    memset(&e, 0, sizeof(e));
    type("first\rsecond\rsecond\r");
    EXPECT_STR(type("\x1b[A\r"), "second");
    EXPECT_STR(type("\x1b[A\x1b[A\r"), "first");
    EXPECT_STR(type("\x1b[A\x1b[A\x1b[B\r"), "first");
    EXPECT_STR(type("\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\r"), "first");
    EXPECT_STR(type("\x1b[B\x1b[Bx\r"), "x");
}

TEST(cr_lf_is_one_end_of_line)
{
    memset(&e, 0, sizeof(e));
    type("a\r\n");
    EXPECT_EQ(e.n, 0);
    EXPECT_STR(type("b\n"), "b");
}

TEST(any_bytes_keep_the_editor_good)
{
    memset(&e, 0, sizeof(e));
    srand(1);
    for (unsigned i = 0; i < 300000; i++) {
        char c =
            (char)(rand() % 4 ? "\x1b[ABCDH~3\x01\x05\x7f\x17 ab\r\x10\x0e"[rand() % 20] : rand());

        if (line_editor_key(&e, c, "> ", echo) == LINE_EDITOR_LINE)
            line_editor_clear(&e);
        EXPECT(line_editor_is_good(&e));
    }
    for (unsigned i = 0; i < 10000; i++)
        line_editor_insert(&e, "0123456789", 10, "> ", echo);
    EXPECT(line_editor_is_good(&e));
    EXPECT_EQ(e.n, LINE_BYTES_MAX);
}
