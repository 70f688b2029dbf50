/* Page tables in the x86-64 format: those of the host, of programs, and (SVM) of guests.
 *
 * Source: AMD64 APM vol. 2, "Long-Mode Page Translation".
 * The functions do no locking: the owner of a root serialises changes, and flushes TLBs. */
#pragma once
#include "lib/abi/boot_info.h"
#include "lib/err.h"
#include "lib/types.h"
#include "lib/x86/regs.h"

/* The kernel's half of each address space, beside DIRECT_BASE and KERNEL_BASE (boot_info.h). */
#define DEVICE_BASE 0xffffa00000000000ull /* registers and firmware tables, mapped on demand */
#define WINDOW_BASE 0xffffc00000000000ull /* the running vmm's partition, linear, 512 GiB */
#define WINDOW_SLOT 384u                  /* its index in the top table */
#define USER_END    0x0000800000000000ull

/* Where page tables come from and go to: one per budget. @take yields a zeroed page. */
struct page_source {
    enum err (*take)(struct page_source *s, hpa_t *out);
    void (*give)(struct page_source *s, hpa_t page);
};

static inline void *direct_map(hpa_t a)
{
    return (void *)(DIRECT_BASE + a.v);
}

/* Maps one page of 4 KiB or 2 MiB at @va; @flags are PTE_ bits beside
 * PTE_PRESENT. Tables in between are made with all rights, the leaf decides. ERR_EXISTS: something
 * is mapped there; ERR_MEMORY: @source is empty (what was made in between stays, unused). */
enum err paging_map(hpa_t root, uint64_t va, hpa_t pa, uint64_t flags, struct page_source *source)
    MUST_CHECK;
enum err paging_map_large(hpa_t root, uint64_t va, hpa_t pa, uint64_t flags,
                          struct page_source *source) MUST_CHECK;

/* The leaf that maps @va (4 KiB or 2 MiB), or NULL; *@bytes is its size. */
uint64_t *paging_leaf(hpa_t root, uint64_t va, uint64_t *bytes);

/* The entry for the 2 MiB around @va, leaf or table, or NULL when there is no table above it. */
uint64_t *paging_large_entry(hpa_t root, uint64_t va);

/* Replaces the 2 MiB leaf over @va by a table of 512 equal pages; nothing to do when there is
 * none. ERR_MEMORY as above. */
enum err paging_split(hpa_t root, uint64_t va, struct page_source *source) MUST_CHECK;

/* Takes the tables over [@va, @end) that map nothing out of @root; returns them as a chain (each
 * page's first word is the physical address of the next, 0 ends it) to be freed after a flush. */
uint64_t paging_unlink_empty(hpa_t root, uint64_t va, uint64_t end);

/* Gives back all tables below @root whose top-level index is in [@first, @last]; not what they
 * map, not @root. */
void paging_free(hpa_t root, unsigned first, unsigned last, struct page_source *source);
