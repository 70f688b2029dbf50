/* The kernel's half of every address space: its image (W^X), the direct map, device registers.
 *
 * The direct map holds RAM that the kernel or a program owns. Memory of guests is taken out of it
 * while a partition has it, so a stray or speculative read by the kernel meets no guest. */
#pragma once
#include "arch/x86/paging.h"
#include "lib/abi/boot_info.h"

extern hpa_t kernel_root;

/* Builds the tables from @info and loads them. Panics when @source runs dry. */
void kernel_map_init(const struct boot_info *info, struct page_source *source);

/* Where page tables for later calls come from. */
void kernel_map_set_source(struct page_source *source);

/* Copies the kernel's half into the new top table @root. */
void kernel_map_share(hpa_t root);

/* Maps @bytes of registers or firmware tables at @pa: uncached for registers, read-only for
 * tables. Stays for ever. NULL when out of memory. */
void *kernel_map_device(hpa_t pa, uint64_t bytes);
const void *kernel_map_table(hpa_t pa, uint64_t bytes);

/* Takes a 2 MiB block out of the direct map, or puts it back. The caller flushes the TLBs of all
 * CPUs after taking out. ERR_MEMORY: a table was needed and there was no page for it. */
enum err kernel_map_remove_block(hpa_t block) MUST_CHECK;
void kernel_map_restore_block(hpa_t block);

/* Makes the 4 KiB page at @pa (mapped in the direct map) executable at its physical address for
 * the start of other CPUs, and undoes it. */
enum err kernel_map_trampoline(hpa_t pa, bool is_on) MUST_CHECK;
