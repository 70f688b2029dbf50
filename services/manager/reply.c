#include "services/manager/reply.h"
#include "lib/string.h"

#define CHANNELS_MAX 4096u

uint64_t reply_bytes_max(uint32_t kind)
{
    return kind == QUERY_CHANNELS ? CHANNELS_MAX * sizeof(struct vmm_channel) : VMM_ITEMS_BYTES_MAX;
}

void reply_begin(struct reply_reader *r, const void *at, uint64_t bytes, uint32_t count)
{
    *r = (struct reply_reader){ .at = at, .bytes = bytes, .left = count };
}

/* Copies the next @n bytes. */
static enum err take(struct reply_reader *r, void *to, uint64_t n)
{
    if (n > r->bytes - r->used)
        return ERR_FORMAT;
    memcpy(to, r->at + r->used, n);
    r->used += n;
    return OK;
}

enum err reply_next_item(struct reply_reader *r, struct reply_item *out)
{
    struct vmm_item head;

    if (!r->left)
        return ERR_EMPTY;
    r->left--;
    enum err err = take(r, &head, sizeof(head));
    if (err)
        return err;
    if (head.key_bytes > QUERY_KEY_BYTES || head.value_bytes > QUERY_VALUE_BYTES)
        return ERR_FORMAT;
    err = take(r, out->key, head.key_bytes);
    if (!err)
        err = take(r, out->value, head.value_bytes);
    if (err)
        return err;
    out->key[out->key_n = head.key_bytes] = 0;
    out->value[out->value_n = head.value_bytes] = 0;
    return OK;
}

enum err reply_next_channel(struct reply_reader *r, struct vmm_channel *out)
{
    if (!r->left)
        return ERR_EMPTY;
    r->left--;
    return take(r, out, sizeof(*out));
}
