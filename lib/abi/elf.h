/* ELF. Source: System V ABI, "Object Files"; Xen, "ELF notes" for PVH. */
#pragma once
#include "lib/types.h"

#define ELF_MAGIC          "\177ELF"
#define ELF_CLASS_32       1
#define ELF_CLASS_64       2
#define ELF_TYPE_EXEC      2
#define ELF_TYPE_DYN       3
#define ELF_MACHINE_386    3
#define ELF_MACHINE_X86_64 62

struct elf64_header {
    uint8_t magic[4];
    uint8_t class, data, version, abi, pad[8];
    uint16_t type, machine;
    uint32_t version2;
    uint64_t entry, segments, sections;
    uint32_t flags;
    uint16_t header_bytes, segment_bytes, segment_count;
    uint16_t section_bytes, section_count, section_names;
};
static_assert(sizeof(struct elf64_header) == 64, "ABI");

struct elf32_header {
    uint8_t magic[4];
    uint8_t class, data, version, abi, pad[8];
    uint16_t type, machine;
    uint32_t version2;
    uint32_t entry, segments, sections;
    uint32_t flags;
    uint16_t header_bytes, segment_bytes, segment_count;
    uint16_t section_bytes, section_count, section_names;
};
static_assert(sizeof(struct elf32_header) == 52, "ABI");

#define ELF_SEGMENT_LOAD    1
#define ELF_SEGMENT_NOTE    4
#define ELF_SEGMENT_EXECUTE 1u
#define ELF_SEGMENT_WRITE   2u

struct elf64_segment {
    uint32_t type, flags;
    uint64_t offset, va, pa, file_bytes, memory_bytes, align;
};
static_assert(sizeof(struct elf64_segment) == 56, "ABI");

struct elf32_segment {
    uint32_t type, offset, va, pa, file_bytes, memory_bytes, flags, align;
};
static_assert(sizeof(struct elf32_segment) == 32, "ABI");

struct elf_note {
    uint32_t name_bytes, desc_bytes, type;
};
#define ELF_NOTE_PVH_ENTRY 18 /* name "Xen": 32-bit physical entry */
