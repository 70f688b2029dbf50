// SOURCES: services/manager/grammar.c services/manager/module_list.c services/manager/words.c
// SOURCES: services/manager/command_table.c services/manager/utc.c services/manager/cpu_list.c
// SOURCES: services/manager/argument_accepts.c services/manager/nic_words.c services/manager/vlan_setting.c services/manager/json.c
// SOURCES: services/manager/completion.c lib/format.c lib/string.c
#include "services/manager/completion.h"
#include "tests/unit/test.h"

static struct command_line line;
static struct grammar_error error;

static bool parse(const char *text)
{
    return grammar_parse(text, strlen(text), 0, &line, &error);
}

static bool parse_short(const char *text)
{
    return grammar_parse(text, strlen(text), GRAMMAR_ABBREVIATE, &line, &error);
}

TEST(words_keys_and_quotes_are_read)
{
    EXPECT(parse("  vm\tcreate web  kernel=vmlinuz memory=256M cpus=2 "
                 "cmdline=\"console=ttyS0 \\\"x\\\" # no comment\" # comment\r"));
    EXPECT_EQ(line.command->id, COMMAND_VM_CREATE);
    EXPECT_STR(command_value(&line, "NAME")->text, "web");
    EXPECT_STR(command_value(&line, "kernel")->text, "vmlinuz");
    EXPECT_EQ(command_value(&line, "memory")->number, 256 << 20);
    EXPECT_EQ(command_value(&line, "cpus")->number, 2);
    EXPECT_STR(command_value(&line, "cmdline")->text, "console=ttyS0 \"x\" # no comment");
    EXPECT(!command_value(&line, "initrd")->is_set);
}

TEST(empty_lines_and_comments_are_no_commands)
{
    static const char *const lines[] = { "", "   ", "# x", "\r", "  \t# \"", "#" };

    for (unsigned i = 0; i < array_count(lines); i++) {
        EXPECT(parse(lines[i]));
        EXPECT(line.command == NULL);
    }
}

TEST(escapes_are_decoded_inside_quotes_only)
{
    EXPECT(parse("vm create a kernel=k memory=1M cpus=1 cmdline=\"\\n\\r\\t\\\\\\\"\\x41\\xff\""));
    EXPECT_STR(command_value(&line, "cmdline")->text, "\n\r\t\\\"A\xff");
    EXPECT(parse("vm create a kernel=k memory=1M cpus=1 cmdline=a\\nb"));
    EXPECT_STR(command_value(&line, "cmdline")->text, "a\\nb");
    EXPECT(parse("vm create a kernel=k memory=1M cpus=1 cmdline="));
    EXPECT(command_value(&line, "cmdline")->is_set);
    EXPECT_STR(command_value(&line, "cmdline")->text, "");
}

TEST(what_is_typed_is_text_whatever_it_looks_like)
{
    static const char *const lines[][2] = {
        { "vm type web \"uname -a\\n\"", "uname -a\r" },
        { "vm type web from=3", "from=3" },
        { "vm type web --json", "--json" },
        { "vm type web ls\\n", "ls\r" },
        { "vm type web \"\"", "" },
        { "vm type web a=\"b c\"", "a=\"b c\"" },
    };

    for (unsigned i = 0; i < array_count(lines); i++) {
        EXPECT(parse(lines[i][0]));
        EXPECT_STR(command_value(&line, "TEXT")->text, lines[i][1]);
    }
    EXPECT(parse("vm type web \"\\x00\\x0a\""));
    EXPECT_EQ(command_value(&line, "TEXT")->n, 2);
    EXPECT_EQ(command_value(&line, "TEXT")->text[1], '\n');
}

TEST(numbers_take_binary_units)
{
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = { { "vm log a from=0", 0 },
                 { "vm log a from=12K", 12 << 10 },
                 { "vm log a from=3G", 3ull << 30 },
                 { "vm log a from=18446744073709551615", UINT64_MAX } };

    for (unsigned i = 0; i < array_count(good); i++) {
        EXPECT(parse(good[i].text));
        EXPECT_EQ(command_value(&line, "from")->number, good[i].value);
    }
}

TEST(each_kind_of_bad_line_names_column_and_what_is_accepted)
{
    static const struct {
        const char *text;
        uint32_t column;
        const char *message, *accepted;
    } bad[] = {
        { "fly", 1, "unknown word \"fly\"",
          "help host vm services channel tools switch nic port capture event log debug" },
        { "vm", 3, "a word is missing after vm", "create list show" },
        { "vm fly", 4, "unknown word \"fly\" after vm", "create list show" },
        { "vm li", 4, "unknown word", "create list" },
        { "vm start", 9, "NAME is missing", "NAME: the name of a VM" },
        { "vm start a b", 12, "one word too many: \"b\"", "the end of the line" },
        { "vm log a b", 10, "one word too many", "from" },
        { "vm start A", 10, "\"A\" is no value for NAME", "name of a VM" },
        { "vm start -a", 10, "no value", "name" },
        { "vm log a from=", 15, "\"\" is no value for from", "a number" },
        { "vm log a from=x", 15, "no value", "a number" },
        { "vm log a from=-1", 15, "no value", "a number" },
        { "vm log a from=1KK", 15, "no value", "a number" },
        { "vm log a from=18446744073709551616", 15, "no value", "a number" },
        { "vm log a from=99999999999999999G", 15, "no value", "a number" },
        { "vm log a from=1 from=2", 22, "from is given twice", "it once" },
        { "vm log a form=1", 10, "unknown key \"form\"", "from" },
        { "vm start a x=1", 12, "unknown key \"x\"", "no key=value here" },
        { "vm start a --force", 12, "unknown flag \"--force\"", "no flag here" },
        { "help --jso", 6, "unknown flag", "--json" },
        { "event list severity=loud", 21, "\"loud\" is no value", "info|warning|error" },
        { "host set time=2026-02-30T00:00:00Z", 15, "no value for time", "2026-01-31T12:00:00Z" },
        { "host set name=abcdefghijklmnopqrstuvwxyzabcdef", 15, "no value", "1 to 31" },
        { "vm create a kernel=k memory=1M", 31, "cpus is missing", "cpus=: a number" },
        { "vm create a kernel= memory=1M cpus=1", 20, "no value for kernel", "file name" },
        { "vm type a \"x", 11, "the quote is not closed", "closing" },
        { "vm type a \"x\\\"", 11, "the quote is not closed", "closing" },
        { "vm type a \"x\"y", 14, "text right after the closing quote", "blank" },
        { "vm type a x\"y\"", 12, "a quote in the middle of a word", "whole word" },
        { "vm type a \"\\q\"", 12, "unknown escape", "\\xNN" },
        { "vm type a \"\\x4\"", 12, "unknown escape", "\\xNN" },
        { "vm type a \"\\xg0\"", 12, "unknown escape", "\\xNN" },
        { "vm list \x01", 9, "control character 0x01", "printable" },
        { "vm type a \"\x1b[A\"", 12, "control character 0x1b", "\\xNN" },
        { "vm create a kernel=\"a\\x00b\" memory=1M cpus=1", 22, "a zero byte", "" },
        { "vm \"list", 4, "the quote is not closed", "closing" },
    };

    for (unsigned i = 0; i < array_count(bad); i++) {
        if (parse(bad[i].text))
            TEST_FAIL("\"%s\" is accepted", bad[i].text);
        if (error.column != bad[i].column || !strstr(error.message, bad[i].message) ||
            !strstr(error.accepted, bad[i].accepted))
            TEST_FAIL("\"%s\": column %u, \"%s\", accepted \"%s\"", bad[i].text, error.column,
                      error.message, error.accepted);
    }
}

TEST(lines_have_at_most_4096_bytes)
{
    static char text[5000];

    memset(text, ' ', sizeof(text));
    memcpy(text, "vm list", 7);
    EXPECT(grammar_parse(text, 4096, 0, &line, &error));
    EXPECT(!grammar_parse(text, 4097, 0, &line, &error));
    EXPECT_EQ(error.column, 4097);
    text[4096] = '\r';
    EXPECT(grammar_parse(text, 4097, 0, &line, &error));
}

TEST(prefixes_are_for_the_console_only)
{
    EXPECT(parse_short("ev li sev=error"));
    EXPECT_EQ(line.command->id, COMMAND_EVENT_LIST);
    EXPECT(command_value(&line, "severity")->is_set);
    EXPECT(!parse("event list sev=error"));
    EXPECT(!parse_short("vm re a"));
    EXPECT(!parse_short("h show"));
    EXPECT(parse_short("hos show"));
    EXPECT(parse_short("vm sta a"));
}

TEST(names_are_what_was_promised)
{
    EXPECT(name_is_good("a", 1));
    EXPECT(name_is_good("0-9z", 4));
    EXPECT(name_is_good("abcdefghijklmnopqrstuvwxyz01234", 31));
    EXPECT(!name_is_good("abcdefghijklmnopqrstuvwxyz012345", 32));
    EXPECT(!name_is_good("", 0));
    EXPECT(!name_is_good("-a", 2));
    EXPECT(!name_is_good("a_b", 3));
}

/* ---- completion ---- */

static void names(struct completion *c, enum value_kind kind)
{
    if (kind == VALUE_VM) {
        completion_offer(c, "web", 3, " ");
        completion_offer(c, "wiki", 4, " ");
    }
    if (kind == VALUE_MODULE)
        completion_offer(c, "vmlinuz", 7, " ");
}

static const char *complete(const char *text)
{
    static char all[4096];
    static struct completion c;

    completion_find(&c, text, strlen(text), names);
    all[0] = 0;
    for (unsigned i = 0; i < c.count; i++) {
        strcat(all, c.candidates[i]);
        strcat(all, "|");
    }
    return all;
}

TEST(completion_knows_each_place)
{
    EXPECT_STR(complete("v"), "vm |");
    EXPECT_STR(complete("h"), "help |host |");
    EXPECT_STR(complete("vm p"), "poweroff |pause |");
    EXPECT_STR(complete("vm show "), "web |wiki |");
    EXPECT_STR(complete("vm show we"), "web |");
    EXPECT_STR(complete("vm create x ke"), "kernel=|");
    EXPECT_STR(complete("vm create x kernel=vm"), "vmlinuz |");
    EXPECT_STR(complete("vm create x type="), "auto |linux |pvh |multiboot |");
    EXPECT_STR(complete("nope "), "");
    EXPECT_STR(complete("vm show web \""), "");
}
