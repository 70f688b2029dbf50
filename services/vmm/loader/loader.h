/* Loading a guest's kernel. The image is foreign: every length and offset in it is checked, and
 * what is wrong is said in words. Pure: files and guest memory in, first registers out. */
#pragma once
#include "lib/abi/vm_control.h"
#include "services/vmm/guest_memory.h"

#define LOADER_MODULES_MAX VMM_MODULES_MAX

struct loader_module {
    const uint8_t *at;
    uint64_t bytes;
    const char *name;
};

struct loader_input {
    const struct guest_memory *memory;
    const uint8_t *kernel, *initrd; /* initrd NULL: none */
    uint64_t kernel_bytes, initrd_bytes;
    const char *kernel_name, *cmdline;
    uint32_t type;         /* enum vmm_guest_type */
    uint32_t module_count; /* at most LOADER_MODULES_MAX; of multiboot kernels only */
    const struct loader_module *modules;
};

struct loader_failure {
    char message[200], hint[200];
};

/* What the kernel is loaded as; GUEST_AUTO: it is none that we know. */
enum vmm_guest_type loader_type(const struct loader_input *in);

/* Puts the kernel where it wants to be, with command line, memory map and initrd or modules, and
 * fills @state. ERR_FORMAT: a broken or unknown image; ERR_MEMORY: the VM has too little of it;
 * ERR_UNSUPPORTED: it requires what there is not; ERR_ARGUMENT: it cannot take what it was given;
 * with @why filled in. */
enum err loader_load(const struct loader_input *in, struct vcpu_state *state,
                     struct loader_failure *why) MUST_CHECK;

/* The formats; loader.c chooses. Those that load may be given anything. */
bool bzimage_is(const uint8_t *image, uint64_t bytes);
enum err bzimage_load(const struct loader_input *in, struct vcpu_state *state,
                      struct loader_failure *why) MUST_CHECK;
bool elf_is(const uint8_t *image, uint64_t bytes);
bool pvh_is(const struct loader_input *in); /* an ELF file with the note */
enum err pvh_load(const struct loader_input *in, struct vcpu_state *state,
                  struct loader_failure *why) MUST_CHECK;

bool multiboot_is(const uint8_t *image, uint64_t bytes);
enum err multiboot_load(const struct loader_input *in, struct vcpu_state *state,
                        struct loader_failure *why) MUST_CHECK;

/* Copies @file_bytes from @offset of the kernel's file to @at and clears what follows up to
 * @memory_bytes, which are at least as many. ERR_FORMAT, ERR_MEMORY: that is not all RAM. */
enum err loader_put(const struct loader_input *in, uint64_t at, uint64_t offset,
                    uint64_t file_bytes, uint64_t memory_bytes, struct loader_failure *why)
    MUST_CHECK;

/* Fills @why and returns @err. */
enum err loader_fail(struct loader_failure *why, enum err err, const char *hint, const char *fmt,
                     ...) PRINTF_LIKE(4, 5);

struct e820_entry {
    uint64_t base, bytes;
    uint32_t type;
} PACKED;
#define E820_ENTRIES_MAX   8u
#define E820_TYPE_RAM      1u
#define E820_TYPE_RESERVED 2u

/* The guest's memory map; returns the number of entries. */
unsigned loader_memory_map(const struct guest_memory *m, struct e820_entry out[E820_ENTRIES_MAX]);

/* Puts the initrd at the top of low memory, at most at @limit, above @floor. */
enum err loader_place_initrd(const struct loader_input *in, uint64_t floor, uint64_t limit,
                             gpa_t *out, struct loader_failure *why) MUST_CHECK;
enum err loader_write_cmdline(const struct loader_input *in, uint64_t limit,
                              struct loader_failure *why) MUST_CHECK;

/* Flat 32-bit protected mode without paging: what PVH and multiboot start in. */
void loader_state_protected(struct vcpu_state *s, uint64_t entry);
