/* Reading a guest's memory as its CPU does: by linear address, through its own page tables, seen
 * in the window (paging.h) of the running vmm. */
#pragma once
#include "lib/err.h"
#include "lib/types.h"

struct guest_paging {
    uint64_t cr0, cr3, cr4, efer;
};

/* ERR_ARGUMENT: not mapped, or a table lies outside guest memory. Checks presence only: what the
 * CPU has just executed was permitted. */
enum err guest_translate(const struct guest_paging *p, uint64_t linear, gpa_t *out) MUST_CHECK;

/* Copies up to @bytes at @linear; stops where a page is missing. Returns how many were read. */
unsigned guest_fetch(const struct guest_paging *p, uint64_t linear, uint8_t *out, unsigned bytes);

/* Physical reads through the window; false outside mapped guest memory. */
bool guest_read_window(gpa_t gpa, void *out, size_t bytes);
bool guest_write_window(gpa_t gpa, const void *in, size_t bytes);
