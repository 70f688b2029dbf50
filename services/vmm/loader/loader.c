#include <stdarg.h>

#include "lib/format.h"
#include "lib/string.h"
#include "services/vmm/layout.h"
#include "services/vmm/loader/loader.h"

#define SEGMENT_CODE32   0xc9b /* present, code, readable, accessed, 4 GiB, 32-bit */
#define SEGMENT_DATA     0xc93
#define SEGMENT_TSS_BUSY 0x08b
#define SEGMENT_LDT      0x082
#define CR0_PE_ET        0x11

enum err loader_fail(struct loader_failure *why, enum err err, const char *hint, const char *fmt,
                     ...)
{
    va_list args;

    va_start(args, fmt);
    format_v(why->message, sizeof(why->message), fmt, args);
    va_end(args);
    string_copy(why->hint, sizeof(why->hint), hint);
    return err;
}

unsigned loader_memory_map(const struct guest_memory *m, struct e820_entry out[E820_ENTRIES_MAX])
{
    unsigned n = 0;

    out[n++] = (struct e820_entry){ 0, min(LAYOUT_LOW_RAM_END, m->low_bytes), E820_TYPE_RAM };
    out[n++] =
        (struct e820_entry){ LAYOUT_LOW_RAM_END, MIB(1) - LAYOUT_LOW_RAM_END, E820_TYPE_RESERVED };
    if (m->low_bytes > MIB(1))
        out[n++] = (struct e820_entry){ MIB(1), m->low_bytes - MIB(1), E820_TYPE_RAM };
    if (m->high_bytes)
        out[n++] = (struct e820_entry){ GUEST_HIGH_START, m->high_bytes, E820_TYPE_RAM };
    return n;
}

static bool is_ram(const struct guest_memory *m, uint64_t at, uint64_t bytes)
{
    return range_fits(at, bytes, min(LAYOUT_LOW_RAM_END, m->low_bytes)) ||
           (at >= MIB(1) && range_fits(at, bytes, m->low_bytes));
}

enum err loader_put(const struct loader_input *in, uint64_t at, uint64_t offset,
                    uint64_t file_bytes, uint64_t memory_bytes, struct loader_failure *why)
{
    gpa_t rest = { at + file_bytes };

    if (!is_ram(in->memory, at, memory_bytes))
        return at < MIB(1) ? loader_fail(why, ERR_FORMAT, "link it to 1 MiB or above",
                                         "%s wants 0x%lx bytes at 0x%lx, where there is no RAM",
                                         in->kernel_name, memory_bytes, at)
                           : loader_fail(why, ERR_MEMORY, "give the VM more memory",
                                         "%s wants 0x%lx bytes at 0x%lx; the VM has 0x%lx",
                                         in->kernel_name, memory_bytes, at, in->memory->low_bytes);
    enum err err = guest_write(in->memory, (gpa_t){ at }, in->kernel + offset, file_bytes);

    return err ? err : guest_fill_zero(in->memory, rest, memory_bytes - file_bytes);
}

enum err loader_place_initrd(const struct loader_input *in, uint64_t floor, uint64_t limit,
                             gpa_t *out, struct loader_failure *why)
{
    uint64_t end = round_down(min(in->memory->low_bytes, limit), PAGE_BYTES);

    out->v = 0;
    if (!in->initrd)
        return OK;
    if (in->initrd_bytes > end || round_down(end - in->initrd_bytes, PAGE_BYTES) < floor)
        return loader_fail(why, ERR_MEMORY, "give the VM more memory, or a smaller initrd",
                           "the initrd of %lu bytes does not fit above the kernel, which ends at "
                           "0x%lx of 0x%lx",
                           in->initrd_bytes, floor, end);
    out->v = round_down(end - in->initrd_bytes, PAGE_BYTES);
    return guest_write(in->memory, *out, in->initrd, in->initrd_bytes);
}

enum err loader_write_cmdline(const struct loader_input *in, uint64_t limit,
                              struct loader_failure *why)
{
    uint64_t bytes = strlen(in->cmdline) + 1;

    if (bytes > min(limit, LAYOUT_CMDLINE_BYTES))
        return loader_fail(why, ERR_ARGUMENT, "shorten cmdline=",
                           "the command line has %lu bytes, this kernel takes %lu", bytes - 1,
                           min(limit, LAYOUT_CMDLINE_BYTES) - 1);
    return guest_write(in->memory, (gpa_t){ LAYOUT_CMDLINE }, in->cmdline, bytes);
}

void loader_state_protected(struct vcpu_state *s, uint64_t entry)
{
    struct vcpu_segment data = { 0x10, SEGMENT_DATA, UINT32_MAX, 0 };

    *s = (struct vcpu_state){ .rip = entry, .rflags = 2, .cr0 = CR0_PE_ET };
    s->cs = (struct vcpu_segment){ 0x8, SEGMENT_CODE32, UINT32_MAX, 0 };
    s->ds = s->es = s->ss = s->fs = s->gs = data;
    s->tr = (struct vcpu_segment){ 0x18, SEGMENT_TSS_BUSY, 0x67, 0 };
    s->ldtr = (struct vcpu_segment){ 0, SEGMENT_LDT, 0, 0 };
}

/* What a file is taken for without type=. */
static enum vmm_guest_type recognise(const struct loader_input *in)
{
    if (bzimage_is(in->kernel, in->kernel_bytes))
        return GUEST_LINUX;
    if (pvh_is(in))
        return GUEST_PVH;
    if (multiboot_is(in->kernel, in->kernel_bytes))
        return GUEST_MULTIBOOT;
    /* an ELF file without a note: loading it says so */
    return elf_is(in->kernel, in->kernel_bytes) ? GUEST_PVH : GUEST_AUTO;
}

enum vmm_guest_type loader_type(const struct loader_input *in)
{
    return in->type == GUEST_AUTO ? recognise(in) : (enum vmm_guest_type)in->type;
}

enum err loader_load(const struct loader_input *in, struct vcpu_state *state,
                     struct loader_failure *why)
{
    enum vmm_guest_type type = loader_type(in);

    if (in->memory->low_bytes < MIB(1) + LARGE_BYTES / 2)
        return loader_fail(why, ERR_MEMORY, "memory=2M is the least that a kernel can start in",
                           "%lu KiB of memory are too little", in->memory->low_bytes >> 10);
    if (in->module_count && type != GUEST_MULTIBOOT)
        return loader_fail(why, ERR_ARGUMENT, "give initrd= in place of modules=",
                           "%s is no multiboot kernel, and others take no modules",
                           in->kernel_name);
    switch (type) {
    case GUEST_LINUX: return bzimage_load(in, state, why);
    case GUEST_PVH: return pvh_load(in, state, why);
    case GUEST_MULTIBOOT: return multiboot_load(in, state, why);
    default:
        return loader_fail(why, ERR_FORMAT,
                           "give a bzImage (vmlinuz), an ELF file with a PVH note (vmlinux), or a "
                           "multiboot kernel",
                           "%s is neither a bzImage nor an ELF file nor a multiboot kernel",
                           in->kernel_name);
    }
}
