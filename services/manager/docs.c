/* host-only: writes the generated documents; make docs, and a test that they are fresh. */
#include "services/manager/docs.h"
#include "services/manager/event_catalogue.h"
#include "services/manager/help.h"
#include "services/manager/inventory.h"

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

static void service(FILE *out, uint32_t number)
{
    const struct service_rule *s = &service_rules[number];

    fprintf(out, "### %s\n\nWhat it does: %s. Without it: %s.", service_name(number), s->function,
            s->loses);
    if (s->daemon)
        fprintf(out, " In a Linux guest `%s` does it.", s->daemon);
    fprintf(out, "\n\n| version | verdict | what is lost |\n|---|---|---|\n");
    for (unsigned i = 0; i < SERVICE_VERSIONS_MAX && s->versions[i].version.major; i++)
        fprintf(out, "| %u.%u | `%s` | %s |\n", s->versions[i].version.major,
                s->versions[i].version.minor, verdict_rules[s->versions[i].verdict].name,
                s->versions[i].lost ? s->versions[i].lost : "nothing");
    fprintf(out, "\n");
}

void docs_services(FILE *out)
{
    fprintf(
        out,
        "# Integration services: versions and verdicts\n\n"
        "Generated from `services/manager/inventory_rules.c` by `make docs`; change it "
        "there.\n\n"
        "The verdict on a guest rests on what it negotiated, never on what it says of itself: "
        "Linux reports an IntegrationServicesVersion of 3.1 for ever. The VMBus version is shown "
        "and not judged: nothing here needs a newer one than Linux has.\n\n"
        "## Verdicts\n\n"
        "From the best to the worst; a VM's verdict is the worst of its services'. `absent` is "
        "the best since there is nothing to do about it; `unknown-yet` comes before what is "
        "known to be bad. `outdated` and `missing` need attention (exit code 8).\n\n"
        "| verdict | meaning |\n|---|---|\n");
    for (unsigned i = 0; i < VERDICT_COUNT; i++)
        fprintf(out, "| `%s` | %s |\n", verdict_rules[i].name, verdict_rules[i].meaning);
    fprintf(out,
            "\n## Reasons and remedies\n\n"
            "Heartbeats that stop are held against the guest after three beats (6 s), all else "
            "after 30 s. While they are missing the other services are not reported. From Linux "
            "6.10 on the daemon opens the channel of fcopy itself: one that is not opened means "
            "there that the daemon is not running.\n\n"
            "| reason | remedy |\n|---|---|\n");
    for (unsigned i = 0; i < CONDITION_COUNT; i++)
        if (condition_rules[i].reason[0])
            fprintf(out, "| %s | %s |\n", condition_rules[i].reason, condition_rules[i].remedy);
    fprintf(out,
            "\n## Services\n\n"
            "All are offered with the frameworks 3.0 and 1.0; with framework 1.0 what would be "
            "`current` is `older-but-complete`.\n\n");
    for (unsigned i = 0; i < SERVICE_COUNT; i++)
        service(out, i);
}
