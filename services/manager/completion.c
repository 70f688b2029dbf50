#include "lib/string.h"
#include "services/manager/completion.h"

void completion_offer(struct completion *c, const char *candidate, size_t n, const char *end)
{
    size_t typed = c->n - c->word, end_n = strlen(end);
    char *to = c->candidates[c->count];

    if (c->count == COMPLETION_CANDIDATES_MAX || typed > n || n + end_n >= sizeof(*c->candidates) ||
        memcmp(c->line + c->word, candidate, typed) != 0)
        return;
    memcpy(to, candidate, n);
    memcpy(to + n, end, end_n + 1);
    for (unsigned i = 0; i < c->count; i++)
        if (strcmp(c->candidates[i], to) == 0)
            return;
    c->count++;
}

static void offer_value(struct completion *c, const struct argument *a, completion_names names)
{
    const char *at = a->choices;

    if (a->kind != VALUE_CHOICE) {
        names(c, a->kind);
        return;
    }
    while (*at) {
        size_t n = 0;

        while (at[n] && at[n] != '|')
            n++;
        completion_offer(c, at, n, " ");
        at += n + (at[n] == '|');
    }
}

static bool is_noun(const struct command *c, const struct token *t)
{
    return strlen(c->noun) == t->n && memcmp(c->noun, t->text, t->n) == 0;
}

static const struct command *find(const struct token *noun, const struct token *verb)
{
    for (unsigned i = 0; i < command_count; i++) {
        const struct command *c = &command_table[i];

        if (is_noun(c, noun) && (!c->verb || (verb && strlen(c->verb) == verb->n &&
                                              memcmp(c->verb, verb->text, verb->n) == 0)))
            return c;
    }
    return NULL;
}

static bool has_equals(const struct token *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->text[i] == '=')
            return true;
    return false;
}

/* @objects of the command's objects stand there already. */
static void find_arguments(struct completion *c, const struct command *command, unsigned objects,
                           completion_names names)
{
    size_t key = 0;

    while (c->word + key < c->n && c->line[c->word + key] != '=')
        key++;
    bool has_key = c->word + key < c->n;
    for (unsigned i = 0; i < COMMAND_ARGUMENTS_MAX; i++) {
        const struct argument *a = &command->arguments[i];

        if (a->kind == VALUE_NONE)
            return;
        if (a->flags & ARGUMENT_OBJECT) {
            if (!has_key && objects-- == 0)
                offer_value(c, a, names);
        } else if (!has_key) {
            completion_offer(c, a->key, strlen(a->key), "=");
        } else if (strlen(a->key) == key && memcmp(a->key, c->line + c->word, key) == 0) {
            c->word += key + 1;
            offer_value(c, a, names);
            return;
        }
    }
}

void completion_find(struct completion *c, const char *line, size_t n, completion_names names)
{
    struct token tokens[12], noun = { 0 }, verb = { 0 };
    struct grammar_error e;
    unsigned count = 0, objects = 0;
    size_t at = 0;

    *c = (struct completion){ .line = line, .n = n, .word = n };
    while (count < array_count(tokens) && grammar_token(line, n, &at, &tokens[count], &e) == 1)
        count++;
    if (count && tokens[count - 1].text + tokens[count - 1].n == line + n)
        c->word = (size_t)(tokens[--count].text - line);
    if (count > 0)
        noun = tokens[0];
    if (count > 1)
        verb = tokens[1];
    for (unsigned i = 0; i < command_count; i++) {
        const struct command *command = &command_table[i];

        if (count == 0)
            completion_offer(c, command->noun, strlen(command->noun), " ");
        else if (count == 1 && command->verb && is_noun(command, &noun))
            completion_offer(c, command->verb, strlen(command->verb), " ");
    }
    const struct command *command = count ? find(&noun, count > 1 ? &verb : NULL) : NULL;
    if (!command)
        return;
    for (unsigned i = command->verb ? 2 : 1; i < count; i++)
        objects += !has_equals(&tokens[i]);
    find_arguments(c, command, objects, names);
}

size_t completion_common(const struct completion *c)
{
    size_t n = c->count ? strlen(c->candidates[0]) : 0;

    for (unsigned i = 1; i < c->count; i++) {
        size_t same = 0;

        while (same < n && c->candidates[i][same] == c->candidates[0][same])
            same++;
        n = same;
    }
    return n;
}
