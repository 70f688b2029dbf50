/* The loader of the embedded programs. They are part of the kernel's own signed file, so a broken
 * one is our fault; still every length is checked. */
#pragma once
#include "kernel/space.h"

/* Maps text and read-only data straight from @image (page-aligned, in the kernel's read-only data)
 * and copies what is writable. */
enum err elf_load(struct space *s, const uint8_t *image, uint64_t bytes, uint64_t *entry)
    MUST_CHECK;
