// SOURCES: arch/x86/decode.c
/* Any bytes as an instruction: the length found is that of a legal one that lies in the bytes. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct decode_want wants[] = {
        { { 0x0f, 0xa2 }, 2, false, 0 },       { { 0x0f, 0x32 }, 2, false, 0 },
        { { 0x0f, 0x22 }, 2, true, 4 },        { { 0x0f, 0x01, 0xd1 }, 3, false, 0 },
        { { 0x0f, 0x01, 0xd9 }, 3, false, 0 }, { { 0xf4 }, 1, false, 0 },
    };
    unsigned reg = 0;

    if (n < 1)
        return 0;
    const struct decode_want *want = &wants[data[0] % array_count(wants)];
    unsigned bytes = (unsigned)min(n - 1, (size_t)32);
    uint8_t *copy = malloc(bytes + 1);
    memcpy(copy, data + 1, bytes);
    unsigned length = decode_match(copy, bytes, data[0] & 0x80, want, &reg);
    assert(length <= bytes && length <= INSTRUCTION_BYTES_MAX);
    assert(length == 0 || length >= want->opcode_bytes);
    assert(!length || !want->has_register || reg < 16);
    free(copy);
    return 0;
}
