#include "lib/format.h"
#include "lib/string.h"
#include "services/manager/help.h"

const char *value_kind_name(enum value_kind kind)
{
    static const char *const names[VALUE_KIND_COUNT] = {
        [VALUE_NONE] = "none",       [VALUE_NUMBER] = "number", [VALUE_BYTES] = "bytes",
        [VALUE_CPUS] = "number",     [VALUE_NEW_NAME] = "name", [VALUE_VM] = "vm",
        [VALUE_PROGRAM] = "program", [VALUE_NOUN] = "noun",     [VALUE_MODULE] = "module",
        [VALUE_MODULES] = "modules", [VALUE_STRING] = "string", [VALUE_TYPED] = "typed-text",
        [VALUE_PIN] = "pin",         [VALUE_WEIGHT] = "number", [VALUE_CAP] = "number",
        [VALUE_SAVE] = "save",       [VALUE_CHOICE] = "choice", [VALUE_TIME] = "time",
        [VALUE_ECHO] = "number",     [VALUE_SWITCH] = "switch", [VALUE_PORT] = "port",
        [VALUE_TARGET] = "target",   [VALUE_MAC] = "mac",       [VALUE_VLAN] = "vlan",
        [VALUE_SPEED] = "speed",
    };

    return kind < VALUE_KIND_COUNT ? names[kind] : "unknown";
}

size_t help_synopsis(const struct command *c, char *out, size_t capacity)
{
    size_t n = format(out, capacity, "%s%s%s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "");

    for (const struct argument *a = c->arguments; a->kind != VALUE_NONE; a++) {
        bool is_required = a->flags & ARGUMENT_REQUIRED, is_object = a->flags & ARGUMENT_OBJECT;

        n += format(out + n, capacity - n, " %s%s%s%s%s", is_required ? "" : "[",
                    is_object && a->choices ? "" : a->key, is_object ? "" : "=",
                    a->choices ? a->choices : "", is_required ? "" : "]");
    }
    if (c->flags & COMMAND_HAS_JSON_FLAG)
        n += format(out + n, capacity - n, " [--json]");
    if (c->flags & COMMAND_HAS_EXPLAIN)
        n += format(out + n, capacity - n, " [--explain]");
    return n;
}

static bool is_shown(const struct command *c, const char *noun)
{
    return (IS_DEBUG || !(c->flags & COMMAND_DEBUG_ONLY)) && (!noun || strcmp(c->noun, noun) == 0);
}

static void put(help_out out, void *context, const char *text)
{
    out(context, text, strlen(text));
}

static void arguments(const struct command *c, help_out out, void *context)
{
    char line[256];

    for (const struct argument *a = c->arguments; a->kind != VALUE_NONE; a++) {
        format(line, sizeof(line), "    %-12s %s\n    %-12s (%s)\n", a->key, a->help, "",
               argument_accepts(a));
        put(out, context, line);
    }
}

bool help_text(const char *noun, help_out out, void *context)
{
    char line[512];
    bool has_any = false;

    for (unsigned i = 0; i < command_count; i++) {
        const struct command *c = &command_table[i];

        if (!is_shown(c, noun))
            continue;
        has_any = true;
        help_synopsis(c, line, sizeof(line));
        put(out, context, line);
        put(out, context, "\n    ");
        put(out, context, c->help);
        put(out, context, "\n");
        if (noun)
            arguments(c, out, context);
    }
    return has_any;
}

static void argument_json(struct json *j, const struct argument *a)
{
    json_object_begin(j);
    json_field_string(j, "key", a->key);
    json_field_string(j, "kind", value_kind_name(a->kind));
    json_field_bool(j, "is_object", a->flags & ARGUMENT_OBJECT);
    json_field_bool(j, "is_required", a->flags & ARGUMENT_REQUIRED);
    json_field_string(j, "accepts", argument_accepts(a));
    json_field_string(j, "help", a->help);
    json_object_end(j);
}

void help_json(struct json *j, const char *noun)
{
    char line[512];

    json_list_begin(j);
    for (unsigned i = 0; i < command_count; i++) {
        const struct command *c = &command_table[i];

        if (!is_shown(c, noun))
            continue;
        help_synopsis(c, line, sizeof(line));
        json_object_begin(j);
        json_field_string(j, "noun", c->noun);
        if (c->verb)
            json_field_string(j, "verb", c->verb);
        else
            json_field_null(j, "verb");
        json_field_string(j, "synopsis", line);
        json_field_string(j, "help", c->help);
        json_field_string(j, "result", c->result);
        json_field_bool(j, "is_console_only", c->flags & COMMAND_CONSOLE_ONLY);
        json_field_bool(j, "is_debug_only", c->flags & COMMAND_DEBUG_ONLY);
        json_key(j, "arguments");
        json_list_begin(j);
        for (const struct argument *a = c->arguments; a->kind != VALUE_NONE; a++)
            argument_json(j, a);
        json_list_end(j);
        json_object_end(j);
    }
    json_list_end(j);
}
