/* Physical memory: frames, blocks, the kernel's heap, and the budgets that all of it is charged
 * to.
 *
 * A frame is 4 KiB; a block is 2 MiB. One table (one entry a frame) says who owns what. Guests get
 * whole blocks; a block that a guest has had is out of the direct map until it is given to the
 * next guest, or scrubbed through a mapping of its own. Everything handed out is zero. */
#pragma once
#include "arch/x86/paging.h"
#include "lib/abi/boot_info.h"
#include "kernel/object.h"

enum frame_owner {
    FRAME_NONE, /* no RAM, firmware's, or the kernel's image */
    FRAME_FREE,
    FRAME_KERNEL,  /* tables, stacks, heap */
    FRAME_PROGRAM, /* regions and private pages of programs */
    FRAME_GUEST,
    FRAME_MODULE,
};

/* Before the kernel's own tables: hands out pages at the end of the largest usable range. */
struct page_source *memory_early_source(struct boot_info *info);
/* Then: all usable memory but the early pages, the image and the modules becomes free. */
void memory_init(struct boot_info *info);

uint64_t memory_total_bytes(void);
uint64_t memory_free_bytes(void);

/* 2^@order frames, contiguous, zeroed, charged to @b; ERR_MEMORY when the budget or the machine
 * is short. Order 9 at most. */
enum err frames_take(struct budget *b, unsigned order, enum frame_owner owner, hpa_t *out)
    MUST_CHECK;
void frames_give(struct budget *b, hpa_t first, unsigned order);

/* A block for a guest, out of the direct map, NOT zeroed: the caller scrubs it through the
 * partition's window before the guest runs. */
enum err block_take(struct budget *b, hpa_t *out) MUST_CHECK;
void block_give(struct budget *b, hpa_t block);

/* Heap: @bytes zeroed, charged to @b; NULL when short. Free with the same @bytes. */
void *kernel_alloc(struct budget *b, size_t bytes);
void kernel_free(struct budget *b, void *p, size_t bytes);

/* Frees what a boot module occupied, once it was copied; whole frames from @base. */
void memory_module_freed(hpa_t base, uint64_t bytes);

enum frame_owner memory_owner_of(hpa_t frame);

/* Debug: the @n-th allocation from now on fails once; 0 switches it off. */
void memory_fail_nth(uint64_t n);
uint64_t memory_alloc_count(void);

/* Charges without taking memory (a child budget's limit). */
bool memory_charge(struct budget *b, uint64_t bytes) MUST_CHECK;
void memory_release(struct budget *b, uint64_t bytes);
