/* An ELF file, 32 or 64 bit, with a PVH entry note. Source: Xen, "x86/HVM direct boot ABI". */
#include "lib/abi/pvh.h"
#include "lib/abi/elf.h"
#include "lib/string.h"
#include "services/vmm/layout.h"
#include "services/vmm/loader/elf_file.h"

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

/* The entry that the notes in @p name; 0: none. */
static uint64_t search_notes(const struct elf_file *f, const struct elf_part *p)
{
    const uint8_t *name, *desc;
    struct elf_note n;
    uint64_t at = 0, entry = 0;

    while (next_note(f->in->kernel + p->offset, p->file_bytes, &at, &n, &name, &desc))
        if (n.type == ELF_NOTE_PVH_ENTRY && n.name_bytes == 4 && memcmp(name, "Xen", 4) == 0 &&
            (n.desc_bytes == 4 || n.desc_bytes == 8))
            memcpy(&entry, desc, n.desc_bytes);
    return entry;
}

static uint64_t find_entry(const struct elf_file *f)
{
    uint64_t entry = 0;

    for (unsigned i = 0; !entry && i < f->count; i++) {
        struct elf_part p = elf_part(f, i);

        if (p.type == ELF_SEGMENT_NOTE && elf_has_bytes(f, &p))
            entry = search_notes(f, &p);
    }
    return entry;
}

/* *@end: of the highest segment. */
static enum err load_parts(const struct elf_file *f, uint64_t *end, struct loader_failure *why)
{
    enum err err = OK;

    *end = 0;
    for (unsigned i = 0; !err && i < f->count; i++) {
        struct elf_part p = elf_part(f, i);

        if (p.type != ELF_SEGMENT_LOAD || !p.memory_bytes)
            continue;
        if (p.pa < LAYOUT_KERNEL_MIN)
            return elf_fail(f, why, "a segment loads below 1 MiB");
        err = elf_check_part(f, &p, why);
        if (!err)
            err = loader_put(f->in, p.pa, p.offset, p.file_bytes, p.memory_bytes, why);
        *end = max(*end, p.pa + p.memory_bytes);
    }
    return err;
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

bool pvh_is(const struct loader_input *in)
{
    struct loader_failure unused;
    struct elf_file f;

    return elf_is(in->kernel, in->kernel_bytes) && elf_open(&f, in, &unused) == OK &&
           find_entry(&f);
}

enum err pvh_load(const struct loader_input *in, struct vcpu_state *state,
                  struct loader_failure *why)
{
    struct elf_file f;
    uint64_t entry, end;
    gpa_t initrd;
    enum err err;

    if (!elf_is(in->kernel, in->kernel_bytes))
        return loader_fail(why, ERR_FORMAT, "leave type= away, or give an ELF file",
                           "%s is no ELF file", in->kernel_name);
    err = elf_open(&f, in, why);
    if (err)
        return err;
    entry = find_entry(&f);
    if (!entry)
        return loader_fail(why, ERR_FORMAT,
                           "give a kernel built with CONFIG_PVH (vmlinux), or a bzImage",
                           "ELF file %s has no PVH entry note", in->kernel_name);
    err = load_parts(&f, &end, why);
    if (err)
        return err;
    if (entry < LAYOUT_KERNEL_MIN || entry >= end)
        return elf_fail(&f, why, "its PVH entry lies outside its segments");
    err = loader_write_cmdline(in, LAYOUT_CMDLINE_BYTES, why);
    if (err)
        return err;
    err = loader_place_initrd(in, end, GUEST_LOW_END, &initrd, why);
    if (err)
        return err;
    err = write_start_info(in, initrd);
    if (err)
        return loader_fail(why, err, "give the VM more memory", "the first MiB is not all RAM");
    loader_state_protected(state, entry);
    state->gpr[3] = LAYOUT_PVH_INFO; /* RBX */
    return OK;
}
