/* Cutting a line into words, and decoding what stands in one. */
#include <stdarg.h>

#include "lib/format.h"
#include "lib/string.h"
#include "services/manager/words.h"

bool grammar_refuse(struct grammar_error *e, uint32_t column, const char *fmt, ...)
{
    va_list args;

    e->column = column;
    e->accepted[0] = 0;
    va_start(args, fmt);
    format_v(e->message, sizeof(e->message), fmt, args);
    va_end(args);
    return false;
}

bool grammar_accepts(struct grammar_error *e, const char *what)
{
    string_copy(e->accepted, sizeof(e->accepted), what);
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_control(char c)
{
    return ((uint8_t)c < 0x20 && c != '\t') || c == 0x7f;
}

/* Steps over a quoted part; *@at is at its first quote, then behind its last. */
static bool skip_quotes(const char *line, size_t n, size_t *at, struct grammar_error *e)
{
    size_t begin = (*at)++;

    for (; *at < n; (*at)++) {
        if (is_control(line[*at]))
            return grammar_refuse(e, (uint32_t)*at + 1, "control character 0x%02x",
                                  (unsigned)(uint8_t)line[*at]),
                   grammar_accepts(e, "\\n \\r \\t \\xNN for such a byte");
        if (line[*at] == '\\') {
            (*at)++;
            continue;
        }
        if (line[*at] == '"') {
            (*at)++;
            if (*at == n || is_blank(line[*at]) || line[*at] == '#')
                return true;
            return grammar_refuse(e, (uint32_t)*at + 1, "text right after the closing quote"),
                   grammar_accepts(e, "a blank; a quote inside quotes is written \\\"");
        }
    }
    return grammar_refuse(e, (uint32_t)begin + 1, "the quote is not closed"),
           grammar_accepts(e, "a closing \"");
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
            grammar_refuse(e, (uint32_t)*at + 1, "control character 0x%02x",
                           (unsigned)(uint8_t)line[*at]);
            grammar_accepts(e, "printable text");
            return -1;
        }
        if (line[*at] != '"') {
            (*at)++;
            continue;
        }
        if (*at != begin && line[*at - 1] != '=') {
            grammar_refuse(e, (uint32_t)*at + 1, "a quote in the middle of a word");
            grammar_accepts(e, "quotes around the whole word, or around the value after key=");
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

bool word_decode(const struct token *t, enum value_kind kind, struct value *v, char *out,
                 struct grammar_error *e)
{
    bool is_quoted = t->n >= 2 && t->text[0] == '"';
    size_t from = is_quoted, to = is_quoted ? t->n - 1 : t->n;

    v->column = t->column;
    v->text = out;
    while (from < to) {
        uint32_t column = t->column + (uint32_t)from;
        char c = t->text[from++];

        if (c == '\\' && (is_quoted || kind == VALUE_TYPED)) {
            size_t length = escape(t->text + from, to - from, kind, &c);

            if (!length)
                return grammar_refuse(e, column, "unknown escape"),
                       grammar_accepts(e, "\\n \\r \\t \\\\ \\\" \\xNN");
            from += length;
        }
        if (c == 0 && kind != VALUE_TYPED)
            return grammar_refuse(e, column, "a zero byte in a value");
        *out++ = c;
    }
    *out = 0;
    v->n = (uint32_t)(out - v->text);
    v->is_set = true;
    return true;
}
