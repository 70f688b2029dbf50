/* Ranges of I/O ports as objects. */
#pragma once
#include "kernel/object.h"

struct ioports {
    struct object object;
    uint16_t first, count; /* constant */
};

enum err ioports_create(struct budget *b, uint16_t first, uint16_t count, struct ioports **out)
    MUST_CHECK;
/* ERR_ARGUMENT: outside the range, or a width other than 1, 2, 4. */
enum err ioports_read(const struct ioports *o, uint16_t port, unsigned width, uint32_t *out)
    MUST_CHECK;
enum err ioports_write(const struct ioports *o, uint16_t port, unsigned width, uint32_t value)
    MUST_CHECK;
