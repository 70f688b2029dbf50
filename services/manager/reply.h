/* What stands in the region that comes with a vmm's answer to a question. The vmm may write to it
 * while we read: each item is copied once, and only the copy is used. */
#pragma once
#include "lib/abi/vm_control.h"
#include "lib/err.h"

struct reply_reader {
    const uint8_t *at;
    uint64_t bytes, used;
    uint32_t left; /* items still to come */
};

struct reply_item {
    char key[QUERY_KEY_BYTES + 1]; /* any bytes, NUL-terminated; as its length says */
    char value[QUERY_VALUE_BYTES + 1];
    uint32_t key_n, value_n;
};

/* The most bytes that an answer to @kind may have. */
uint64_t reply_bytes_max(uint32_t kind);

void reply_begin(struct reply_reader *r, const void *at, uint64_t bytes, uint32_t count);

/* The next item. ERR_EMPTY: there is none; ERR_FORMAT: the region does not hold what was announced. */
enum err reply_next_item(struct reply_reader *r, struct reply_item *out) MUST_CHECK;
enum err reply_next_channel(struct reply_reader *r, struct vmm_channel *out) MUST_CHECK;
