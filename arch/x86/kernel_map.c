#include "arch/x86/kernel_map.h"
#include "lib/x86/asm.h"
#include "arch/x86/cpu.h"
#include "arch/x86/panic.h"
#include "lib/string.h"

extern uint8_t kernel_text_start[], kernel_text_end[], kernel_rodata_end[], kernel_data_start[],
    kernel_end[];

hpa_t kernel_root;

static struct page_source *table_source;
static uint64_t image_start, image_end; /* physical */
static uint64_t device_next = DEVICE_BASE;

static uint64_t no_execute(void)
{
    return cpu_features.has_nx ? PTE_NO_EXECUTE : 0;
}

static void must(enum err err)
{
    if (err)
        panic("out of memory while building the kernel's page tables: this machine needs more RAM");
}

static void map_image_part(uint64_t from, uint64_t to, uint64_t flags)
{
    for (uint64_t va = from; va < to; va += PAGE_BYTES) {
        hpa_t pa = { va - KERNEL_BASE - KERNEL_LINK_OFFSET + image_start };

        must(paging_map(kernel_root, va, pa, flags | PTE_GLOBAL, table_source));
    }
}

static void map_direct_page(uint64_t pa)
{
    if (pa >= image_start && pa < image_end)
        return; /* text must have no writable alias */
    must(paging_map(kernel_root, DIRECT_BASE + pa, (hpa_t){ pa },
                    PTE_WRITE | PTE_GLOBAL | no_execute(), table_source));
}

static void map_direct(uint64_t from, uint64_t to)
{
    uint64_t flags = PTE_WRITE | PTE_GLOBAL | no_execute();

    from = round_up(from, PAGE_BYTES);
    to = round_down(to, PAGE_BYTES);
    while (from < to) {
        bool is_block = !(from & (LARGE_BYTES - 1)) && to - from >= LARGE_BYTES &&
                        (from + LARGE_BYTES <= image_start || from >= image_end);

        if (is_block) {
            must(paging_map_large(kernel_root, DIRECT_BASE + from, (hpa_t){ from }, flags,
                                  table_source));
            from += LARGE_BYTES;
        } else {
            map_direct_page(from);
            from += PAGE_BYTES;
        }
    }
}

static void fill_top_slots(void)
{
    uint64_t *top = direct_map(kernel_root);

    for (unsigned i = 256; i < 512; i++) {
        hpa_t page;
        bool is_used = i == 256 || i == (DEVICE_BASE >> 39 & 511) || i == 511;

        if (!is_used || (top[i] & PTE_PRESENT))
            continue;
        must(table_source->take(table_source, &page));
        top[i] = page.v | PTE_PRESENT | PTE_WRITE;
    }
}

void kernel_map_init(const struct boot_info *info, struct page_source *source)
{
    table_source = source;
    image_start = info->kernel_phys;
    image_end = (uint64_t)kernel_end - KERNEL_BASE - KERNEL_LINK_OFFSET + image_start;
    must(source->take(source, &kernel_root));
    map_image_part((uint64_t)kernel_text_start, (uint64_t)kernel_text_end, 0);
    map_image_part((uint64_t)kernel_text_end, (uint64_t)kernel_rodata_end, no_execute());
    map_image_part((uint64_t)kernel_data_start, (uint64_t)kernel_end, PTE_WRITE | no_execute());
    for (uint32_t i = 0; i < info->memory_count; i++)
        if (info->memory[i].kind == BOOT_MEMORY_USABLE)
            map_direct(info->memory[i].base, info->memory[i].base + info->memory[i].bytes);
    fill_top_slots();
    write_cr3(kernel_root.v);
}

void kernel_map_set_source(struct page_source *source)
{
    table_source = source;
}

void kernel_map_share(hpa_t root)
{
    uint64_t *from = direct_map(kernel_root), *to = direct_map(root);

    memcpy(to + 256, from + 256, 256 * sizeof(uint64_t));
    to[WINDOW_SLOT] = 0;
}

static void *map_device(hpa_t pa, uint64_t bytes, uint64_t flags)
{
    uint64_t first = round_down(pa.v, PAGE_BYTES), end = round_up(pa.v + bytes, PAGE_BYTES);
    uint64_t va = device_next;

    for (uint64_t a = first; a < end; a += PAGE_BYTES, device_next += PAGE_BYTES)
        if (paging_map(kernel_root, device_next, (hpa_t){ a }, flags | no_execute() | PTE_GLOBAL,
                       table_source))
            return NULL;
    device_next += PAGE_BYTES; /* a hole between any two */
    return (void *)(va + (pa.v - first));
}

void *kernel_map_device(hpa_t pa, uint64_t bytes)
{
    return map_device(pa, bytes, PTE_WRITE | PTE_UNCACHED | PTE_WRITE_THROUGH);
}

const void *kernel_map_table(hpa_t pa, uint64_t bytes)
{
    return map_device(pa, bytes, 0);
}

enum err kernel_map_remove_block(hpa_t block)
{
    uint64_t bytes;
    uint64_t *leaf = paging_leaf(kernel_root, DIRECT_BASE + block.v, &bytes);

    if (!leaf || bytes != LARGE_BYTES)
        return ERR_ARGUMENT; /* the block shares its 2 MiB with the kernel's image or a hole */
    *leaf = 0;
    return OK;
}

void kernel_map_restore_block(hpa_t block)
{
    must(paging_map_large(kernel_root, DIRECT_BASE + block.v, block,
                          PTE_WRITE | PTE_GLOBAL | no_execute(), table_source));
}

enum err kernel_map_trampoline(hpa_t pa, bool is_on)
{
    uint64_t bytes;

    if (is_on) {
        enum err err = paging_split(kernel_root, DIRECT_BASE + pa.v, table_source);

        return err ? err : paging_map(kernel_root, pa.v, pa, 0, table_source);
    }
    *paging_leaf(kernel_root, pa.v, &bytes) = 0;
    write_cr3(read_cr3());
    return OK;
}
