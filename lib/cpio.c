#include "lib/cpio.h"
#include "lib/string.h"

#define HEADER_BYTES 110u
#define FIELD(n)     (6u + 8u * (n))
enum { FIELD_MODE = 1, FIELD_FILE_BYTES = 6, FIELD_NAME_BYTES = 11 };
#define MODE_TYPE    0170000u
#define MODE_REGULAR 0100000u

static bool parse_hex(const uint8_t *text, uint32_t *out)
{
    uint32_t v = 0;

    for (unsigned i = 0; i < 8; i++) {
        uint8_t c = text[i];
        unsigned digit;

        if (c >= '0' && c <= '9')
            digit = c - '0';
        else if (c >= 'a' && c <= 'f')
            digit = c - 'a' + 10u;
        else if (c >= 'A' && c <= 'F')
            digit = c - 'A' + 10u;
        else
            return false;
        v = v << 4 | digit;
    }
    *out = v;
    return true;
}

void cpio_open(struct cpio_reader *r, const void *bytes, uint64_t length)
{
    *r = (struct cpio_reader){ bytes, length, 0 };
}

/* One entry of any type: ERR_FORMAT or OK with its mode. */
static enum err next_entry(struct cpio_reader *r, struct cpio_file *out, uint32_t *mode)
{
    const uint8_t *h = r->bytes + r->offset;
    uint32_t file_bytes, name_bytes;
    uint64_t left = r->length - r->offset, data;

    if (left < HEADER_BYTES || memcmp(h, "070701", 6) != 0)
        return ERR_FORMAT;
    if (!parse_hex(h + FIELD(FIELD_MODE), mode) ||
        !parse_hex(h + FIELD(FIELD_FILE_BYTES), &file_bytes) ||
        !parse_hex(h + FIELD(FIELD_NAME_BYTES), &name_bytes))
        return ERR_FORMAT;
    data = round_up(HEADER_BYTES + (uint64_t)name_bytes, 4);
    if (name_bytes == 0 || data > left || file_bytes > left - data ||
        h[HEADER_BYTES + name_bytes - 1] != 0)
        return ERR_FORMAT;
    out->name = (const char *)h + HEADER_BYTES;
    if (out->name[0] == '.' && out->name[1] == '/')
        out->name += 2;
    out->data = h + data;
    out->bytes = file_bytes;
    r->offset = min(r->offset + data + round_up(file_bytes, 4), r->length);
    return OK;
}

enum err cpio_next(struct cpio_reader *r, struct cpio_file *out)
{
    uint32_t mode = 0;

    for (;;) {
        enum err err = next_entry(r, out, &mode);

        if (err)
            return err;
        if (strcmp(out->name, "TRAILER!!!") == 0)
            return ERR_EMPTY;
        if ((mode & MODE_TYPE) == MODE_REGULAR)
            return OK;
    }
}
