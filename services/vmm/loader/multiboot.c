/* A kernel with a Multiboot 1 header. Source: Free Software Foundation, "Multiboot Specification
 * version 0.6.96".
 *
 * The kernel says where it is to lie: by the header's addresses, in whatever format the file is,
 * else by the program headers of an ELF file for the i386. What we add goes where it does not:
 * modules above 1 MiB behind each other, as boot loaders do; the information below 640 KiB where
 * there is room. Page 0 stays empty, so that no pointer of ours is null. */
#include "lib/abi/multiboot.h"
#include "lib/abi/elf.h"
#include "lib/string.h"
#include "services/vmm/layout.h"
#include "services/vmm/loader/elf_file.h"
#include "services/vmm/loader/placer.h"

#define INFO_MIN    KIB(64) /* kernels start other CPUs from below */
#define INFO_ALIGN  8u
#define LOADER_NAME "Bulkhead"

struct image {
    const struct loader_input *in;
    struct multiboot_header header;
    uint64_t offset; /* of the header in the file */
    uint64_t entry;
    struct placer placer;
};

/* ---- the header ---- */

static bool find_header(const uint8_t *file, uint64_t bytes, struct multiboot_header *h,
                        uint64_t *offset)
{
    uint64_t limit = min(bytes, (uint64_t)MULTIBOOT_SEARCH_BYTES);

    for (uint64_t at = 0; range_fits(at, MULTIBOOT_HEADER_BYTES, limit);
         at += MULTIBOOT_HEADER_ALIGN) {
        *h = (struct multiboot_header){ 0 };
        memcpy(h, file + at, min(sizeof(*h), limit - at));
        if (h->magic == MULTIBOOT_HEADER_MAGIC && h->magic + h->flags + h->checksum == 0) {
            *offset = at;
            return true;
        }
    }
    return false;
}

bool multiboot_is(const uint8_t *file, uint64_t bytes)
{
    struct multiboot_header h;
    uint64_t offset;

    return find_header(file, bytes, &h, &offset);
}

/* Of what a kernel may require we know alignment and memory, which it always gets. A table of video
 * modes there is not: this machine has no display, and the specification wants a loader that cannot
 * give what is required to say so rather than to start the kernel. */
static enum err check_flags(const struct image *m, struct loader_failure *why)
{
    uint32_t flags = m->header.flags;
    uint32_t unknown =
        flags & MULTIBOOT_REQUIRED & ~(MULTIBOOT_WANTS_ALIGNED | MULTIBOOT_WANTS_MEMORY);

    if (unknown & MULTIBOOT_WANTS_VIDEO)
        return loader_fail(why, ERR_UNSUPPORTED,
                           "build it without bit 2 in its multiboot flags; the console is the "
                           "serial port at 0x3f8",
                           "%s requires a video mode, and a VM has no display", m->in->kernel_name);
    if (unknown)
        return loader_fail(why, ERR_UNSUPPORTED, "build it without these multiboot flags",
                           "%s requires what Multiboot 1 does not know: flags 0x%x",
                           m->in->kernel_name, unknown);
    if ((flags & MULTIBOOT_HAS_ADDRESSES) &&
        !range_fits(m->offset, sizeof(m->header),
                    min(m->in->kernel_bytes, (uint64_t)MULTIBOOT_SEARCH_BYTES)))
        return loader_fail(
            why, ERR_FORMAT, "put the header further to the front",
            "the multiboot header of %s is cut off by the file's end or by the first "
            "8192 bytes",
            m->in->kernel_name);
    return OK;
}

/* ---- the kernel ---- */

static enum err put_kernel(struct image *m, uint64_t at, uint64_t offset, uint64_t file_bytes,
                           uint64_t memory_bytes, struct loader_failure *why)
{
    enum err err = loader_put(m->in, at, offset, file_bytes, memory_bytes, why);

    return err ? err : placer_take(&m->placer, at, memory_bytes);
}

static enum err fail_addresses(const struct image *m, struct loader_failure *why, const char *what)
{
    return loader_fail(why, ERR_FORMAT, "check the addresses in its multiboot header", "%s %s",
                       m->in->kernel_name, what);
}

/* By the header's addresses; the file's own format does not matter. */
static enum err load_by_addresses(struct image *m, struct loader_failure *why)
{
    const struct multiboot_header *h = &m->header;
    uint64_t before = h->header_address - h->load_address, offset = m->offset - before;
    uint64_t load_end = h->load_end, end;

    if (h->load_address > h->header_address || before > m->offset)
        return fail_addresses(m, why, "would begin in front of its file");
    if (!load_end)
        load_end = h->load_address + (m->in->kernel_bytes - offset);
    if (load_end < h->load_address)
        return fail_addresses(m, why, "would end before it begins");
    if (!range_fits(offset, load_end - h->load_address, m->in->kernel_bytes))
        return fail_addresses(m, why, "is shorter than what is to be loaded of it");
    end = h->bss_end ? h->bss_end : load_end;
    if (end < load_end)
        return fail_addresses(m, why, "would have its bss end within its data");
    if (h->entry < h->load_address || h->entry >= end)
        return fail_addresses(m, why, "would be entered outside of it");
    m->entry = h->entry;
    return put_kernel(m, h->load_address, offset, load_end - h->load_address, end - h->load_address,
                      why);
}

/* The entry of an ELF file is virtual; kernels that are linked high often name the physical address
 * all the same. */
static bool find_entry(const struct elf_file *f, uint64_t *entry)
{
    bool is_found = false;

    for (unsigned i = 0; i < f->count; i++) {
        struct elf_part p = elf_part(f, i);

        if (p.type != ELF_SEGMENT_LOAD)
            continue;
        if (f->entry >= p.va && f->entry - p.va < p.memory_bytes) {
            *entry = f->entry - p.va + p.pa;
            return true;
        }
        if (f->entry >= p.pa && f->entry - p.pa < p.memory_bytes) {
            *entry = f->entry;
            is_found = true;
        }
    }
    return is_found;
}

static enum err load_elf(struct image *m, struct loader_failure *why)
{
    struct elf_file f;
    enum err err = elf_open(&f, m->in, why);

    if (err)
        return err;
    if (f.is_64 || f.machine != ELF_MACHINE_386)
        return loader_fail(why, ERR_FORMAT,
                           "link it for the i386, or put addresses into its multiboot header",
                           "%s is an ELF file for another CPU than the i386", m->in->kernel_name);
    for (unsigned i = 0; !err && i < f.count; i++) {
        struct elf_part p = elf_part(&f, i);

        if (p.type != ELF_SEGMENT_LOAD || !p.memory_bytes)
            continue;
        err = elf_check_part(&f, &p, why);
        if (!err)
            err = put_kernel(m, p.pa, p.offset, p.file_bytes, p.memory_bytes, why);
    }
    if (!err && !find_entry(&f, &m->entry))
        return elf_fail(&f, why, "its entry lies outside its segments");
    return err;
}

static enum err load_kernel(struct image *m, struct loader_failure *why)
{
    if (m->header.flags & MULTIBOOT_HAS_ADDRESSES)
        return load_by_addresses(m, why);
    if (elf_is(m->in->kernel, m->in->kernel_bytes))
        return load_elf(m, why);
    return loader_fail(why, ERR_FORMAT, "put addresses into its multiboot header",
                       "%s is no ELF file, and its multiboot header does not say where it goes",
                       m->in->kernel_name);
}

/* ---- modules ---- */

static enum err load_modules(struct image *m, struct multiboot_module out[LOADER_MODULES_MAX],
                             struct loader_failure *why)
{
    enum err err = OK;

    for (unsigned i = 0; !err && i < m->in->module_count; i++) {
        const struct loader_module *module = &m->in->modules[i];
        uint64_t at;

        err = placer_find(&m->placer, MIB(1), m->in->memory->low_bytes, module->bytes, PAGE_BYTES,
                          &at);
        if (err)
            return loader_fail(why, err, "give the VM more memory, or fewer modules=",
                               "module %s of %lu bytes does not fit beside the kernel",
                               module->name, module->bytes);
        err = guest_write(m->in->memory, (gpa_t){ at }, module->at, module->bytes);
        out[i] = (struct multiboot_module){ .start = (uint32_t)at,
                                            .end = (uint32_t)(at + module->bytes) };
    }
    return err;
}

/* ---- the information ---- */

/* Writes one thing behind the other, from a place that has room for all. */
struct writer {
    const struct guest_memory *memory;
    uint64_t at;
    enum err err;
};

static uint32_t append(struct writer *w, const void *from, uint64_t bytes)
{
    uint64_t at = w->at;

    if (!w->err)
        w->err = guest_write(w->memory, (gpa_t){ at }, from, bytes);
    w->at += bytes;
    return (uint32_t)at;
}

static uint32_t append_string(struct writer *w, const char *text)
{
    return append(w, text, strlen(text) + 1);
}

/* The name of the kernel, a blank, and what the VM was given. */
static uint32_t append_cmdline(struct writer *w, const struct loader_input *in)
{
    uint32_t at = append(w, in->kernel_name, strlen(in->kernel_name));

    append(w, " ", 1);
    append_string(w, in->cmdline);
    return at;
}

static uint32_t append_memory_map(struct writer *w, uint32_t *bytes)
{
    struct e820_entry map[E820_ENTRIES_MAX];
    struct multiboot_memory out[E820_ENTRIES_MAX];
    unsigned count = loader_memory_map(w->memory, map);

    for (unsigned i = 0; i < count; i++)
        out[i] = (struct multiboot_memory){ sizeof(out[i]) - sizeof(out[i].size), map[i].base,
                                            map[i].bytes, map[i].type };
    *bytes = (uint32_t)(count * sizeof(out[0]));
    return append(w, out, *bytes);
}

/* As many bytes as append_info() writes at most. */
static uint64_t info_bytes(const struct loader_input *in)
{
    uint64_t bytes = sizeof(struct multiboot_info) + sizeof(LOADER_NAME) +
                     E820_ENTRIES_MAX * sizeof(struct multiboot_memory) +
                     in->module_count * sizeof(struct multiboot_module) + strlen(in->kernel_name) +
                     strlen(in->cmdline) + 2;

    for (unsigned i = 0; i < in->module_count; i++)
        bytes += strlen(in->modules[i].name) + 1;
    return bytes;
}

/* Strings come last: they have no alignment. The structure itself is written when all is known. */
static void append_info(struct writer *w, const struct loader_input *in,
                        struct multiboot_module modules[LOADER_MODULES_MAX])
{
    struct multiboot_info info = {
        .flags = MULTIBOOT_INFO_MEMORY | MULTIBOOT_INFO_CMDLINE | MULTIBOOT_INFO_MODULES |
                 MULTIBOOT_INFO_MEMORY_MAP | MULTIBOOT_INFO_LOADER_NAME,
        .lower_kib = LAYOUT_LOW_RAM_END / 1024,
        .upper_kib = (uint32_t)((in->memory->low_bytes - MIB(1)) / 1024),
        .module_count = in->module_count,
    };
    uint64_t modules_bytes = in->module_count * sizeof(modules[0]);
    gpa_t info_at = { append(w, &info, sizeof(info)) }, modules_at;

    info.memory_map = append_memory_map(w, &info.memory_map_bytes);
    info.modules = append(w, modules, modules_bytes);
    modules_at.v = info.modules;
    info.loader_name = append_string(w, LOADER_NAME);
    info.cmdline = append_cmdline(w, in);
    for (unsigned i = 0; i < in->module_count; i++)
        modules[i].name = append_string(w, in->modules[i].name);
    if (!w->err)
        w->err = guest_write(in->memory, info_at, &info, sizeof(info));
    if (!w->err)
        w->err = guest_write(in->memory, modules_at, modules, modules_bytes);
}

static enum err write_info(struct image *m, struct multiboot_module modules[LOADER_MODULES_MAX],
                           uint64_t *at, struct loader_failure *why)
{
    uint64_t bytes = info_bytes(m->in);
    struct writer w = { .memory = m->in->memory };

    if (placer_find(&m->placer, INFO_MIN, LAYOUT_LOW_RAM_END, bytes, INFO_ALIGN, at) &&
        placer_find(&m->placer, MIB(1), m->in->memory->low_bytes, bytes, INFO_ALIGN, at))
        return loader_fail(why, ERR_MEMORY, "give the VM more memory",
                           "%s leaves no room for the %lu bytes of boot information",
                           m->in->kernel_name, bytes);
    w.at = *at;
    append_info(&w, m->in, modules);
    return w.err;
}

enum err multiboot_load(const struct loader_input *in, struct vcpu_state *state,
                        struct loader_failure *why)
{
    struct image m = { .in = in };
    struct multiboot_module modules[LOADER_MODULES_MAX];
    uint64_t info;
    enum err err;

    if (!find_header(in->kernel, in->kernel_bytes, &m.header, &m.offset))
        return loader_fail(why, ERR_FORMAT, "leave type= away, or give a multiboot kernel",
                           "%s has no multiboot header in its first %u bytes", in->kernel_name,
                           MULTIBOOT_SEARCH_BYTES);
    if (in->initrd)
        return loader_fail(why, ERR_ARGUMENT, "name the file in modules=",
                           "%s is a multiboot kernel, which knows no initrd", in->kernel_name);
    err = check_flags(&m, why);
    if (!err)
        err = load_kernel(&m, why);
    if (!err)
        err = load_modules(&m, modules, why);
    if (!err)
        err = write_info(&m, modules, &info, why);
    if (err)
        return err;
    loader_state_protected(state, m.entry);
    state->gpr[0] = MULTIBOOT_BOOT_MAGIC; /* RAX */
    state->gpr[3] = info;                 /* RBX */
    return OK;
}
