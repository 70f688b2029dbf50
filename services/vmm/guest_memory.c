#include "services/vmm/guest_memory.h"
#include "lib/string.h"

static uint8_t *locate(const struct guest_memory *m, gpa_t gpa, uint64_t bytes)
{
    if (range_fits(gpa.v, bytes, m->low_bytes))
        return m->low + gpa.v;
    if (gpa.v >= GUEST_HIGH_START && range_fits(gpa.v - GUEST_HIGH_START, bytes, m->high_bytes))
        return m->high + (gpa.v - GUEST_HIGH_START);
    return NULL;
}

bool guest_has(const struct guest_memory *m, gpa_t gpa, uint64_t bytes)
{
    return locate(m, gpa, bytes);
}

enum err guest_read(const struct guest_memory *m, gpa_t gpa, void *to, uint64_t bytes)
{
    const uint8_t *from = locate(m, gpa, bytes);

    if (!from)
        return ERR_GUEST;
    memcpy(to, from, bytes);
    return OK;
}

enum err guest_write(const struct guest_memory *m, gpa_t gpa, const void *from, uint64_t bytes)
{
    uint8_t *to = locate(m, gpa, bytes);

    if (!to)
        return ERR_GUEST;
    memcpy(to, from, bytes);
    return OK;
}

enum err guest_fill_zero(const struct guest_memory *m, gpa_t gpa, uint64_t bytes)
{
    uint8_t *to = locate(m, gpa, bytes);

    if (!to)
        return ERR_GUEST;
    memset(to, 0, bytes);
    return OK;
}
