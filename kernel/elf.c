#include "kernel/elf.h"
#include "lib/abi/elf.h"
#include "lib/string.h"

static enum err load_segment(struct space *s, const uint8_t *image, uint64_t bytes,
                             const struct elf64_segment *h)
{
    uint64_t va = round_down(h->va, PAGE_BYTES), lead = h->va - va;

    if (!range_fits(h->offset, h->file_bytes, bytes) || h->offset < lead ||
        h->file_bytes > h->memory_bytes || !range_fits(h->va, h->memory_bytes, USER_END))
        return ERR_FORMAT;
    const uint8_t *from = image + h->offset - lead;
    uint64_t length = round_up(lead + h->memory_bytes, PAGE_BYTES);

    if (h->flags & ELF_SEGMENT_WRITE)
        return space_add_private(s, va, length, from, lead + h->file_bytes);
    if ((uint64_t)from & PAGE_MASK)
        return ERR_FORMAT;
    return space_add_image(s, va, from, length, h->flags & ELF_SEGMENT_EXECUTE);
}

enum err elf_load(struct space *s, const uint8_t *image, uint64_t bytes, uint64_t *entry)
{
    struct elf64_header h;

    if (bytes < sizeof(h))
        return ERR_FORMAT;
    memcpy(&h, image, sizeof(h));
    if (memcmp(h.magic, ELF_MAGIC, 4) != 0 || h.segment_bytes != sizeof(struct elf64_segment) ||
        !range_fits(h.segments, (uint64_t)h.segment_count * sizeof(struct elf64_segment), bytes))
        return ERR_FORMAT;
    for (unsigned i = 0; i < h.segment_count; i++) {
        struct elf64_segment segment;
        enum err err = OK;

        memcpy(&segment, image + h.segments + i * sizeof(segment), sizeof(segment));
        if (segment.type == ELF_SEGMENT_LOAD && segment.memory_bytes)
            err = load_segment(s, image, bytes, &segment);
        if (err)
            return err;
    }
    *entry = h.entry;
    return OK;
}
