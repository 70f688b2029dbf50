// SOURCES: lib/cpio.c lib/string.c
#include <stdlib.h>
#include <string.h>

#include "lib/cpio.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct cpio_reader r;
    struct cpio_file f;

    cpio_open(&r, bytes, n);
    while (cpio_next(&r, &f) == OK)
        if (f.data + f.bytes > bytes + n || strlen(f.name) > n)
            abort();
    return 0;
}
