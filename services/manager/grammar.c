/* Words are cut first, quotes and all, and decoded only where it is known what they stand for:
 * the same bytes are a key and a value in one place and plain text in another (vm type). */
#include <stdarg.h>

#include "lib/format.h"
#include "lib/string.h"
#include "services/manager/grammar.h"
#include "services/manager/utc.h"

struct parser {
    const char *line;
    size_t n, at;
    unsigned flags;
    struct command_line *out;
    struct grammar_error *e;
};

PRINTF_LIKE(3, 4)
static bool refuse(struct grammar_error *e, uint32_t column, const char *fmt, ...)
{
    va_list args;

    e->column = column;
    e->accepted[0] = 0;
    va_start(args, fmt);
    format_v(e->message, sizeof(e->message), fmt, args);
    va_end(args);
    return false;
}

static bool accepts(struct grammar_error *e, const char *what)
{
    string_copy(e->accepted, sizeof(e->accepted), what);
    return false;
}

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

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_control(char c)
{
    return ((uint8_t)c < 0x20 && c != '\t') || c == 0x7f;
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

/* ---- words ---- */

/* Steps over a quoted part; *@at is at its first quote, then behind its last. */
static bool skip_quotes(const char *line, size_t n, size_t *at, struct grammar_error *e)
{
    size_t begin = (*at)++;

    for (; *at < n; (*at)++) {
        if (is_control(line[*at]))
            return refuse(e, (uint32_t)*at + 1, "control character 0x%02x",
                          (unsigned)(uint8_t)line[*at]),
                   accepts(e, "\\n \\r \\t \\xNN for such a byte");
        if (line[*at] == '\\') {
            (*at)++;
            continue;
        }
        if (line[*at] == '"') {
            (*at)++;
            if (*at == n || is_blank(line[*at]) || line[*at] == '#')
                return true;
            return refuse(e, (uint32_t)*at + 1, "text right after the closing quote"),
                   accepts(e, "a blank; a quote inside quotes is written \\\"");
        }
    }
    return refuse(e, (uint32_t)begin + 1, "the quote is not closed"), accepts(e, "a closing \"");
}

int grammar_token(const char *line, size_t n, size_t *at, struct token *out,
                  struct grammar_error *e)
{
    while (*at < n && is_blank(line[*at]))
        (*at)++;
    if (*at == n || line[*at] == '#')
        return 0;
    size_t begin = *at;
    while (*at < n && !is_blank(line[*at]) && line[*at] != '#') {
        if (is_control(line[*at])) {
            refuse(e, (uint32_t)*at + 1, "control character 0x%02x", (unsigned)(uint8_t)line[*at]);
            accepts(e, "printable text");
            return -1;
        }
        if (line[*at] != '"') {
            (*at)++;
            continue;
        }
        if (*at != begin && line[*at - 1] != '=') {
            refuse(e, (uint32_t)*at + 1, "a quote in the middle of a word");
            accepts(e, "quotes around the whole word, or around the value after key=");
            return -1;
        }
        if (!skip_quotes(line, n, at, e))
            return -1;
    }
    *out = (struct token){ line + begin, *at - begin, (uint32_t)begin + 1 };
    return 1;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes the escape at @s (behind the backslash) of at most @n bytes; returns its length or 0. */
static size_t escape(const char *s, size_t n, enum value_kind kind, char *out)
{
    if (n == 0)
        return 0;
    switch (s[0]) {
    case 'n': *out = kind == VALUE_TYPED ? '\r' : '\n'; return 1;
    case 'r': *out = '\r'; return 1;
    case 't': *out = '\t'; return 1;
    case '\\': *out = '\\'; return 1;
    case '"': *out = '"'; return 1;
    case 'x':
        if (n < 3 || hex_digit(s[1]) < 0 || hex_digit(s[2]) < 0)
            return 0;
        *out = (char)(hex_digit(s[1]) << 4 | hex_digit(s[2]));
        return 3;
    default: return 0;
    }
}

/* Decodes a word or the value in it into out->text. A decoded text is never longer. */
static bool decode(struct parser *p, const struct token *t, enum value_kind kind, struct value *v)
{
    bool is_quoted = t->n >= 2 && t->text[0] == '"';
    size_t from = is_quoted, to = is_quoted ? t->n - 1 : t->n;
    char *out = p->out->text + p->out->text_used;

    v->column = t->column;
    v->text = out;
    while (from < to) {
        uint32_t column = t->column + (uint32_t)from;
        char c = t->text[from++];

        if (c == '\\' && (is_quoted || kind == VALUE_TYPED)) {
            size_t length = escape(t->text + from, to - from, kind, &c);

            if (!length)
                return refuse(p->e, column, "unknown escape"),
                       accepts(p->e, "\\n \\r \\t \\\\ \\\" \\xNN");
            from += length;
        }
        if (c == 0 && kind != VALUE_TYPED)
            return refuse(p->e, column, "a zero byte in a value");
        *out++ = c;
    }
    *out = 0;
    v->n = (uint32_t)(out - v->text);
    p->out->text_used += v->n + 1;
    v->is_set = true;
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

static bool value_is_good(const struct argument *a, struct value *v)
{
    switch (a->kind) {
    case VALUE_NUMBER:
    case VALUE_BYTES: return parse_number(v);
    case VALUE_NEW_NAME:
    case VALUE_VM:
    case VALUE_PROGRAM: return name_is_good(v->text, v->n);
    case VALUE_MODULE: return v->n > 0 && v->n < 104;
    case VALUE_MODULES: return v->n > 0;
    case VALUE_CHOICE: return is_choice(a->choices, v);
    case VALUE_TIME: return utc_parse(v->text, v->n, &v->number) == OK;
    default: return true;
    }
}

static bool take_value(struct parser *p, const struct token *t, unsigned index)
{
    const struct argument *a = &p->out->command->arguments[index];
    struct value *v = &p->out->values[index];

    if (v->is_set)
        return refuse(p->e, t->column, "%s is given twice", a->key), accepts(p->e, "it once");
    if (!decode(p, t, a->kind, v))
        return false;
    if (!value_is_good(a, v))
        return refuse(p->e, t->column, "\"%.40s\" is no value for %s", v->text, a->key),
               accepts(p->e, argument_accepts(a));
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

    refuse(p->e, t->column, "unknown word \"%.*s\"", (int)min(t->n, 40ul), t->text);
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
        refuse(p->e, t->column, "unknown word \"%.*s\" after %s", (int)min(t->n, 40ul), t->text,
               noun);
    else
        refuse(p->e, (uint32_t)p->at + 1, "a word is missing after %s", noun);
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

    refuse(p->e, t->column, "unknown key \"%.*s\"", (int)min(key, 40ul), t->text);
    accepts(p->e, "");
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
        accepts(p->e, "no key=value here");
    if (found_count != 1)
        return false;
    struct token value = { t->text + key + 1, t->n - key - 1, t->column + (uint32_t)key + 1 };
    return take_value(p, &value, found);
}

static bool take_word(struct parser *p, const struct token *t)
{
    const struct command *c = p->out->command;
    unsigned object = next_object(p->out), count = argument_count(c);
    size_t key = key_length(t);

    if (object < count && c->arguments[object].kind == VALUE_TYPED)
        return take_value(p, t, object);
    if (t->n > 2 && strncmp(t->text, "--", 2) == 0) {
        if (c->flags & COMMAND_HAS_JSON_FLAG && t->n == 6 && memcmp(t->text, "--json", 6) == 0)
            return p->out->is_json = true;
        return refuse(p->e, t->column, "unknown flag \"%.*s\"", (int)min(t->n, 40ul), t->text),
               accepts(p->e, c->flags & COMMAND_HAS_JSON_FLAG ? "--json" : "no flag here");
    }
    if (key)
        return take_key(p, t, key);
    if (object < count)
        return take_value(p, t, object);
    refuse(p->e, t->column, "one word too many: \"%.*s\"", (int)min(t->n, 40ul), t->text);
    for (unsigned i = 0; i < count; i++)
        if (!(c->arguments[i].flags & ARGUMENT_OBJECT))
            accept_also(p->e, c->arguments[i].key);
    return p->e->accepted[0] ? false : accepts(p->e, "the end of the line");
}

static bool has_all_required(struct parser *p)
{
    const struct command *c = p->out->command;

    for (unsigned i = 0; i < argument_count(c); i++) {
        const struct argument *a = &c->arguments[i];

        if (a->flags & ARGUMENT_REQUIRED && !p->out->values[i].is_set)
            return refuse(p->e, (uint32_t)p->at + 1, "%s is missing", a->key),
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
    out->is_json = false;
    out->text_used = 0;
    e->message[0] = e->accepted[0] = 0;
    e->column = 0;
    if (p.n && line[p.n - 1] == '\r')
        p.n--;
    if (p.n > LINE_BYTES_MAX)
        return refuse(e, LINE_BYTES_MAX + 1, "the line is too long"),
               accepts(e, "at most 4096 bytes");
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
