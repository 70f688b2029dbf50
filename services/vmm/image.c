#include "services/vmm/image.h"
#include "lib/checksum.h"
#include "lib/string.h"

void image_put_parts(struct image_writer *w, enum record_type type, unsigned instance,
                     const void *first, uint64_t first_bytes, const void *second,
                     uint64_t second_bytes)
{
    uint64_t bytes = first_bytes + second_bytes;
    struct record r = { type, RECORD_VERSION, (uint16_t)instance, (uint32_t)bytes, 0 };
    uint8_t *payload = w->at + w->used + sizeof(r);

    if (w->err || w->capacity - w->used < sizeof(r) + bytes) {
        w->err = ERR_FULL;
        return;
    }
    if (first_bytes)
        memcpy(payload, first, first_bytes);
    if (second_bytes)
        memcpy(payload + first_bytes, second, second_bytes);
    r.checksum = checksum32(payload, bytes);
    memcpy(w->at + w->used, &r, sizeof(r));
    w->used += sizeof(r) + bytes;
}

void image_put(struct image_writer *w, enum record_type type, const void *payload, uint64_t bytes)
{
    image_put_parts(w, type, 0, payload, bytes, NULL, 0);
}

static uint32_t head_checksum(const struct image_head *h)
{
    return checksum32(&h->bytes, sizeof(*h) - offsetof(struct image_head, bytes));
}

void image_seal(struct image_head *h, uint64_t memory_bytes, unsigned cpu_count)
{
    h->magic = IMAGE_MAGIC;
    h->version = IMAGE_VERSION;
    h->bytes = image_bytes(memory_bytes, cpu_count);
    h->memory_offset = image_memory_offset(cpu_count);
    h->memory_bytes = memory_bytes;
    h->checksum = head_checksum(h);
}

enum err image_open(const void *at, uint64_t bytes, struct image_head *out)
{
    memcpy(out, at, sizeof(*out));
    if (out->magic != IMAGE_MAGIC || out->version != IMAGE_VERSION ||
        out->checksum != head_checksum(out) || out->bytes != bytes ||
        out->memory_offset & PAGE_MASK || out->memory_bytes & PAGE_MASK ||
        !range_fits(out->memory_offset, out->memory_bytes, bytes) ||
        !range_fits(sizeof(*out), out->vmm_bytes, out->memory_offset) ||
        !range_fits(sizeof(*out) + out->vmm_bytes, out->kernel_bytes, out->memory_offset))
        return ERR_FORMAT;
    return OK;
}

enum err image_peek(const uint8_t *at, uint64_t bytes, uint64_t offset, struct record *out)
{
    if (!range_fits(offset, sizeof(*out), bytes))
        return ERR_FORMAT;
    memcpy(out, at + offset, sizeof(*out));
    return range_fits(offset + sizeof(*out), out->bytes, bytes) ? OK : ERR_FORMAT;
}

enum err image_take(const uint8_t *at, uint64_t bytes, uint64_t *offset, struct record *out,
                    void *payload, uint64_t capacity)
{
    if (image_peek(at, bytes, *offset, out))
        return ERR_FORMAT;
    *offset += sizeof(*out);
    if (out->version != RECORD_VERSION || out->bytes > capacity)
        return ERR_FORMAT;
    memcpy(payload, at + *offset, out->bytes);
    *offset += out->bytes;
    return checksum32(payload, out->bytes) == out->checksum ? OK : ERR_FORMAT;
}

static void add(struct vmm_saved *s, const struct record *r)
{
    unsigned i = 0;

    while (i < s->type_count && s->types[i].type != r->type)
        i++;
    if (i == VMM_RECORD_TYPES_MAX)
        return;
    if (i == s->type_count)
        s->types[s->type_count++].type = r->type;
    uint32_t both[] = { s->types[i].checksum, r->checksum };
    s->types[i].count++;
    s->types[i].bytes += r->bytes;
    s->types[i].checksum = checksum32(both, sizeof(both));
}

void image_summarise(const uint8_t *at, uint64_t bytes, struct vmm_saved *out)
{
    struct record r;

    for (uint64_t offset = 0; range_fits(offset, sizeof(r), bytes); offset += sizeof(r) + r.bytes) {
        memcpy(&r, at + offset, sizeof(r));
        if (r.type != RECORD_END)
            add(out, &r);
    }
}
