#include "boot/efi/loader.h"
#include "lib/abi/elf.h"
#include "lib/string.h"
#include "lib/x86/regs.h"

extern const UINT8 kernel_image[] __attribute__((visibility("hidden")));
extern const UINT8 kernel_image_end[] __attribute__((visibility("hidden")));

#define NOTE_ENTRY_64 1u /* our own note: name "Blkh", the virtual 64-bit entry */

static const struct elf64_segment *segment_at(const struct elf64_header *h, unsigned i)
{
    return (const struct elf64_segment *)(kernel_image + h->segments) + i;
}

static UINT64 find_entry(const struct elf64_segment *s)
{
    const UINT8 *p = kernel_image + s->offset, *end = p + s->file_bytes;
    struct elf_note n;
    UINT64 entry;

    while (p + sizeof(n) <= end) {
        memcpy(&n, p, sizeof(n));
        p += sizeof(n);
        if (n.type == NOTE_ENTRY_64 && n.desc_bytes == 8 && memcmp(p, "Blkh", 4) == 0) {
            memcpy(&entry, p + round_up(n.name_bytes, 4), sizeof(entry));
            return entry;
        }
        p += round_up(n.name_bytes, 4) + round_up(n.desc_bytes, 4);
    }
    return 0;
}

/* The highest byte of the image above its link base. */
static UINT64 image_bytes(const struct elf64_header *h)
{
    UINT64 end = 0;

    for (unsigned i = 0; i < h->segment_count; i++) {
        const struct elf64_segment *s = segment_at(h, i);

        if (s->type == ELF_SEGMENT_LOAD)
            end = max(end, s->pa + s->memory_bytes - KERNEL_LINK_OFFSET);
    }
    return end;
}

BOOLEAN load_kernel(struct boot_info *info, UINT64 *entry)
{
    const struct elf64_header *h = (const struct elf64_header *)kernel_image;
    UINT64 bytes = image_bytes(h);
    UINT64 base = take_pages(EfiLoaderData, bytes + LARGE_BYTES);

    if (!base) {
        say("kernel: no memory for its %lu KiB; Bulkhead needs 64 MiB", (unsigned long)bytes >> 10);
        return FALSE;
    }
    info->kernel_phys = round_up(base, LARGE_BYTES);
    *entry = 0;
    for (unsigned i = 0; i < h->segment_count; i++) {
        const struct elf64_segment *s = segment_at(h, i);
        UINT8 *to = (UINT8 *)(info->kernel_phys + s->pa - KERNEL_LINK_OFFSET);

        if (s->type == ELF_SEGMENT_NOTE && !*entry)
            *entry = find_entry(s);
        if (s->type != ELF_SEGMENT_LOAD)
            continue;
        memcpy(to, kernel_image + s->offset, s->file_bytes);
        memset(to + s->file_bytes, 0, s->memory_bytes - s->file_bytes);
    }
    return *entry != 0;
}

/* Memory at its physical address and at DIRECT_BASE by the same tables, the kernel's GiB at
 * KERNEL_BASE. The pages are reserved: the kernel reads through them until it has its own. */
UINT64 make_page_tables(const struct boot_info *info, UINT64 end)
{
    UINT64 gibs = max(round_up(end, GIB(1)) >> 30, 4ul);
    UINT64 flags = PTE_PRESENT | PTE_WRITE;
    UINT64 *t = (UINT64 *)take_pages(EfiReservedMemoryType, (4 + gibs) * PAGE_BYTES);
    UINT64 *low, *high, *image, *directory;

    if (!t || gibs > 512)
        return 0;
    memset(t, 0, (4 + gibs) * PAGE_BYTES);
    low = t + 512;
    high = low + 512;
    image = high + 512;
    directory = image + 512;
    t[0] = t[DIRECT_BASE >> 39 & 511] = (UINT64)low | flags;
    t[511] = (UINT64)high | flags;
    high[510] = (UINT64)image | flags;
    for (UINT64 i = 0; i < 512; i++)
        image[i] = (info->kernel_phys - KERNEL_LINK_OFFSET + i * LARGE_BYTES) | flags | PTE_LARGE;
    for (UINT64 i = 0; i < gibs * 512; i++)
        directory[i] = i * LARGE_BYTES | flags | PTE_LARGE;
    for (UINT64 i = 0; i < gibs; i++)
        low[i] = (UINT64)(directory + 512 * i) | flags;
    return (UINT64)t;
}
