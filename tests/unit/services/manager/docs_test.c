// SOURCES: services/manager/docs.c services/manager/help.c services/manager/command_table.c services/manager/argument_accepts.c
// SOURCES: services/manager/event_catalogue.c services/manager/json.c services/manager/inventory_rules.c lib/format.c lib/string.c services/rt/service_name.c
#include "services/manager/docs.h"
#include "services/manager/event_catalogue.h"
#include "services/manager/help.h"
#include "tests/unit/test.h"

static char *file_text(const char *path)
{
    static char text[200000];
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

    text[n] = 0;
    if (f)
        fclose(f);
    return text;
}

static bool is_fresh(const char *path, void (*write)(FILE *))
{
    char *text;
    size_t n;
    FILE *f = open_memstream(&text, &n);

    write(f);
    fclose(f);
    bool is_same = strcmp(text, file_text(path)) == 0;
    free(text);
    return is_same;
}

TEST(commands_md_is_fresh)
{
    if (!is_fresh("docs/commands.md", docs_commands))
        TEST_FAIL("docs/commands.md is stale: run make docs");
}

TEST(events_md_is_fresh)
{
    if (!is_fresh("docs/events.md", docs_events))
        TEST_FAIL("docs/events.md is stale: run make docs");
}

TEST(services_md_is_fresh)
{
    if (!is_fresh("docs/services.md", docs_services))
        TEST_FAIL("docs/services.md is stale: run make docs");
}

TEST(every_event_and_code_has_cause_and_remedy)
{
    for (unsigned i = 0; i < EVENT_ID_COUNT; i++)
        EXPECT(event_catalogue[i].name && event_catalogue[i].cause && event_catalogue[i].remedy);
    for (unsigned i = 0; i < ERROR_CODE_COUNT; i++)
        EXPECT(error_catalogue[i].name && error_catalogue[i].cause && error_catalogue[i].remedy);
}

TEST(promised_events_and_codes_exist)
{
    static const char *const events[] = {
        "host-ready", "vm-created",    "vm-started",      "vm-paused",    "vm-resumed",
        "vm-stopped", "vm-reset",      "vm-crashed",      "vm-panic",     "vm-deleted",
        "vmm-died",   "program-ended", "program-started", "config-error",
    };
    static const char *const codes[] = { "usage",       "not-found", "exists",    "wrong-state",
                                         "unsupported", "no-memory", "bad-image", "timed-out",
                                         "io",          "failed" };

    for (unsigned i = 0; i < sizeof(events) / sizeof(*events); i++) {
        bool is_there = false;

        for (unsigned k = 0; k < EVENT_ID_COUNT; k++)
            is_there |= strcmp(events[i], event_catalogue[k].name) == 0;
        EXPECT(is_there);
    }
    for (unsigned i = 0; i < sizeof(codes) / sizeof(*codes); i++)
        EXPECT_STR(error_catalogue[i].name, codes[i]);
}

TEST(ids_of_the_table_are_in_order_and_rows_end)
{
    EXPECT_EQ(command_count, COMMAND_ID_COUNT);
    for (unsigned i = 0; i < command_count; i++) {
        EXPECT_EQ(command_table[i].id, i);
        EXPECT_EQ(command_table[i].arguments[COMMAND_ARGUMENTS_MAX - 1].kind, VALUE_NONE);
        EXPECT(command_table[i].help && command_table[i].result);
    }
}
