/* A bzImage by the 64-bit boot protocol. Source: Linux, Documentation/x86/boot.rst, "The Real-Mode
 * Kernel Header" and "64-bit Boot Protocol". */
#include "lib/string.h"
#include "services/vmm/layout.h"
#include "services/vmm/loader/loader.h"

#define SECTOR_BYTES      512u
#define HEADER_OFFSET     0x1f1u
#define HEADER_END_OFFSET 0x201u /* its value + 0x202 is where the header ends */
#define HEADER_BYTES_MAX  0x90u  /* room in boot_params */
#define BOOT_FLAG         0xaa55u
#define HEADER_MAGIC      0x53726448u /* "HdrS" */
#define PROTOCOL_MIN      0x20cu
#define XLF_KERNEL_64     1u
#define LOADED_HIGH       1u
#define ENTRY_64          0x200u
#define LOADER_UNDEFINED  0xff

/* Offsets in the image, which are those in boot_params. */
#define SETUP_SECTORS     0x1f1u
#define BOOT_FLAG_AT      0x1feu
#define MAGIC_AT          0x202u
#define PROTOCOL_AT       0x206u
#define TYPE_OF_LOADER    0x210u
#define LOAD_FLAGS        0x211u
#define INITRD_ADDRESS    0x218u
#define INITRD_BYTES      0x21cu
#define CMDLINE_ADDRESS   0x228u
#define INITRD_LIMIT      0x22cu
#define KERNEL_ALIGNMENT  0x230u
#define IS_RELOCATABLE    0x234u
#define XLOAD_FLAGS       0x236u
#define CMDLINE_LIMIT     0x238u
#define PREFERRED_ADDRESS 0x258u
#define INIT_BYTES        0x260u
#define HEADER_KNOWN_END  0x264u
/* Offsets in boot_params only */
#define ACPI_RSDP  0x70u
#define E820_COUNT 0x1e8u
#define E820_TABLE 0x2d0u

#define CR0_PE_PG_ET  0x80000011ul
#define CR4_PAE       0x20ul
#define EFER_LONG     0x500ul /* LME, LMA */
#define PAGE_TABLE_RW 3ul
#define PAGE_LARGE_RW 0x83ul

static uint64_t get(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;

    memcpy(&v, p, bytes);
    return v;
}

bool bzimage_is(const uint8_t *image, uint64_t bytes)
{
    return bytes >= HEADER_KNOWN_END && get(image + BOOT_FLAG_AT, 2) == BOOT_FLAG &&
           get(image + MAGIC_AT, 4) == HEADER_MAGIC;
}

struct plan {
    uint64_t payload, payload_bytes; /* in the file */
    uint64_t address, init_bytes;    /* in the guest */
};

/* Where the kernel goes: where it prefers; a relocatable one at the first aligned place when the
 * VM is too small for that. */
static bool choose_address(const struct loader_input *in, struct plan *p)
{
    uint64_t align = get(in->kernel + KERNEL_ALIGNMENT, 4);

    p->address = get(in->kernel + PREFERRED_ADDRESS, 8);
    p->init_bytes = max(get(in->kernel + INIT_BYTES, 4), p->payload_bytes);
    if (p->address >= LAYOUT_KERNEL_MIN &&
        range_fits(p->address, p->init_bytes, in->memory->low_bytes))
        return true;
    if (!in->kernel[IS_RELOCATABLE] || !align || (align & (align - 1)))
        return false;
    p->address = round_up(LAYOUT_KERNEL_MIN, align);
    return range_fits(p->address, p->init_bytes, in->memory->low_bytes);
}

static enum err make_plan(const struct loader_input *in, struct plan *p, struct loader_failure *why)
{
    const uint8_t *k = in->kernel;
    uint64_t sectors = k[SETUP_SECTORS] ? k[SETUP_SECTORS] : 4;

    if (get(k + PROTOCOL_AT, 2) < PROTOCOL_MIN || !(get(k + XLOAD_FLAGS, 2) & XLF_KERNEL_64))
        return loader_fail(why, ERR_FORMAT, "give a 64-bit kernel of Linux 3.8 or newer",
                           "%s has no 64-bit entry (boot protocol %lu.%lu)", in->kernel_name,
                           get(k + PROTOCOL_AT + 1, 1), get(k + PROTOCOL_AT, 1));
    if (!(k[LOAD_FLAGS] & LOADED_HIGH))
        return loader_fail(why, ERR_FORMAT, "give a bzImage", "%s is a zImage that loads low",
                           in->kernel_name);
    p->payload = (sectors + 1) * SECTOR_BYTES;
    if (p->payload + ENTRY_64 >= in->kernel_bytes)
        return loader_fail(why, ERR_FORMAT, "copy the file again: it is cut off",
                           "%s has %lu bytes, its setup alone says %lu", in->kernel_name,
                           in->kernel_bytes, p->payload);
    p->payload_bytes = in->kernel_bytes - p->payload;
    if (!choose_address(in, p))
        return loader_fail(why, ERR_MEMORY, "give the VM more memory",
                           "%s needs 0x%lx bytes at 0x%lx; the VM has 0x%lx", in->kernel_name,
                           p->init_bytes, p->address, in->memory->low_bytes);
    return OK;
}

static void put(uint8_t *page, unsigned at, uint64_t value, unsigned bytes)
{
    memcpy(page + at, &value, bytes);
}

static enum err write_boot_params(const struct loader_input *in, gpa_t initrd)
{
    uint8_t page[PAGE_BYTES] = { 0 };
    struct e820_entry map[E820_ENTRIES_MAX];
    unsigned count = loader_memory_map(in->memory, map);
    unsigned header_bytes = in->kernel[HEADER_END_OFFSET] + 0x202u - HEADER_OFFSET;

    memcpy(page + HEADER_OFFSET, in->kernel + HEADER_OFFSET, min(header_bytes, HEADER_BYTES_MAX));
    page[TYPE_OF_LOADER] = LOADER_UNDEFINED;
    put(page, INITRD_ADDRESS, initrd.v, 4);
    put(page, INITRD_BYTES, in->initrd ? in->initrd_bytes : 0, 4);
    put(page, CMDLINE_ADDRESS, LAYOUT_CMDLINE, 4);
    put(page, ACPI_RSDP, LAYOUT_ACPI, 8);
    page[E820_COUNT] = (uint8_t)count;
    memcpy(page + E820_TABLE, map, count * sizeof(map[0]));
    return guest_write(in->memory, (gpa_t){ LAYOUT_BOOT_PARAMS }, page, sizeof(page));
}

/* The first 4 GiB at their own addresses, in 2 MiB pages. */
static enum err write_page_tables(const struct guest_memory *m)
{
    uint64_t table[512] = { LAYOUT_PAGE_TABLES + PAGE_BYTES + PAGE_TABLE_RW };
    gpa_t at = { LAYOUT_PAGE_TABLES };
    enum err err = guest_write(m, at, table, sizeof(table));

    memset(table, 0, sizeof(table));
    for (unsigned i = 0; i < 4; i++)
        table[i] = LAYOUT_PAGE_TABLES + (2 + i) * PAGE_BYTES + PAGE_TABLE_RW;
    at.v += PAGE_BYTES;
    if (!err)
        err = guest_write(m, at, table, sizeof(table));
    for (uint64_t i = 0; !err && i < 4; i++) {
        for (uint64_t n = 0; n < 512; n++)
            table[n] = (i * 512 + n) * LARGE_BYTES + PAGE_LARGE_RW;
        at.v += PAGE_BYTES;
        err = guest_write(m, at, table, sizeof(table));
    }
    return err;
}

static enum err write_gdt(const struct guest_memory *m)
{
    static const uint64_t gdt[] = { 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff };

    return guest_write(m, (gpa_t){ LAYOUT_GDT }, gdt, sizeof(gdt));
}

static void set_state(struct vcpu_state *s, const struct plan *p)
{
    struct vcpu_segment data = { 0x18, 0xc93, UINT32_MAX, 0 };

    loader_state_protected(s, p->address + ENTRY_64);
    s->cs = (struct vcpu_segment){ 0x10, 0xa9b, UINT32_MAX, 0 };
    s->ds = s->es = s->ss = s->fs = s->gs = data;
    s->gdtr = (struct vcpu_segment){ 0, 0, 31, LAYOUT_GDT };
    s->cr0 = CR0_PE_PG_ET;
    s->cr3 = LAYOUT_PAGE_TABLES;
    s->cr4 = CR4_PAE;
    s->efer = EFER_LONG;
    s->gpr[6] = LAYOUT_BOOT_PARAMS; /* RSI */
}

enum err bzimage_load(const struct loader_input *in, struct vcpu_state *state,
                      struct loader_failure *why)
{
    struct plan p = { 0 };
    uint64_t cmdline_limit = get(in->kernel + CMDLINE_LIMIT, 4) + 1;
    uint64_t initrd_limit = get(in->kernel + INITRD_LIMIT, 4) + 1;
    gpa_t initrd;
    enum err err;

    if (!bzimage_is(in->kernel, in->kernel_bytes))
        return loader_fail(why, ERR_FORMAT, "leave type= away, or give a bzImage",
                           "%s is no bzImage: it has no HdrS header", in->kernel_name);
    err = make_plan(in, &p, why);
    if (err)
        return err;
    err = loader_write_cmdline(in, cmdline_limit, why);
    if (err)
        return err;
    err = loader_place_initrd(in, p.address + p.init_bytes, initrd_limit, &initrd, why);
    if (err)
        return err;
    err = guest_write(in->memory, (gpa_t){ p.address }, in->kernel + p.payload, p.payload_bytes);
    if (!err)
        err = write_boot_params(in, initrd);
    if (!err)
        err = write_page_tables(in->memory);
    if (!err)
        err = write_gdt(in->memory);
    if (err)
        return loader_fail(why, err, "give the VM more memory", "the first MiB is not all RAM");
    set_state(state, &p);
    return OK;
}
