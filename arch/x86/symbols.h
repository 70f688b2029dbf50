/* The kernel's own symbol table, made by scripts/mksymbols. */
#pragma once
#include "lib/types.h"

/* The function that holds @address and the offset in it; NULL outside the kernel's text. */
const char *symbol_find(uint64_t address, uint64_t *offset);
