/* What either way in (PVH or UEFI) tells the kernel. At kernel_main() paging is on: the kernel's
 * image is mapped at KERNEL_BASE, and all memory that this structure names, with the structure
 * itself, is mapped at its physical address and at DIRECT_BASE until the kernel
 * installs its own tables; early tables come from usable memory below 4 GiB. */
#pragma once
#include "lib/types.h"

#define KERNEL_BASE        0xffffffff80000000ull
#define DIRECT_BASE        0xffff800000000000ull /* RAM of kernel and programs; never a guest's */
#define KERNEL_LINK_OFFSET 0x200000ull           /* the image begins at KERNEL_BASE + this */

#define BOOT_MEMORY_MAX  256u
#define BOOT_MODULES_MAX 96u
#define BOOT_NAME_BYTES  104u

enum boot_memory_kind {
    BOOT_MEMORY_USABLE = 1, /* RAM that nobody uses, modules excepted */
    BOOT_MEMORY_RESERVED,
    BOOT_MEMORY_ACPI,
};

struct boot_memory {
    uint64_t base, bytes;
    uint32_t kind; /* enum boot_memory_kind */
    uint32_t reserved;
};

struct boot_module {
    uint64_t base, bytes; /* physical; the bytes lie in usable memory */
    char name[BOOT_NAME_BYTES];
};

struct boot_framebuffer {
    uint64_t base, bytes; /* base 0: there is none */
    uint32_t width, height, pixels_per_line, format;
};

struct boot_info {
    char kind;            /* 'p' PVH, 'u' UEFI */
    uint64_t kernel_phys; /* where KERNEL_BASE + KERNEL_LINK_OFFSET lies; multiple of 2 MiB */
    uint64_t rsdp;        /* 0: not told */
    struct boot_framebuffer framebuffer;
    uint32_t memory_count, module_count;
    struct boot_memory memory[BOOT_MEMORY_MAX];
    struct boot_module modules[BOOT_MODULES_MAX];
    char problem[160]; /* what the loader could not do and what to do about it; empty: nothing */
};

/* kernel/main.c; never returns. */
NORETURN void kernel_main(struct boot_info *info);
