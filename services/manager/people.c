/* The renderer knows no command: a list of objects becomes a table, an object a list of its keys,
 * and the ends of keys (_bytes, _ns) say what a number is. */
#include "lib/format.h"
#include "lib/string.h"
#include "services/manager/people.h"

#define COLUMNS_MAX 16u
#define CELL_BYTES  160u
#define DEPTH_MAX   6u

struct span {
    const char *at;
    size_t n;
};

/* ---- reading ---- */

static size_t string_length(struct span v)
{
    size_t i = 1;

    while (i < v.n && v.at[i] != '"')
        i += v.at[i] == '\\' ? 2 : 1;
    return min(i + 1, v.n);
}

/* Length of the value at the beginning of @v. */
static size_t value_length(struct span v)
{
    size_t i = 0;
    unsigned depth = 0;

    if (v.n && v.at[0] == '"')
        return string_length(v);
    for (; i < v.n; i++) {
        char c = v.at[i];

        if (c == '"') {
            i += string_length((struct span){ v.at + i, v.n - i }) - 1;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth == 0)
                return i;
            if (--depth == 0)
                return i + 1;
        } else if (c == ',' && depth == 0) {
            return i;
        }
    }
    return v.n;
}

/* The inside of an object or list. */
static struct span inside(struct span v)
{
    return (struct span){ v.at + 1, v.n >= 2 ? v.n - 2 : 0 };
}

static bool is_kind(struct span v, char open)
{
    return v.n >= 2 && v.at[0] == open;
}

/* A list of strings or numbers, which goes on one line. */
static bool is_plain_list(struct span v)
{
    return is_kind(v, '[') && v.n > 2 && v.at[1] != '{' && v.at[1] != '[';
}

static bool is_nested(struct span v)
{
    return (is_kind(v, '{') || is_kind(v, '[')) && v.n > 2 && !is_plain_list(v);
}

/* Takes the next element of a list. */
static bool next_element(struct span *rest, struct span *out)
{
    if (!rest->n)
        return false;
    *out = (struct span){ rest->at, value_length(*rest) };
    size_t used = out->n + (out->n < rest->n ? 1 : 0);
    rest->at += used;
    rest->n -= used;
    return out->n > 0;
}

/* Takes the next member of an object. */
static bool next_member(struct span *rest, struct span *key, struct span *value)
{
    size_t n = rest->n ? string_length(*rest) : 0;

    if (n < 2 || n + 1 > rest->n)
        return false;
    *key = (struct span){ rest->at + 1, n - 2 };
    rest->at += n + 1;
    rest->n -= n + 1;
    return next_element(rest, value);
}

/* ---- words ---- */

void people_bytes(uint64_t v, char *out)
{
    static const char units[] = "KMGT";
    uint64_t tenths = v * 10 / 1024;
    unsigned unit = 0;

    if (v < 1024 || v > UINT64_MAX / 10) {
        format(out, 32, "%lu bytes", v);
        return;
    }
    while (tenths >= 10240 && unit < 3) {
        tenths /= 1024;
        unit++;
    }
    if (tenths % 10)
        format(out, 32, "%lu.%lu%c", tenths / 10, tenths % 10, units[unit]);
    else
        format(out, 32, "%lu%c", tenths / 10, units[unit]);
}

void people_ns(uint64_t v, char *out)
{
    uint64_t seconds = v / NS_PER_SECOND;

    if (v == 0)
        format(out, 32, "0");
    else if (v < NS_PER_MS)
        format(out, 32, "%lu us", v / NS_PER_US);
    else if (seconds < 120)
        format(out, 32, "%lu.%03lu s", seconds, v / NS_PER_MS % 1000);
    else
        format(out, 32, "%luh %02lum %02lus", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

static bool ends_with(struct span key, const char *end)
{
    size_t n = strlen(end);

    return key.n > n && memcmp(key.at + key.n - n, end, n) == 0;
}

static void heading(struct span key, char *out)
{
    size_t n = key.n;

    if (ends_with(key, "_bytes"))
        n -= 6;
    else if (ends_with(key, "_ns"))
        n -= 3;
    n = min(n, CELL_BYTES - 1ul);
    for (size_t i = 0; i < n; i++)
        out[i] = key.at[i] == '_' ? ' ' : key.at[i];
    out[n] = 0;
}

static void string_cell(struct span v, char *out)
{
    size_t n = 0;

    for (size_t i = 1; i + 1 < v.n && n + 1 < CELL_BYTES; i++) {
        if (v.at[i] == '\\' && (v.at[i + 1] == '"' || v.at[i + 1] == '\\'))
            i++;
        out[n++] = v.at[i];
    }
    out[n] = 0;
}

static void list_cell(struct span list, char *out)
{
    char text[CELL_BYTES];
    size_t used = 0;
    struct span v;

    while (next_element(&list, &v)) {
        if (is_kind(v, '"'))
            string_cell(v, text);
        else
            format(text, sizeof(text), "%.*s", (int)min(v.n, CELL_BYTES - 1ul), v.at);
        used += format(out + used, CELL_BYTES - used, "%s%s", used ? ", " : "", text);
    }
}

static void cell(struct span key, struct span v, char *out)
{
    uint64_t number = 0;
    bool is_number = v.n > 0;

    for (size_t i = 0; i < v.n; i++) {
        is_number &= v.at[i] >= '0' && v.at[i] <= '9';
        number = number * 10 + (uint64_t)(v.at[i] - '0');
    }
    if (is_kind(v, '"'))
        string_cell(v, out);
    else if (is_plain_list(v))
        list_cell(inside(v), out);
    else if (is_number && ends_with(key, "_bytes"))
        people_bytes(number, out);
    else if (is_number && ends_with(key, "_ns"))
        people_ns(number, out);
    else if ((v.n == 4 && memcmp(v.at, "null", 4) == 0) || is_kind(v, '[') || is_kind(v, '{'))
        format(out, CELL_BYTES, "-");
    else
        format(out, CELL_BYTES, "%.*s", (int)min(v.n, CELL_BYTES - 1ul), v.at);
}

/* ---- layout ---- */

/* What has no room in a row: a list of objects, or an object. */
static bool is_left_out(struct span v)
{
    return is_kind(v, '{') || is_nested(v);
}

static void print_padded(const char *text, size_t width, people_out out)
{
    size_t n = strlen(text);

    out(text, n);
    for (; n < width; n++)
        out(" ", 1);
}

static void indent(unsigned depth, people_out out)
{
    for (unsigned i = 0; i < depth; i++)
        out("  ", 2);
}

static void widen(struct span object, size_t *widths, bool is_heading)
{
    struct span key, v;
    char text[CELL_BYTES];

    for (unsigned i = 0; i < COLUMNS_MAX && next_member(&object, &key, &v); i++) {
        if (is_left_out(v))
            continue;
        if (is_heading)
            heading(key, text);
        else
            cell(key, v, text);
        widths[i] = max(widths[i], strlen(text));
    }
}

static void print_row(struct span object, const size_t *widths, bool is_heading, unsigned depth,
                      people_out out)
{
    struct span key, v;
    char text[CELL_BYTES];

    indent(depth, out);
    for (unsigned i = 0; i < COLUMNS_MAX && next_member(&object, &key, &v); i++) {
        if (is_left_out(v))
            continue;
        if (is_heading)
            heading(key, text);
        else
            cell(key, v, text);
        print_padded(text, object.n ? widths[i] + 2 : 0, out);
    }
    out("\n", 1);
}

static void show_table(struct span list, unsigned depth, people_out out)
{
    size_t widths[COLUMNS_MAX] = { 0 };
    struct span rest = list, row;
    bool has_heading = false;

    while (next_element(&rest, &row)) {
        if (!has_heading)
            widen(inside(row), widths, true);
        has_heading = true;
        widen(inside(row), widths, false);
    }
    has_heading = false;
    while (next_element(&list, &row)) {
        if (!has_heading)
            print_row(inside(row), widths, true, depth, out);
        has_heading = true;
        print_row(inside(row), widths, false, depth, out);
    }
}

static void show(struct span v, unsigned depth, people_out out);

static void show_object(struct span object, unsigned depth, people_out out)
{
    struct span rest = object, key, v;
    char text[CELL_BYTES];
    size_t width = 0;

    while (next_member(&rest, &key, &v)) {
        heading(key, text);
        width = max(width, strlen(text));
    }
    while (next_member(&object, &key, &v)) {
        heading(key, text);
        indent(depth, out);
        print_padded(text, width + 2, out);
        if (is_nested(v) && depth < DEPTH_MAX) {
            out("\n", 1);
            show(v, depth + 1, out);
            continue;
        }
        cell(key, v, text);
        out(text, strlen(text));
        out("\n", 1);
    }
}

static void show(struct span v, unsigned depth, people_out out)
{
    struct span rest = inside(v), first;

    if (is_kind(v, '{')) {
        show_object(rest, depth, out);
    } else if (is_kind(v, '[')) {
        struct span list = rest;

        if (!next_element(&rest, &first)) {
            indent(depth, out);
            out("(none)\n", 7);
        } else if (is_kind(first, '{')) {
            show_table(list, depth, out);
        }
    } else {
        out(v.at, v.n);
        out("\n", 1);
    }
}

void people_show(const char *json, size_t n, people_out out)
{
    show((struct span){ json, n }, 0, out);
}
