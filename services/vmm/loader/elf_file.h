/* An ELF file of a guest, 32 or 64 bit: its header and program headers. Source: System V ABI,
 * "Object Files". */
#pragma once
#include "services/vmm/loader/loader.h"

struct elf_file {
    const struct loader_input *in;
    bool is_64;
    uint16_t machine;
    uint64_t entry; /* virtual */
    uint64_t table; /* of the program headers, in the file */
    unsigned count;
};

struct elf_part {
    uint32_t type;
    uint64_t offset, va, pa, file_bytes, memory_bytes;
};

/* Reads the header of @in->kernel, which elf_is(). ERR_FORMAT. */
enum err elf_open(struct elf_file *f, const struct loader_input *in, struct loader_failure *why)
    MUST_CHECK;

/* Program header @i, below f->count. */
struct elf_part elf_part(const struct elf_file *f, unsigned i);

/* True when what @p names in the file is there. */
bool elf_has_bytes(const struct elf_file *f, const struct elf_part *p);

/* ERR_FORMAT: @p is not whole in the file, or has more there than in memory. */
enum err elf_check_part(const struct elf_file *f, const struct elf_part *p,
                        struct loader_failure *why) MUST_CHECK;

/* Says that the file is broken, and how. */
enum err elf_fail(const struct elf_file *f, struct loader_failure *why, const char *what);
