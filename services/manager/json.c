/* Commas are put before values: each value asks whether one has gone before it. */
#include "lib/format.h"
#include "lib/string.h"
#include "services/manager/json.h"

void json_init(struct json *j, char *out, size_t capacity)
{
    *j = (struct json){ .out = out, .capacity = capacity };
}

static void put(struct json *j, const char *text, size_t n)
{
    if (j->is_overflown || n > j->capacity - j->used) {
        j->is_overflown = true;
        return;
    }
    memcpy(j->out + j->used, text, n);
    j->used += n;
}

static void begin_value(struct json *j)
{
    if (j->needs_comma)
        put(j, ",", 1);
    j->needs_comma = true;
}

static void open(struct json *j, char c)
{
    begin_value(j);
    put(j, &c, 1);
    j->needs_comma = false;
}

static void close(struct json *j, char c)
{
    put(j, &c, 1);
    j->needs_comma = true;
}

void json_object_begin(struct json *j)
{
    open(j, '{');
}

void json_object_end(struct json *j)
{
    close(j, '}');
}

void json_list_begin(struct json *j)
{
    open(j, '[');
}

void json_list_end(struct json *j)
{
    close(j, ']');
}

void json_bytes(struct json *j, const char *text, size_t n)
{
    begin_value(j);
    put(j, "\"", 1);
    while (n && !j->is_overflown) {
        char piece[96];
        size_t written, taken = json_escape(text, n, true, piece, sizeof(piece), &written);

        put(j, piece, written);
        text += taken;
        n -= taken;
    }
    put(j, "\"", 1);
}

void json_string(struct json *j, const char *text)
{
    json_bytes(j, text, strlen(text));
}

void json_key(struct json *j, const char *key)
{
    json_string(j, key);
    put(j, ":", 1);
    j->needs_comma = false;
}

void json_raw(struct json *j, const char *text, size_t n)
{
    begin_value(j);
    put(j, text, n);
}

void json_number(struct json *j, uint64_t v)
{
    char text[24];

    json_raw(j, text, format(text, sizeof(text), "%lu", v));
}

void json_bool(struct json *j, bool v)
{
    json_raw(j, v ? "true" : "false", v ? 4 : 5);
}

void json_null(struct json *j)
{
    json_raw(j, "null", 4);
}

void json_hex(struct json *j, uint64_t v)
{
    char text[24];

    json_bytes(j, text, format(text, sizeof(text), "0x%016lx", v));
}

void json_field_string(struct json *j, const char *key, const char *text)
{
    json_key(j, key);
    json_string(j, text);
}

void json_field_number(struct json *j, const char *key, uint64_t v)
{
    json_key(j, key);
    json_number(j, v);
}

void json_field_bool(struct json *j, const char *key, bool v)
{
    json_key(j, key);
    json_bool(j, v);
}

void json_field_hex(struct json *j, const char *key, uint64_t v)
{
    json_key(j, key);
    json_hex(j, v);
}

void json_field_null(struct json *j, const char *key)
{
    json_key(j, key);
    json_null(j);
}

int utf8_sequence(const char *s, size_t n)
{
    const uint8_t *b = (const uint8_t *)s;
    size_t length = b[0] < 0x80 ? 1 : b[0] < 0xc2 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;

    if (length == 0 || b[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < length; i++) {
        uint8_t low = 0x80, high = 0xbf;

        if (i == n)
            return -1;
        if (i == 1 && b[0] == 0xe0) /* no overlong forms, no surrogates, nothing past U+10FFFF */
            low = 0xa0;
        if (i == 1 && b[0] == 0xed)
            high = 0x9f;
        if (i == 1 && b[0] == 0xf0)
            low = 0x90;
        if (i == 1 && b[0] == 0xf4)
            high = 0x8f;
        if (b[i] < low || b[i] > high)
            return 0;
    }
    return (int)length;
}

static size_t escape_ascii(char c, char out[7])
{
    switch (c) {
    case '"': return format(out, 7, "\\\"");
    case '\\': return format(out, 7, "\\\\");
    case '\n': return format(out, 7, "\\n");
    case '\r': return format(out, 7, "\\r");
    case '\t': return format(out, 7, "\\t");
    default: break;
    }
    if ((uint8_t)c < 0x20 || c == 0x7f)
        return format(out, 7, "\\u%04x", (unsigned)(uint8_t)c);
    out[0] = c;
    return 1;
}

/* U+0080 to U+009F, which some terminals obey. */
static bool is_c1_control(const char *s)
{
    return (uint8_t)s[0] == 0xc2 && (uint8_t)s[1] < 0xa0;
}

size_t json_escape(const char *in, size_t n, bool is_last, char *out, size_t capacity,
                   size_t *written)
{
    size_t taken = 0, used = 0;

    while (taken < n) {
        int sequence = utf8_sequence(in + taken, n - taken);
        size_t step = sequence > 0 ? (size_t)sequence : 1;
        const char *from = in + taken;
        char escaped[7];
        size_t length = step;

        if (sequence < 0 && !is_last)
            break;
        if (sequence <= 0) {
            from = "\xef\xbf\xbd";
            length = 3;
        } else if (step == 1) {
            length = escape_ascii(*from, escaped);
            from = escaped;
        } else if (is_c1_control(from)) {
            length = format(escaped, sizeof(escaped), "\\u%04x", (unsigned)(uint8_t)from[1]);
            from = escaped;
        }
        if (length > capacity - used)
            break;
        memcpy(out + used, from, length);
        used += length;
        taken += step;
    }
    *written = used;
    return taken;
}
