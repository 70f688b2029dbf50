#include "lib/format.h"
#include "lib/string.h"

struct sink {
    char *out;
    size_t used, capacity;
};

struct spec {
    bool is_left, is_zero_padded;
    int width, precision; /* precision -1: none */
    int length;           /* number of 'l' (z counts as 2) minus number of 'h' */
};

static void put(struct sink *s, char c)
{
    if (s->used + 1 < s->capacity)
        s->out[s->used++] = c;
}

static void put_padded(struct sink *s, const struct spec *spec, const char *text, size_t n)
{
    size_t width = spec->width > 0 ? (size_t)spec->width : 0;
    size_t pad = width > n ? width - n : 0;

    if (!spec->is_left)
        for (; pad; pad--)
            put(s, ' ');
    for (size_t i = 0; i < n; i++)
        put(s, text[i]);
    for (; pad; pad--)
        put(s, ' ');
}

static void put_number(struct sink *s, const struct spec *spec, uint64_t value, unsigned base,
                       const char *digits, bool is_negative)
{
    char buffer[66];
    size_t n = sizeof(buffer);

    do {
        buffer[--n] = digits[value % base];
        value /= base;
    } while (value);
    if (spec->is_zero_padded && !spec->is_left) {
        size_t room = (size_t)max(spec->width, 0) - (is_negative && spec->width > 0 ? 1 : 0);

        while (sizeof(buffer) - n < room && n > 1)
            buffer[--n] = '0';
    }
    if (is_negative)
        buffer[--n] = '-';
    put_padded(s, spec, buffer + n, sizeof(buffer) - n);
}

static int64_t take_signed(const struct spec *spec, va_list *args)
{
    int64_t v = spec->length > 0 ? va_arg(*args, long) : va_arg(*args, int);

    if (spec->length == -1)
        v = (short)v;
    if (spec->length <= -2)
        v = (signed char)v;
    return v;
}

static uint64_t take_unsigned(const struct spec *spec, va_list *args)
{
    uint64_t v = spec->length > 0 ? va_arg(*args, unsigned long) : va_arg(*args, unsigned);

    if (spec->length == -1)
        v = (unsigned short)v;
    if (spec->length <= -2)
        v = (unsigned char)v;
    return v;
}

static const char *parse_count(const char *f, int *out, va_list *args)
{
    if (*f == '*') {
        *out = va_arg(*args, int);
        return f + 1;
    }
    *out = 0;
    for (; *f >= '0' && *f <= '9'; f++)
        *out = *out * 10 + (*f - '0');
    return f;
}

static const char *parse_spec(const char *f, struct spec *spec, va_list *args)
{
    *spec = (struct spec){ .precision = -1 };
    for (;; f++) {
        if (*f == '-')
            spec->is_left = true;
        else if (*f == '0')
            spec->is_zero_padded = true;
        else
            break;
    }
    f = parse_count(f, &spec->width, args);
    if (*f == '.')
        f = parse_count(f + 1, &spec->precision, args);
    for (;; f++) {
        if (*f == 'l')
            spec->length++;
        else if (*f == 'z')
            spec->length += 2;
        else if (*f == 'h')
            spec->length--;
        else
            return f;
    }
}

static void put_string(struct sink *s, const struct spec *spec, const char *text)
{
    size_t n = 0;
    size_t limit = spec->precision >= 0 ? (size_t)spec->precision : SIZE_MAX;

    if (!text)
        text = "(null)";
    while (n < limit && text[n])
        n++;
    put_padded(s, spec, text, n);
}

static void put_conversion(struct sink *s, struct spec *spec, char conversion, va_list *args)
{
    static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
    char c;
    int64_t v;

    switch (conversion) {
    case 's': put_string(s, spec, va_arg(*args, const char *)); break;
    case 'c':
        c = (char)va_arg(*args, int);
        put_padded(s, spec, &c, 1);
        break;
    case 'd':
    case 'i':
        v = take_signed(spec, args);
        put_number(s, spec, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, lower, v < 0);
        break;
    case 'u': put_number(s, spec, take_unsigned(spec, args), 10, lower, false); break;
    case 'p':
        spec->length = 1;
        put_string(s, &(struct spec){ .precision = -1 }, "0x");
        put_number(s, spec, take_unsigned(spec, args), 16, lower, false);
        break;
    case 'x': put_number(s, spec, take_unsigned(spec, args), 16, lower, false); break;
    case 'X': put_number(s, spec, take_unsigned(spec, args), 16, upper, false); break;
    default: put(s, conversion);
    }
}

size_t format_v(char *out, size_t capacity, const char *fmt, va_list args)
{
    struct sink s = { out, 0, capacity };
    va_list copy;

    va_copy(copy, args);
    for (const char *f = fmt; *f; f++) {
        struct spec spec;

        if (*f != '%') {
            put(&s, *f);
            continue;
        }
        f = parse_spec(f + 1, &spec, &copy);
        if (!*f)
            break;
        put_conversion(&s, &spec, *f, &copy);
    }
    va_end(copy);
    out[s.used] = 0;
    return s.used;
}

size_t format(char *out, size_t capacity, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    size_t n = format_v(out, capacity, fmt, args);
    va_end(args);
    return n;
}
