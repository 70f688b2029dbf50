#include "lib/utf16.h"
#include "lib/string.h"

#define REPLACEMENT 0xfffdu

static uint32_t unit_at(const void *from, size_t i)
{
    uint16_t unit;

    memcpy(&unit, (const uint8_t *)from + 2 * i, sizeof(unit));
    return unit;
}

/* The character at unit *@i, which is moved behind it. */
static uint32_t next_of_utf16(const void *from, size_t units, size_t *i)
{
    uint32_t high = unit_at(from, (*i)++), low;

    if (high < 0xd800 || high > 0xdfff)
        return high;
    if (high > 0xdbff || *i == units)
        return REPLACEMENT;
    low = unit_at(from, *i);
    if (low < 0xdc00 || low > 0xdfff)
        return REPLACEMENT;
    (*i)++;
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static size_t put_utf8(uint32_t c, uint8_t out[4])
{
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

    for (size_t i = n; i-- > 1; c >>= 6)
        out[i] = (uint8_t)(0x80 | (c & 0x3f));
    out[0] = (uint8_t)(lead[n] | c);
    return n;
}

size_t utf16_to_utf8(const void *from, size_t units, char *to, size_t capacity)
{
    size_t used = 0;

    for (size_t i = 0; i < units;) {
        uint8_t bytes[4];
        uint32_t c = next_of_utf16(from, units, &i);
        size_t n = put_utf8(c, bytes);

        if (!c || used + n >= capacity)
            break;
        memcpy(to + used, bytes, n);
        used += n;
    }
    to[used] = 0;
    return used;
}

/* The character at @p; *@n bytes long. */
static uint32_t next_of_utf8(const char *p, size_t *n)
{
    uint8_t lead = (uint8_t)*p;
    size_t more = lead < 0x80       ? 0
                  : lead >> 5 == 6  ? 1
                  : lead >> 4 == 14 ? 2
                  : lead >> 3 == 30 ? 3
                                    : 4;
    static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
    uint32_t c = more ? lead & (0x3fu >> more) : lead;

    *n = 1;
    if (more > 3)
        return REPLACEMENT;
    for (size_t i = 1; i <= more; i++) { /* a NUL is no continuation: never read beyond it */
        if (((uint8_t)p[i] & 0xc0) != 0x80)
            return REPLACEMENT;
        c = c << 6 | ((uint8_t)p[i] & 0x3f);
    }
    if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return REPLACEMENT;
    *n = 1 + more;
    return c;
}

size_t utf8_to_utf16(const char *from, void *to, size_t capacity)
{
    size_t used = 0, n;

    for (const char *p = from;; p += n) {
        uint32_t c = next_of_utf8(p, &n);
        uint16_t units[2] = { (uint16_t)c, 0 };
        size_t count = 1;

        if (c > 0xffff) {
            units[0] = (uint16_t)(0xd800 + ((c - 0x10000) >> 10));
            units[1] = (uint16_t)(0xdc00 + ((c - 0x10000) & 0x3ff));
            count = 2;
        }
        if (capacity - used < count)
            return 0;
        memcpy((uint8_t *)to + 2 * used, units, 2 * count);
        used += count;
        if (!c)
            return used;
    }
}
