/* Multiboot 1. Source: Free Software Foundation, "Multiboot Specification version 0.6.96", sections
 * "OS image format" and "Boot information format". */
#pragma once
#include "lib/types.h"

/* The header lies whole within the first bytes of the file, aligned; its first three words add up
 * to 0. */
#define MULTIBOOT_HEADER_MAGIC 0x1badb002u
#define MULTIBOOT_SEARCH_BYTES 8192u
#define MULTIBOOT_HEADER_ALIGN 4u

#define MULTIBOOT_WANTS_ALIGNED 0x00000001u /* modules at page boundaries */
#define MULTIBOOT_WANTS_MEMORY  0x00000002u
#define MULTIBOOT_WANTS_VIDEO   0x00000004u
#define MULTIBOOT_REQUIRED      0x0000ffffu /* who does not know one of these must not load it */
#define MULTIBOOT_HAS_ADDRESSES 0x00010000u

struct multiboot_header {
    uint32_t magic, flags, checksum;
    uint32_t header_address; /* with MULTIBOOT_HAS_ADDRESSES: where the header is to lie */
    uint32_t load_address;
    uint32_t load_end; /* 0: all of the file */
    uint32_t bss_end;  /* 0: none */
    uint32_t entry;
};
static_assert(sizeof(struct multiboot_header) == 32, "ABI");
#define MULTIBOOT_HEADER_BYTES 12u /* of it when it has no addresses */

/* EAX at the entry; EBX is the address of struct multiboot_info. */
#define MULTIBOOT_BOOT_MAGIC 0x2badb002u

#define MULTIBOOT_INFO_MEMORY      0x00000001u
#define MULTIBOOT_INFO_CMDLINE     0x00000004u
#define MULTIBOOT_INFO_MODULES     0x00000008u
#define MULTIBOOT_INFO_MEMORY_MAP  0x00000040u
#define MULTIBOOT_INFO_LOADER_NAME 0x00000200u

struct multiboot_info {
    uint32_t flags;                /* MULTIBOOT_INFO_*: what below is valid */
    uint32_t lower_kib, upper_kib; /* RAM from 0, RAM from 1 MiB to the first hole */
    uint32_t boot_device;
    uint32_t cmdline;
    uint32_t module_count, modules;
    uint32_t symbols[4];
    uint32_t memory_map_bytes, memory_map;
    uint32_t drives_bytes, drives;
    uint32_t config_table;
    uint32_t loader_name;
    uint32_t apm_table;
    uint32_t vbe[4];
    uint32_t framebuffer[7];
};
static_assert(sizeof(struct multiboot_info) == 116, "ABI");

struct multiboot_module {
    uint32_t start, end; /* the byte behind the last */
    uint32_t name;       /* a string */
    uint32_t reserved;   /* 0 */
};
static_assert(sizeof(struct multiboot_module) == 16, "ABI");

struct multiboot_memory {
    uint32_t size; /* of what follows */
    uint64_t base, bytes;
    uint32_t type; /* MULTIBOOT_RAM, else not for use */
} PACKED;
static_assert(sizeof(struct multiboot_memory) == 24, "ABI");
#define MULTIBOOT_RAM 1u
