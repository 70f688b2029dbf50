/* Small good images for the loaders' tests, and guest memory over a plain buffer. */
#pragma once
#include <stdlib.h>
#include <string.h>

#include "lib/abi/elf.h"
#include "lib/abi/multiboot.h"
#include "services/vmm/guest_memory.h"

#define IMAGE_MEMORY_BYTES MIB(20)

static inline struct guest_memory image_memory(void)
{
    static uint8_t *bytes;

    if (!bytes)
        bytes = malloc(IMAGE_MEMORY_BYTES);
    return (struct guest_memory){ .low = bytes, .low_bytes = IMAGE_MEMORY_BYTES };
}

/* A bzImage of setup, 4 sectors, and 4 KiB of kernel; returns its length. */
static inline size_t image_bzimage(uint8_t *out)
{
    memset(out, 0x90, 5 * 512 + 4096);
    memset(out, 0, 5 * 512);
    out[0x1f1] = 4;
    memcpy(out + 0x1fe, "\x55\xaa", 2);
    out[0x201] = 0x66;
    memcpy(out + 0x202, "HdrS", 4);
    memcpy(out + 0x206, "\x0f\x02", 2);
    out[0x211] = 1;
    memcpy(out + 0x22c, "\xff\xff\xff\x7f", 4);
    memcpy(out + 0x230, "\x00\x00\x20\x00", 4);
    out[0x234] = 1;
    memcpy(out + 0x236, "\x01\x00", 2);
    memcpy(out + 0x238, "\xff\x07\x00\x00", 4);
    memcpy(out + 0x258, "\x00\x00\x00\x01\x00\x00\x00\x00", 8);
    memcpy(out + 0x260, "\x00\x00\x10\x00", 4);
    return 5 * 512 + 4096;
}

/* An ELF64 file with one segment of 4 KiB at 1 MiB and a PVH note; returns its length. */
static inline size_t image_elf(uint8_t *out)
{
    struct elf64_header h = { .class = ELF_CLASS_64,
                              .type = ELF_TYPE_EXEC,
                              .machine = ELF_MACHINE_X86_64,
                              .segments = sizeof(h),
                              .segment_bytes = sizeof(struct elf64_segment),
                              .segment_count = 2 };
    struct elf64_segment s[2] = {
        { .type = ELF_SEGMENT_LOAD,
          .offset = 4096,
          .pa = MIB(1),
          .file_bytes = 4096,
          .memory_bytes = 8192 },
        { .type = ELF_SEGMENT_NOTE, .offset = 512, .file_bytes = 20 },
    };
    struct elf_note n = { 4, 4, ELF_NOTE_PVH_ENTRY };
    uint32_t entry = (uint32_t)MIB(1) + 16;

    memset(out, 0, 8192);
    memcpy(h.magic, ELF_MAGIC, 4);
    memcpy(out, &h, sizeof(h));
    memcpy(out + sizeof(h), s, sizeof(s));
    memcpy(out + 512, &n, sizeof(n));
    memcpy(out + 524, "Xen", 4);
    memcpy(out + 528, &entry, 4);
    memset(out + 4096, 0xab, 4096);
    return 8192;
}

#define IMAGE_MULTIBOOT_BYTES 8192u
#define IMAGE_MULTIBOOT_ENTRY ((uint32_t)MIB(1) + 64)

static inline void image_multiboot_header(uint8_t *at, uint32_t flags)
{
    struct multiboot_header h = { .magic = MULTIBOOT_HEADER_MAGIC,
                                  .flags = flags,
                                  .checksum = -(MULTIBOOT_HEADER_MAGIC + flags) };

    memcpy(at, &h, MULTIBOOT_HEADER_BYTES);
}

/* An ELF32 file for the i386 with 4 KiB at 1 MiB and 4 KiB of bss, a multiboot header in front;
 * IMAGE_MULTIBOOT_BYTES long. */
static inline void image_multiboot_elf(uint8_t *out, uint32_t flags)
{
    struct elf32_header h = { .class = ELF_CLASS_32,
                              .type = ELF_TYPE_EXEC,
                              .machine = ELF_MACHINE_386,
                              .entry = IMAGE_MULTIBOOT_ENTRY,
                              .segments = sizeof(h),
                              .segment_bytes = sizeof(struct elf32_segment),
                              .segment_count = 1 };
    struct elf32_segment s = { .type = ELF_SEGMENT_LOAD,
                               .offset = 4096,
                               .va = (uint32_t)MIB(1),
                               .pa = (uint32_t)MIB(1),
                               .file_bytes = 4096,
                               .memory_bytes = 8192 };

    memset(out, 0, 4096);
    memset(out + 4096, 0xab, 4096);
    memcpy(h.magic, ELF_MAGIC, 4);
    memcpy(out, &h, sizeof(h));
    memcpy(out + sizeof(h), &s, sizeof(s));
    image_multiboot_header(out + 4096, flags);
}

/* The same as a flat file with addresses, its header at byte 256. */
static inline void image_multiboot_flat(uint8_t *out, uint32_t flags)
{
    struct multiboot_header h = { .magic = MULTIBOOT_HEADER_MAGIC,
                                  .flags = flags | MULTIBOOT_HAS_ADDRESSES,
                                  .header_address = (uint32_t)MIB(1) + 256,
                                  .load_address = (uint32_t)MIB(1),
                                  .bss_end = (uint32_t)MIB(1) + 16384,
                                  .entry = IMAGE_MULTIBOOT_ENTRY };

    h.checksum = -(h.magic + h.flags);
    memset(out, 0xab, IMAGE_MULTIBOOT_BYTES);
    memcpy(out + 256, &h, sizeof(h));
}
