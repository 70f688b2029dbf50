/* host-only: writes the generated documents; make docs, and a test that they are fresh. */
#include "services/manager/docs.h"
#include "services/manager/event_catalogue.h"
#include "services/manager/help.h"

static void arguments(FILE *out, const struct command *c)
{
    if (c->arguments[0].kind == VALUE_NONE)
        return;
    fprintf(out, "| argument | accepted | meaning |\n|---|---|---|\n");
    for (const struct argument *a = c->arguments; a->kind != VALUE_NONE; a++) {
        const char *mark = a->flags & ARGUMENT_OBJECT ? "" : "=";

        fprintf(out, "| `%s%s`%s | ", a->key, mark,
                a->flags & ARGUMENT_REQUIRED ? "" : " (optional)");
        for (const char *s = argument_accepts(a); *s; s++)
            fprintf(out, *s == '|' ? " or " : "%c", *s);
        fprintf(out, " | %s |\n", a->help);
    }
    fprintf(out, "\n");
}

static void command(FILE *out, const struct command *c)
{
    char synopsis[512];

    help_synopsis(c, synopsis, sizeof(synopsis));
    fprintf(out, "### %s%s%s\n\n    %s\n\n%s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "",
            synopsis, c->help);
    if (c->flags & COMMAND_CONSOLE_ONLY)
        fprintf(out, " Console and `bulkhead.conf` only.");
    if (c->flags & COMMAND_DEBUG_ONLY)
        fprintf(out, " Debug build only.");
    fprintf(out, "\n\n");
    arguments(out, c);
    fprintf(out, "Result: %s.\n\n", c->result);
}

void docs_commands(FILE *out)
{
    fprintf(out,
            "# Commands\n\n"
            "Generated from `services/manager/command_table.c` by `make docs`; change it "
            "there.\n\n"
            "The console, the control port and `bulkhead.conf` take the same lines: "
            "`noun verb [object] [key=value ...]`.\n"
            "A value with blanks stands in quotes; inside quotes `\\n \\r \\t \\\\ \\\" \\xNN` "
            "are understood. Numbers take K, M and G.\n"
            "`#` begins a comment; a line has at most 4,096 bytes. The console also takes "
            "unique prefixes.\n"
            "Error codes and events are in [events.md](events.md).\n\n");
    for (unsigned i = 0; i < command_count; i++) {
        const struct command *c = &command_table[i];

        if (i == 0 || c->noun != command_table[i - 1].noun)
            fprintf(out, "## %s\n\n", c->noun);
        command(out, c);
    }
}

void docs_events(FILE *out)
{
    fprintf(out, "# Events and error codes\n\n"
                 "Generated from `services/manager/event_catalogue.c` by `make docs`; change it "
                 "there.\n\n"
                 "## Events\n\n| event | severity | cause | what to do |\n|---|---|---|---|\n");
    for (unsigned i = 0; i < EVENT_ID_COUNT; i++) {
        const struct event_kind *e = &event_catalogue[i];

        fprintf(out, "| `%s` | %s | %s | %s |\n", e->name, severity_name(e->severity), e->cause,
                e->remedy);
    }
    fprintf(out, "\n## Error codes\n\n| code | cause | what to do |\n|---|---|---|\n");
    for (unsigned i = 0; i < ERROR_CODE_COUNT; i++) {
        const struct error_kind *e = &error_catalogue[i];

        fprintf(out, "| `%s` | %s | %s |\n", e->name, e->cause, e->remedy);
    }
}
