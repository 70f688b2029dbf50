/* From a PVH hand-over to struct boot_info. The only module of QEMU's -initrd is a newc cpio
 * archive of the boot files; each becomes a module in place. */
#include "lib/abi/boot_info.h"
#include "lib/abi/pvh.h"
#include "lib/cpio.h"
#include "lib/format.h"
#include "lib/string.h"

NORETURN void pvh_main(const struct pvh_start_info *start);

static struct boot_info boot_info;

static void take_memory(struct boot_info *info, const struct pvh_start_info *start)
{
    const struct pvh_memory *m = (const struct pvh_memory *)start->memory_map;

    for (uint32_t i = 0; i < start->memory_count && info->memory_count < BOOT_MEMORY_MAX; i++)
        info->memory[info->memory_count++] = (struct boot_memory){
            .base = m[i].base,
            .bytes = m[i].bytes,
            .kind = m[i].type == E820_RAM    ? BOOT_MEMORY_USABLE
                    : m[i].type == E820_ACPI ? BOOT_MEMORY_ACPI
                                             : BOOT_MEMORY_RESERVED,
        };
}

static bool has_module(const struct boot_info *info, const char *name)
{
    for (uint32_t i = 0; i < info->module_count; i++)
        if (strcmp(info->modules[i].name, name) == 0)
            return true;
    return false;
}

static void complain(struct boot_info *info, const char *what, const char *name)
{
    format(info->problem, sizeof(info->problem), "boot module %s: %s", name, what);
}

static void take_modules(struct boot_info *info, const struct pvh_module *archive)
{
    struct cpio_reader reader;
    struct cpio_file file;
    enum err err;

    cpio_open(&reader, (const void *)archive->base, archive->bytes);
    while ((err = cpio_next(&reader, &file)) == OK) {
        struct boot_module *m = &info->modules[info->module_count];

        if (info->module_count == BOOT_MODULES_MAX) {
            complain(info, "left out, there is room for 96; boot with fewer files", file.name);
            return;
        }
        if (has_module(info, file.name)) {
            complain(info, "given twice, the second is left out; rename one", file.name);
            continue;
        }
        if (!string_copy(m->name, sizeof(m->name), file.name)) {
            complain(info, "left out, its name is longer than 103 bytes; rename it", file.name);
            continue;
        }
        m->base = (uint64_t)file.data;
        m->bytes = file.bytes;
        info->module_count++;
    }
    if (err != ERR_EMPTY)
        complain(info,
                 "the -initrd is no newc cpio archive from here on; make it anew with cpio "
                 "-H newc or scripts/lab",
                 info->module_count ? info->modules[info->module_count - 1].name : "1");
}

void pvh_main(const struct pvh_start_info *start)
{
    struct boot_info *info = &boot_info;

    info->kind = 'p';
    info->kernel_phys = KERNEL_LINK_OFFSET;
    if (start->magic != PVH_MAGIC || start->version < 1) {
        string_copy(info->problem, sizeof(info->problem),
                    "the PVH loader gave no memory map: use QEMU 4.0 or newer");
        kernel_main(info);
    }
    info->rsdp = start->rsdp;
    take_memory(info, start);
    if (start->module_count)
        take_modules(info, (const struct pvh_module *)start->modules);
    kernel_main(info);
}
