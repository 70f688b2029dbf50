/* Started by a multiboot loader: prints what it was given, and ends with exit=. It is built twice:
 * multiboot.elf is an ELF file for the i386, multiboot.bin a flat one with addresses in its header.
 *
 *     vm create m kernel=multiboot.elf modules=a,b memory=16M cpus=1 cmdline="exit=3"
 */
#include "lib/abi/multiboot.h"
#include "tests/guest/payload.h"

static const struct multiboot_info *info;

static const void *at(uint32_t address)
{
    return (const void *)(uint64_t)address;
}

/* FNV-1a */
static uint32_t checksum(const uint8_t *bytes, uint32_t n)
{
    uint32_t sum = 0x811c9dc5;

    while (n--)
        sum = (sum ^ *bytes++) * 0x01000193;
    return sum;
}

static void print_memory_map(void)
{
    const uint8_t *entry = at(info->memory_map), *end = entry + info->memory_map_bytes;

    while (entry < end) {
        const struct multiboot_memory *m = (const void *)entry;

        print("memory %x %x type %u\n", m->base, m->bytes, (uint64_t)m->type);
        entry += m->size + sizeof(m->size);
    }
}

static void print_modules(void)
{
    const struct multiboot_module *m = at(info->modules);

    for (uint32_t i = 0; i < info->module_count; i++, m++)
        print("module %s at %x bytes %u sum %x\n", at(m->name), (uint64_t)m->start,
              (uint64_t)(m->end - m->start), (uint64_t)checksum(at(m->start), m->end - m->start));
}

static void print_place(const char *what, uint64_t first)
{
    if (first < 4096)
        print("%s lies in page 0\n", what);
    if (first >= (uint64_t)payload_begin && first < (uint64_t)payload_end)
        print("%s lies in the kernel\n", what);
}

int payload_main(void)
{
    info = at(start_ebx);
    print("MULTIBOOT eax %x protected %u paging %u interrupts %u\n", (uint64_t)start_eax,
          (uint64_t)(start_cr0 & 1), (uint64_t)(start_cr0 >> 31),
          (uint64_t)(start_eflags >> 9 & 1));
    print("image %x to %x\n", (uint64_t)payload_begin, (uint64_t)payload_end);
    print("flags %x\n", (uint64_t)info->flags);
    print("command line '%s'\n", at(info->cmdline));
    print("loader '%s'\n", at(info->loader_name));
    print("lower %u upper %u\n", (uint64_t)info->lower_kib, (uint64_t)info->upper_kib);
    print_memory_map();
    print_modules();
    print_place("information", start_ebx);
    print_place("command line", info->cmdline);
    print_place("loader name", info->loader_name);
    print_place("memory map", info->memory_map);
    print_place("module list", info->modules);
    print("MULTIBOOT done\n");
    return (int)argument("exit", 0);
}
