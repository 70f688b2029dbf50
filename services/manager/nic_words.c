#include "services/manager/nic_words.h"
#include "lib/format.h"
#include "lib/string.h"

bool mac_is_equal(const struct mac_address *a, const struct mac_address *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool mac_parse(const char *text, struct mac_address *out)
{
    for (unsigned i = 0; i < sizeof(out->bytes); i++, text += 3) {
        int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);

        if (low < 0 || text[2] != (i + 1 < sizeof(out->bytes) ? ':' : 0))
            return false;
        out->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

void mac_text(const struct mac_address *m, char out[MAC_TEXT_BYTES])
{
    format(out, MAC_TEXT_BYTES, "%02x:%02x:%02x:%02x:%02x:%02x", m->bytes[0], m->bytes[1],
           m->bytes[2], m->bytes[3], m->bytes[4], m->bytes[5]);
}

bool speed_parse(const char *text, size_t n, uint64_t *out)
{
    static const char units[] = "KMG";
    uint64_t number = 0, unit = 1;
    size_t i = 0;

    for (; i < n && text[i] >= '0' && text[i] <= '9' && number <= SPEED_BITS_MAX; i++)
        number = 10 * number + (uint64_t)(text[i] - '0');
    if (!i || i + 1 < n)
        return false;
    for (unsigned u = 0; i < n; u++) {
        if (!units[u])
            return false;
        unit *= 1000;
        i += text[i] == units[u];
    }
    *out = number * unit;
    return number && number <= SPEED_BITS_MAX / unit;
}
