// SOURCES: services/manager/grammar.c services/manager/module_list.c services/manager/words.c
// SOURCES: services/manager/command_table.c services/manager/utc.c services/manager/cpu_list.c
// SOURCES: services/manager/argument_accepts.c services/manager/nic_words.c services/manager/vlan_setting.c services/manager/json.c
// SOURCES: services/manager/completion.c lib/format.c lib/string.c
/* Any line: the parser says what is wrong or yields values that are what their kinds promise. */
#include <assert.h>
#include <string.h>

#include "services/manager/completion.h"

static void check_value(const struct argument *a, const struct value *v, size_t n)
{
    if (!v->is_set)
        return;
    assert(v->text[v->n] == 0 && v->n <= n);
    assert(v->column >= 1 && v->column <= n + 1);
    if (a->kind != VALUE_TYPED)
        assert(strlen(v->text) == v->n);
    if (a->kind == VALUE_VM || a->kind == VALUE_NEW_NAME)
        assert(name_is_good(v->text, v->n));
}

static void names(struct completion *c, enum value_kind kind)
{
    (void)kind;
    completion_offer(c, "web", 3, " ");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct command_line line;
    struct grammar_error e;
    struct completion c;

    if (!n)
        return 0;
    bool is_good = grammar_parse((const char *)data + 1, n - 1, data[0] & 1, &line, &e);
    if (!is_good)
        assert(e.column >= 1 && e.column <= n && e.message[0]);
    for (unsigned i = 0; is_good && line.command && i < COMMAND_ARGUMENTS_MAX; i++) {
        const struct argument *a = &line.command->arguments[i];

        if (a->kind == VALUE_NONE)
            break;
        check_value(a, &line.values[i], n - 1);
        if (a->flags & ARGUMENT_REQUIRED)
            assert(line.values[i].is_set);
    }
    completion_find(&c, (const char *)data + 1, n - 1, names);
    assert(c.word <= c.n && c.count <= COMPLETION_CANDIDATES_MAX);
    return 0;
}
