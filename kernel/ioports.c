#include "kernel/ioports.h"
#include "lib/x86/asm.h"

enum err ioports_create(struct budget *b, uint16_t first, uint16_t count, struct ioports **out)
{
    struct ioports *o = object_create(b, OBJECT_IOPORTS, sizeof(*o));

    if (!o)
        return ERR_MEMORY;
    o->first = first;
    o->count = count;
    *out = o;
    return OK;
}

void ioports_destroy(struct object *o)
{
}

static bool is_inside(const struct ioports *o, uint16_t port, unsigned width)
{
    return (width == 1 || width == 2 || width == 4) && port >= o->first &&
           port - o->first + width <= o->count;
}

enum err ioports_read(const struct ioports *o, uint16_t port, unsigned width, uint32_t *out)
{
    if (!is_inside(o, port, width))
        return ERR_ARGUMENT;
    *out = width == 1 ? in8(port) : width == 2 ? in16(port) : in32(port);
    return OK;
}

enum err ioports_write(const struct ioports *o, uint16_t port, unsigned width, uint32_t value)
{
    if (!is_inside(o, port, width))
        return ERR_ARGUMENT;
    if (width == 1)
        out8(port, (uint8_t)value);
    else if (width == 2)
        out16(port, (uint16_t)value);
    else
        out32(port, value);
    return OK;
}
