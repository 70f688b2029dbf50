/* An ELF file, 32 or 64 bit, with a PVH entry note. Source: System V ABI, "Object Files"; Xen,
 * "x86/HVM direct boot ABI". */
#include "lib/abi/pvh.h"
#include "lib/abi/elf.h"
#include "lib/string.h"
#include "services/vmm/layout.h"
#include "services/vmm/loader/loader.h"

#define SEGMENTS_MAX 64u

struct segment {
    uint32_t type;
    uint64_t offset, pa, file_bytes, memory_bytes;
};

struct image {
    const struct loader_input *in;
    bool is_64;
    uint64_t table;
    unsigned count;
    uint64_t entry; /* from the note; 0: none */
    uint64_t end;   /* of the highest segment */
};

bool elf_is(const uint8_t *image, uint64_t bytes)
{
    return bytes >= sizeof(struct elf32_header) && memcmp(image, ELF_MAGIC, 4) == 0;
}

static enum err fail_broken(const struct image *e, struct loader_failure *why, const char *what)
{
    return loader_fail(why, ERR_FORMAT, "copy the file again: it is broken or cut off",
                       "ELF file %s: %s", e->in->kernel_name, what);
}

static enum err open_image(struct image *e, struct loader_failure *why)
{
    const uint8_t *bytes = e->in->kernel;
    uint64_t entry_bytes, wanted;

    e->is_64 = bytes[4] == ELF_CLASS_64;
    if (e->is_64) {
        struct elf64_header h;

        if (e->in->kernel_bytes < sizeof(h))
            return fail_broken(e, why, "shorter than its header");
        memcpy(&h, bytes, sizeof(h));
        e->table = h.segments;
        e->count = h.segment_count;
        entry_bytes = h.segment_bytes;
        wanted = sizeof(struct elf64_segment);
    } else {
        struct elf32_header h;

        memcpy(&h, bytes, sizeof(h));
        e->table = h.segments;
        e->count = h.segment_count;
        entry_bytes = h.segment_bytes;
        wanted = sizeof(struct elf32_segment);
    }
    if (entry_bytes != wanted || e->count == 0 || e->count > SEGMENTS_MAX)
        return fail_broken(e, why, "no usable program headers");
    if (!range_fits(e->table, e->count * wanted, e->in->kernel_bytes))
        return fail_broken(e, why, "its program headers lie beyond its end");
    return OK;
}

static struct segment segment_at(const struct image *e, unsigned i)
{
    if (e->is_64) {
        struct elf64_segment s;

        memcpy(&s, e->in->kernel + e->table + i * sizeof(s), sizeof(s));
        return (struct segment){ s.type, s.offset, s.pa, s.file_bytes, s.memory_bytes };
    }
    struct elf32_segment s;

    memcpy(&s, e->in->kernel + e->table + i * sizeof(s), sizeof(s));
    return (struct segment){ s.type, s.offset, s.pa, s.file_bytes, s.memory_bytes };
}

/* One note at *@at; false at the end or when it is broken. */
static bool next_note(const uint8_t *notes, uint64_t bytes, uint64_t *at, struct elf_note *n,
                      const uint8_t **name, const uint8_t **desc)
{
    uint64_t name_bytes, desc_bytes;

    if (!range_fits(*at, sizeof(*n), bytes))
        return false;
    memcpy(n, notes + *at, sizeof(*n));
    name_bytes = round_up(n->name_bytes, 4);
    desc_bytes = round_up(n->desc_bytes, 4);
    *at += sizeof(*n);
    if (!range_fits(*at, name_bytes + desc_bytes, bytes))
        return false;
    *name = notes + *at;
    *desc = *name + name_bytes;
    *at += name_bytes + desc_bytes;
    return true;
}

static void search_notes(struct image *e, const struct segment *s)
{
    const uint8_t *name, *desc;
    struct elf_note n;
    uint64_t at = 0;

    while (next_note(e->in->kernel + s->offset, s->file_bytes, &at, &n, &name, &desc))
        if (n.type == ELF_NOTE_PVH_ENTRY && n.name_bytes == 4 && memcmp(name, "Xen", 4) == 0 &&
            (n.desc_bytes == 4 || n.desc_bytes == 8))
            memcpy(&e->entry, desc, n.desc_bytes);
}

static enum err load_segment(struct image *e, const struct segment *s, struct loader_failure *why)
{
    const struct guest_memory *m = e->in->memory;
    gpa_t to = { s->pa }, rest = { s->pa + s->file_bytes };

    if (s->file_bytes > s->memory_bytes)
        return fail_broken(e, why, "a segment has more bytes in the file than in memory");
    if (s->pa < LAYOUT_KERNEL_MIN)
        return fail_broken(e, why, "a segment loads below 1 MiB");
    if (!range_fits(s->pa, s->memory_bytes, m->low_bytes))
        return loader_fail(why, ERR_MEMORY, "give the VM more memory",
                           "%s wants 0x%lx bytes at 0x%lx; the VM has 0x%lx", e->in->kernel_name,
                           s->memory_bytes, s->pa, m->low_bytes);
    e->end = max(e->end, s->pa + s->memory_bytes);
    enum err err = guest_write(m, to, e->in->kernel + s->offset, s->file_bytes);

    return err ? err : guest_fill_zero(m, rest, s->memory_bytes - s->file_bytes);
}

static enum err load_segments(struct image *e, struct loader_failure *why)
{
    for (unsigned i = 0; i < e->count; i++) {
        struct segment s = segment_at(e, i);
        enum err err = OK;

        if (s.type != ELF_SEGMENT_LOAD && s.type != ELF_SEGMENT_NOTE)
            continue;
        if (!range_fits(s.offset, s.file_bytes, e->in->kernel_bytes))
            return fail_broken(e, why, "a segment lies beyond its end");
        if (s.type == ELF_SEGMENT_NOTE)
            search_notes(e, &s);
        else if (s.memory_bytes)
            err = load_segment(e, &s, why);
        if (err)
            return err;
    }
    return OK;
}

static enum err write_start_info(const struct loader_input *in, gpa_t initrd)
{
    struct e820_entry map[E820_ENTRIES_MAX];
    struct pvh_memory memory[E820_ENTRIES_MAX] = { 0 };
    unsigned count = loader_memory_map(in->memory, map);
    struct pvh_module module = { .base = initrd.v, .bytes = in->initrd_bytes };
    struct pvh_start_info info = {
        .magic = PVH_MAGIC,
        .version = 1,
        .module_count = in->initrd ? 1 : 0,
        .modules = in->initrd ? LAYOUT_PVH_MODULES : 0,
        .cmdline = LAYOUT_CMDLINE,
        .rsdp = LAYOUT_ACPI,
        .memory_map = LAYOUT_PVH_MEMORY,
        .memory_count = count,
    };
    enum err err;

    for (unsigned i = 0; i < count; i++)
        memory[i] = (struct pvh_memory){ map[i].base, map[i].bytes, map[i].type, 0 };
    err = guest_write(in->memory, (gpa_t){ LAYOUT_PVH_INFO }, &info, sizeof(info));
    if (!err)
        err = guest_write(in->memory, (gpa_t){ LAYOUT_PVH_MODULES }, &module, sizeof(module));
    if (!err)
        err = guest_write(in->memory, (gpa_t){ LAYOUT_PVH_MEMORY }, memory, sizeof(memory));
    return err;
}

enum err pvh_load(const struct loader_input *in, struct vcpu_state *state,
                  struct loader_failure *why)
{
    struct image e = { .in = in };
    gpa_t initrd;
    enum err err = open_image(&e, why);

    if (err)
        return err;
    err = load_segments(&e, why);
    if (err)
        return err;
    if (!e.entry)
        return loader_fail(why, ERR_FORMAT,
                           "give a kernel built with CONFIG_PVH (vmlinux), or a bzImage",
                           "ELF file %s has no PVH entry note", in->kernel_name);
    if (e.entry < LAYOUT_KERNEL_MIN || e.entry >= e.end)
        return fail_broken(&e, why, "its PVH entry lies outside its segments");
    err = loader_write_cmdline(in, LAYOUT_CMDLINE_BYTES, why);
    if (err)
        return err;
    err = loader_place_initrd(in, e.end, GUEST_LOW_END, &initrd, why);
    if (err)
        return err;
    err = write_start_info(in, initrd);
    if (err)
        return loader_fail(why, err, "give the VM more memory", "the first MiB is not all RAM");
    loader_state_protected(state, e.entry);
    state->gpr[3] = LAYOUT_PVH_INFO; /* RBX */
    return OK;
}
