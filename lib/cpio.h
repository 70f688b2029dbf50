/* A reader of newc cpio archives (cpio(5), "New ASCII Format"). Pure; trusts no length. */
#pragma once
#include "lib/err.h"
#include "lib/types.h"

struct cpio_reader {
    const uint8_t *bytes;
    uint64_t length, offset;
};

struct cpio_file {
    const char *name; /* inside the archive, NUL-terminated; a leading "./" is skipped */
    const uint8_t *data;
    uint64_t bytes;
};

void cpio_open(struct cpio_reader *r, const void *bytes, uint64_t length);

/* The next regular file. ERR_EMPTY: the archive's trailer was reached; ERR_FORMAT: it is broken. */
enum err cpio_next(struct cpio_reader *r, struct cpio_file *out) MUST_CHECK;
