#include "services/vmm/loader/elf_file.h"
#include "lib/abi/elf.h"
#include "lib/string.h"

#define SEGMENTS_MAX 64u

bool elf_is(const uint8_t *image, uint64_t bytes)
{
    return bytes >= sizeof(struct elf32_header) && memcmp(image, ELF_MAGIC, 4) == 0;
}

enum err elf_fail(const struct elf_file *f, struct loader_failure *why, const char *what)
{
    return loader_fail(why, ERR_FORMAT, "copy the file again: it is broken or cut off",
                       "ELF file %s: %s", f->in->kernel_name, what);
}

enum err elf_open(struct elf_file *f, const struct loader_input *in, struct loader_failure *why)
{
    const uint8_t *bytes = in->kernel;
    uint64_t entry_bytes, wanted;

    *f = (struct elf_file){ .in = in, .is_64 = bytes[4] == ELF_CLASS_64 };
    if (f->is_64) {
        struct elf64_header h;

        if (in->kernel_bytes < sizeof(h))
            return elf_fail(f, why, "shorter than its header");
        memcpy(&h, bytes, sizeof(h));
        f->machine = h.machine;
        f->entry = h.entry;
        f->table = h.segments;
        f->count = h.segment_count;
        entry_bytes = h.segment_bytes;
        wanted = sizeof(struct elf64_segment);
    } else {
        struct elf32_header h;

        memcpy(&h, bytes, sizeof(h));
        f->machine = h.machine;
        f->entry = h.entry;
        f->table = h.segments;
        f->count = h.segment_count;
        entry_bytes = h.segment_bytes;
        wanted = sizeof(struct elf32_segment);
    }
    if (entry_bytes != wanted || f->count == 0 || f->count > SEGMENTS_MAX)
        return elf_fail(f, why, "no usable program headers");
    if (!range_fits(f->table, f->count * wanted, in->kernel_bytes))
        return elf_fail(f, why, "its program headers lie beyond its end");
    return OK;
}

struct elf_part elf_part(const struct elf_file *f, unsigned i)
{
    if (f->is_64) {
        struct elf64_segment s;

        memcpy(&s, f->in->kernel + f->table + i * sizeof(s), sizeof(s));
        return (struct elf_part){ s.type, s.offset, s.va, s.pa, s.file_bytes, s.memory_bytes };
    }
    struct elf32_segment s;

    memcpy(&s, f->in->kernel + f->table + i * sizeof(s), sizeof(s));
    return (struct elf_part){ s.type, s.offset, s.va, s.pa, s.file_bytes, s.memory_bytes };
}

bool elf_has_bytes(const struct elf_file *f, const struct elf_part *p)
{
    return range_fits(p->offset, p->file_bytes, f->in->kernel_bytes);
}

enum err elf_check_part(const struct elf_file *f, const struct elf_part *p,
                        struct loader_failure *why)
{
    if (!elf_has_bytes(f, p))
        return elf_fail(f, why, "a segment lies beyond its end");
    if (p->file_bytes > p->memory_bytes)
        return elf_fail(f, why, "a segment has more bytes in the file than in memory");
    return OK;
}
