// SOURCES: services/manager/reply.c lib/string.c
/* The region that comes with a vmm's answer: what is read of it ends within what was announced. */
#include <stdlib.h>
#include <string.h>

#include "services/manager/reply.h"

static void read_items(const uint8_t *bytes, size_t n, uint32_t count)
{
    static struct reply_item item;
    struct reply_reader r;

    reply_begin(&r, bytes, n, count);
    while (reply_next_item(&r, &item) == OK)
        if (item.key_n > QUERY_KEY_BYTES || item.value_n > QUERY_VALUE_BYTES ||
            item.key[item.key_n] || item.value[item.value_n] || r.used > n)
            abort();
}

static void read_channels(const uint8_t *bytes, size_t n, uint32_t count)
{
    struct reply_reader r;
    struct vmm_channel c;

    reply_begin(&r, bytes, n, count);
    while (reply_next_channel(&r, &c) == OK)
        if (r.used > n)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint32_t count;

    if (n < sizeof(count))
        return 0;
    memcpy(&count, data, sizeof(count));
    /* The region ends where its copy does, so that the sanitizer sees one step beyond. */
    uint8_t *region = malloc(n - sizeof(count));
    if (n > sizeof(count))
        memcpy(region, data + sizeof(count), n - sizeof(count));
    read_items(region, n - sizeof(count), count);
    read_channels(region, n - sizeof(count), count);
    free(region);
    return 0;
}
