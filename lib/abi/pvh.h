/* The PVH hand-over. Source: Xen, "x86/HVM direct boot ABI" (public/arch-x86/hvm/start_info.h). */
#pragma once
#include "lib/types.h"

#define PVH_MAGIC 0x336ec578u

struct pvh_start_info {
    uint32_t magic, version, flags, module_count;
    uint64_t modules;    /* physical: struct pvh_module[] */
    uint64_t cmdline;    /* physical, NUL-terminated, or 0 */
    uint64_t rsdp;       /* physical, or 0 */
    uint64_t memory_map; /* version >= 1: struct pvh_memory[] */
    uint32_t memory_count, reserved;
};

struct pvh_module {
    uint64_t base, bytes, cmdline, reserved;
};

struct pvh_memory {
    uint64_t base, bytes;
    uint32_t type, reserved; /* e820 types */
};
static_assert(sizeof(struct pvh_start_info) == 56, "ABI");
static_assert(sizeof(struct pvh_module) == 32, "ABI");
static_assert(sizeof(struct pvh_memory) == 24, "ABI");

#define E820_RAM      1
#define E820_RESERVED 2
#define E820_ACPI     3
