/* Words are cut first, quotes and all, and decoded only where it is known what they stand for:
 * the same bytes are a key and a value in one place and plain text in another (vm type). */
#include "lib/abi/vm_control.h"
#include "lib/format.h"
#include "lib/string.h"
#include "services/manager/grammar.h"
#include "services/manager/module_list.h"
#include "services/manager/nic_words.h"
#include "services/manager/vlan_setting.h"
#include "services/manager/utc.h"
#include "services/manager/vm_schedule.h"
#include "services/manager/words.h"

struct parser {
    const char *line;
    size_t n, at;
    unsigned flags;
    struct command_line *out;
    struct grammar_error *e;
};

/* Appends @word to the list of what is accepted, each once. */
static void accept_also(struct grammar_error *e, const char *word)
{
    size_t used = strlen(e->accepted), n = strlen(word);

    for (size_t i = 0; i + n <= used; i++)
        if (memcmp(e->accepted + i, word, n) == 0 && (i == 0 || e->accepted[i - 1] == ' ') &&
            (e->accepted[i + n] == 0 || e->accepted[i + n] == ' '))
            return;
    format(e->accepted + used, sizeof(e->accepted) - used, "%s%s", used ? " " : "", word);
}

bool name_is_good(const char *text, size_t n)
{
    if (n < 1 || n > 31 || text[0] == '-')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9') ||
              text[i] == '-'))
            return false;
    return true;
}

/* ---- values ---- */

static bool parse_number(struct value *v)
{
    size_t i = 0;
    uint64_t unit = 1;

    v->number = 0;
    for (; i < v->n && v->text[i] >= '0' && v->text[i] <= '9'; i++)
        if (__builtin_mul_overflow(v->number, 10, &v->number) ||
            __builtin_add_overflow(v->number, (uint64_t)(v->text[i] - '0'), &v->number))
            return false;
    if (i == 0)
        return false;
    if (i < v->n && (v->text[i] == 'K' || v->text[i] == 'M' || v->text[i] == 'G'))
        unit = v->text[i] == 'K' ? KIB(1) : v->text[i] == 'M' ? MIB(1) : GIB(1), i++;
    return i == v->n && !__builtin_mul_overflow(v->number, unit, &v->number);
}

/* True when @word is one of @choices; then v->number is its place. */
static bool is_choice(const char *choices, struct value *v)
{
    const char *at = choices;

    for (uint64_t place = 0;; place++) {
        size_t n = 0;

        while (at[n] && at[n] != '|')
            n++;
        if (n == v->n && memcmp(at, v->text, n) == 0) {
            v->number = place;
            return true;
        }
        if (!at[n])
            return false;
        at += n + 1;
    }
}

/* A number, or the words for none and for one. */
static bool is_echo(struct value *v)
{
    if (is_choice("off|on", v))
        return true;
    return parse_number(v) && v->number <= VMM_ECHO_MAX;
}

/* VM/nicN */
static bool is_port(const struct value *v)
{
    static const char nic[] = "/nic";
    size_t n = sizeof(nic); /* with the digit */

    return v->n > n && memcmp(v->text + v->n - n, nic, n - 1) == 0 && v->text[v->n - 1] >= '0' &&
           v->text[v->n - 1] < '0' + (int)VMM_NICS_MAX && name_is_good(v->text, v->n - n);
}

static bool value_is_good(const struct argument *a, struct value *v)
{
    struct vlan_setting vlan;
    struct mac_address mac;
    struct cpu_list cpus;

    switch (a->kind) {
    case VALUE_NUMBER:
    case VALUE_BYTES: return parse_number(v);
    case VALUE_CPUS: return parse_number(v) && v->number >= 1 && v->number <= VMM_VCPUS_MAX;
    case VALUE_PIN: return cpu_list_parse(v->text, &cpus);
    case VALUE_WEIGHT: return parse_number(v) && v->number >= 1 && v->number <= VM_WEIGHT_MAX;
    case VALUE_CAP: return parse_number(v) && v->number <= VM_CAP_MAX;
    case VALUE_NEW_NAME:
    case VALUE_VM:
    case VALUE_SAVE:
    case VALUE_PROGRAM: return name_is_good(v->text, v->n);
    case VALUE_MODULE: return v->n > 0 && v->n < 104;
    case VALUE_MODULES: return module_list_is_good(v->text);
    case VALUE_CHOICE: return is_choice(a->choices, v);
    case VALUE_ECHO: return is_echo(v);
    case VALUE_SWITCH: return name_is_good(v->text, v->n);
    case VALUE_PORT: return is_port(v);
    case VALUE_TARGET: return name_is_good(v->text, v->n) || is_port(v);
    case VALUE_MAC: return mac_parse(v->text, &mac);
    case VALUE_VLAN: return vlan_parse(v->text, &vlan);
    case VALUE_SPEED: return speed_parse(v->text, v->n, &v->number);
    case VALUE_TIME: return utc_parse(v->text, v->n, &v->number) == OK;
    default: return true;
    }
}

static bool take_value(struct parser *p, const struct token *t, unsigned index)
{
    const struct argument *a = &p->out->command->arguments[index];
    struct value *v = &p->out->values[index];

    if (v->is_set)
        return grammar_refuse(p->e, t->column, "%s is given twice", a->key),
               grammar_accepts(p->e, "it once");
    if (!word_decode(t, a->kind, v, p->out->text + p->out->text_used, p->e))
        return false;
    p->out->text_used += v->n + 1;
    if (!value_is_good(a, v))
        return grammar_refuse(p->e, t->column, "\"%.40s\" is no value for %s", v->text, a->key),
               grammar_accepts(p->e, argument_accepts(a));
    return true;
}

/* ---- commands ---- */

/* How well @word of @n bytes names @full: 2 exactly, 1 as a prefix, 0 not. */
static int match(const struct parser *p, const char *word, size_t n, const char *full)
{
    if (strncmp(word, full, n) != 0)
        return 0;
    if (full[n] == 0)
        return 2;
    return p->flags & GRAMMAR_ABBREVIATE && n ? 1 : 0;
}

/* Finds the noun that @t names, or refuses. */
static const char *find_noun(struct parser *p, const struct token *t)
{
    const char *found = NULL;

    grammar_refuse(p->e, t->column, "unknown word \"%.*s\"", (int)min(t->n, 40ul), t->text);
    for (unsigned i = 0; i < command_count; i++) {
        const char *noun = command_table[i].noun;
        int how = match(p, t->text, t->n, noun);

        accept_also(p->e, noun);
        if (how == 2)
            return noun;
        if (how == 1 && found && strcmp(found, noun) != 0)
            return NULL;
        if (how == 1)
            found = noun;
    }
    return found;
}

static const struct command *find_verb(struct parser *p, const char *noun, const struct token *t)
{
    const struct command *found = NULL;
    bool is_ambiguous = false;

    if (t)
        grammar_refuse(p->e, t->column, "unknown word \"%.*s\" after %s", (int)min(t->n, 40ul),
                       t->text, noun);
    else
        grammar_refuse(p->e, (uint32_t)p->at + 1, "a word is missing after %s", noun);
    for (unsigned i = 0; i < command_count; i++) {
        const struct command *c = &command_table[i];

        if (strcmp(c->noun, noun) != 0)
            continue;
        if (!c->verb)
            return c;
        accept_also(p->e, c->verb);
        int how = t ? match(p, t->text, t->n, c->verb) : 0;
        if (how == 2)
            return c;
        if (how == 1) {
            is_ambiguous = found != NULL;
            found = c;
        }
    }
    return is_ambiguous ? NULL : found;
}

static unsigned argument_count(const struct command *c)
{
    unsigned n = 0;

    while (n < COMMAND_ARGUMENTS_MAX && c->arguments[n].kind != VALUE_NONE)
        n++;
    return n;
}

/* The place of the first object that has no value yet, or argument_count. */
static unsigned next_object(const struct command_line *out)
{
    unsigned n = argument_count(out->command);

    for (unsigned i = 0; i < n; i++)
        if (out->command->arguments[i].flags & ARGUMENT_OBJECT && !out->values[i].is_set)
            return i;
    return n;
}

/* Length of a KEY in front of '=', or 0 when the word has none. */
static size_t key_length(const struct token *t)
{
    size_t n = 0;

    while (n < t->n && ((t->text[n] >= 'a' && t->text[n] <= 'z') || t->text[n] == '-'))
        n++;
    return n < t->n && t->text[n] == '=' ? n : 0;
}

static bool take_key(struct parser *p, const struct token *t, size_t key)
{
    const struct command *c = p->out->command;
    unsigned count = argument_count(c), found = count, found_count = 0;

    grammar_refuse(p->e, t->column, "unknown key \"%.*s\"", (int)min(key, 40ul), t->text);
    grammar_accepts(p->e, "");
    for (unsigned i = 0; i < count; i++) {
        if (c->arguments[i].flags & ARGUMENT_OBJECT)
            continue;
        int how = match(p, t->text, key, c->arguments[i].key);
        accept_also(p->e, c->arguments[i].key);
        if (how) {
            found = i;
            found_count++;
        }
        if (how == 2) {
            found_count = 1;
            break;
        }
    }
    if (!p->e->accepted[0])
        grammar_accepts(p->e, "no key=value here");
    if (found_count != 1)
        return false;
    struct token value = { t->text + key + 1, t->n - key - 1, t->column + (uint32_t)key + 1 };
    return take_value(p, &value, found);
}

static bool is_flag(const struct token *t, const char *flag)
{
    return t->n == strlen(flag) && memcmp(t->text, flag, t->n) == 0;
}

static bool take_flag(struct parser *p, const struct token *t)
{
    unsigned flags = p->out->command->flags;

    if (flags & COMMAND_HAS_JSON_FLAG && is_flag(t, "--json"))
        return p->out->is_json = true;
    if (flags & COMMAND_HAS_EXPLAIN && is_flag(t, "--explain"))
        return p->out->is_explained = true;
    return grammar_refuse(p->e, t->column, "unknown flag \"%.*s\"", (int)min(t->n, 40ul), t->text),
           grammar_accepts(p->e, flags & COMMAND_HAS_JSON_FLAG ? "--json"
                                 : flags & COMMAND_HAS_EXPLAIN ? "--explain"
                                                               : "no flag here");
}

static bool take_word(struct parser *p, const struct token *t)
{
    const struct command *c = p->out->command;
    unsigned object = next_object(p->out), count = argument_count(c);
    size_t key = key_length(t);

    if (object < count && c->arguments[object].kind == VALUE_TYPED)
        return take_value(p, t, object);
    if (t->n > 2 && strncmp(t->text, "--", 2) == 0)
        return take_flag(p, t);
    if (key)
        return take_key(p, t, key);
    if (object < count)
        return take_value(p, t, object);
    grammar_refuse(p->e, t->column, "one word too many: \"%.*s\"", (int)min(t->n, 40ul), t->text);
    for (unsigned i = 0; i < count; i++)
        if (!(c->arguments[i].flags & ARGUMENT_OBJECT))
            accept_also(p->e, c->arguments[i].key);
    return p->e->accepted[0] ? false : grammar_accepts(p->e, "the end of the line");
}

static bool has_all_required(struct parser *p)
{
    const struct command *c = p->out->command;

    for (unsigned i = 0; i < argument_count(c); i++) {
        const struct argument *a = &c->arguments[i];

        if (a->flags & ARGUMENT_REQUIRED && !p->out->values[i].is_set)
            return grammar_refuse(p->e, (uint32_t)p->at + 1, "%s is missing", a->key),
                   format(p->e->accepted, sizeof(p->e->accepted), "%s%s%s", a->key,
                          a->flags & ARGUMENT_OBJECT ? ": " : "=: ", argument_accepts(a)),
                   false;
    }
    return true;
}

static bool take_command(struct parser *p)
{
    struct token t;
    int got = grammar_token(p->line, p->n, &p->at, &t, p->e);

    if (got <= 0)
        return got == 0;
    const char *noun = find_noun(p, &t);
    if (!noun)
        return false;
    size_t behind_noun = p->at;
    got = grammar_token(p->line, p->n, &p->at, &t, p->e);
    if (got < 0)
        return false;
    p->out->command = find_verb(p, noun, got ? &t : NULL);
    if (!p->out->command)
        return false;
    if (!p->out->command->verb)
        p->at = behind_noun;
    return true;
}

bool grammar_parse(const char *line, size_t n, unsigned flags, struct command_line *out,
                   struct grammar_error *e)
{
    struct parser p = { .line = line, .n = n, .flags = flags, .out = out, .e = e };
    struct token t;

    memset(out->values, 0, sizeof(out->values));
    out->command = NULL;
    out->is_json = out->is_explained = false;
    out->text_used = 0;
    e->message[0] = e->accepted[0] = 0;
    e->column = 0;
    if (p.n && line[p.n - 1] == '\r')
        p.n--;
    if (p.n > LINE_BYTES_MAX)
        return grammar_refuse(e, LINE_BYTES_MAX + 1, "the line is too long"),
               grammar_accepts(e, "at most 4096 bytes");
    if (!take_command(&p))
        return false;
    if (!out->command)
        return true;
    for (;;) {
        int got = grammar_token(line, p.n, &p.at, &t, e);

        if (got < 0)
            return false;
        if (!got)
            break;
        if (!take_word(&p, &t))
            return false;
    }
    return has_all_required(&p);
}

const struct value *command_value(const struct command_line *c, const char *key)
{
    static const struct value unset = { .text = "" };

    for (unsigned i = 0; i < argument_count(c->command); i++)
        if (strcmp(c->command->arguments[i].key, key) == 0)
            return c->values[i].is_set ? &c->values[i] : &unset;
    return &unset;
}
