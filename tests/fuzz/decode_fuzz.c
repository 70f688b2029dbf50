// SOURCES: lib/x86/access.c lib/x86/decode*.c
/* Any bytes as an instruction: what is accepted is a legal instruction that lies in the bytes, its
 * parts are in range, and it is the same one whatever follows it. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/x86/decode_access.h"

#define FUZZ_BYTES_MAX 32u

static void match(unsigned which, const uint8_t *bytes, unsigned n, bool is_long_mode)
{
    static const struct decode_want wants[] = {
        { { 0x0f, 0xa2 }, 2, false, 0 },       { { 0x0f, 0x32 }, 2, false, 0 },
        { { 0x0f, 0x22 }, 2, true, 4 },        { { 0x0f, 0x01, 0xd1 }, 3, false, 0 },
        { { 0x0f, 0x01, 0xd9 }, 3, false, 0 }, { { 0xf4 }, 1, false, 0 },
    };
    const struct decode_want *want = &wants[which % array_count(wants)];
    unsigned reg = 0, length = decode_match(bytes, n, is_long_mode, want, &reg);

    assert(length <= n && length <= INSTRUCTION_BYTES_MAX);
    assert(length == 0 || length >= want->opcode_bytes);
    assert(!length || !want->has_register || reg < 16);
}

static bool is_size(unsigned bytes)
{
    return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
}

static void check_memory(const struct access *a, const struct access_memory *m)
{
    assert(m->segment <= SEGMENT_GS && is_size(m->scale));
    assert(m->base < 16 || m->base == ACCESS_NO_REGISTER ||
           (m->base == ACCESS_RIP && a->code == CODE_64));
    assert(m->index < 16 || m->index == ACCESS_NO_REGISTER);
}

static void check(const struct access *a)
{
    assert(a->operation > ACCESS_NONE && a->operation <= ACCESS_OUTS);
    assert(is_size(a->width) && is_size(a->reg_bytes) && a->width <= a->reg_bytes);
    assert(is_size(a->address_bytes) && a->address_bytes > 1);
    assert(a->reg < 16 && a->operand <= ACCESS_PORT);
    assert(a->reads || a->writes);
    assert(!a->is_high_byte || (a->reg < 4 && a->reg_bytes == 1));
    assert(!a->is_locked || (a->reads && a->writes));
    assert(!a->repeat || a->operation >= ACCESS_MOVS);
    check_memory(a, &a->memory);
    check_memory(a, &a->source);
}

/* What follows from it must be computable; the sanitizers watch. */
static void use(const struct access *a)
{
    uint64_t gpr[16] = { 1, 2, UINT64_MAX, 1ull << 63, 5 }, flags = 2;

    if (a->code != CODE_64)
        assert(access_address(a, &a->memory, gpr, 7, UINT64_MAX).v <= UINT32_MAX);
    access_address(a, &a->source, gpr, UINT64_MAX, 1);
    uint64_t operand = access_operand(a, gpr);

    if (a->operation >= ACCESS_ADD && a->operation <= ACCESS_TEST)
        access_compute((enum access_operation)a->operation, a->width, operand, ~operand, &flags);
    access_set_register(a, gpr, operand);
}

static void decode(const uint8_t *bytes, unsigned n, enum code_size code)
{
    struct access a, again;

    if (access_decode(bytes, n, code, &a))
        return;
    assert(a.length && a.length <= n && a.length <= INSTRUCTION_BYTES_MAX && a.code == code);
    check(&a);
    use(&a);
    assert(access_decode(bytes, a.length, code, &again) == OK);
    assert(again.length == a.length && again.operation == a.operation && again.reg == a.reg);
    assert(again.immediate == a.immediate && again.memory.displacement == a.memory.displacement);
    assert(access_decode(bytes, a.length - 1u, code, &again) != OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const enum code_size codes[] = { CODE_16, CODE_32, CODE_64, CODE_64 };

    if (n < 1)
        return 0;
    unsigned bytes = (unsigned)min(n - 1, (size_t)FUZZ_BYTES_MAX);
    uint8_t *exact = malloc(bytes ? bytes : 1); /* so that a byte too many is seen */

    memcpy(exact, data + 1, bytes);
    match(data[0], exact, bytes, data[0] & 0x80);
    decode(exact, bytes, codes[data[0] >> 6]);
    free(exact);
    return 0;
}
