#include "services/vmm/aml.h"
#include "lib/string.h"

#define OP_ZERO      0x00
#define OP_ONE       0x01
#define OP_NAME      0x08
#define OP_BYTE      0x0a
#define OP_WORD      0x0b
#define OP_DWORD     0x0c
#define OP_STRING    0x0d
#define OP_SCOPE     0x10
#define OP_BUFFER    0x11
#define OP_PACKAGE   0x12
#define OP_EXTENDED  0x5b
#define OP_DEVICE    0x82
#define LENGTH_BYTES 3u /* of every package length here: up to 1 MiB */

void aml_byte(struct aml *a, uint8_t v)
{
    if (a->used == a->capacity) {
        a->has_overflowed = true;
        return;
    }
    a->bytes[a->used++] = v;
}

void aml_bytes(struct aml *a, const void *from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        aml_byte(a, ((const uint8_t *)from)[i]);
}

static void begin(struct aml *a)
{
    if (a->depth == AML_DEPTH_MAX) {
        a->has_overflowed = true;
        return;
    }
    a->starts[a->depth++] = a->used;
    for (unsigned i = 0; i < LENGTH_BYTES; i++)
        aml_byte(a, 0);
}

void aml_end(struct aml *a)
{
    uint32_t start = a->starts[--a->depth], length = a->used - start;

    if (a->has_overflowed)
        return;
    a->bytes[start] = (uint8_t)((LENGTH_BYTES - 1) << 6 | (length & 15));
    a->bytes[start + 1] = (uint8_t)(length >> 4);
    a->bytes[start + 2] = (uint8_t)(length >> 12);
}

void aml_scope(struct aml *a, const char *path)
{
    aml_byte(a, OP_SCOPE);
    begin(a);
    aml_bytes(a, path, (uint32_t)strlen(path));
}

void aml_device(struct aml *a, const char *name)
{
    aml_byte(a, OP_EXTENDED);
    aml_byte(a, OP_DEVICE);
    begin(a);
    aml_bytes(a, name, 4);
}

void aml_package(struct aml *a, uint8_t element_count)
{
    aml_byte(a, OP_PACKAGE);
    begin(a);
    aml_byte(a, element_count);
}

void aml_buffer(struct aml *a, uint8_t byte_count)
{
    aml_byte(a, OP_BUFFER);
    begin(a);
    aml_byte(a, OP_BYTE);
    aml_byte(a, byte_count);
}

void aml_name(struct aml *a, const char *name)
{
    aml_byte(a, OP_NAME);
    aml_bytes(a, name, (uint32_t)strlen(name));
}

void aml_integer(struct aml *a, uint32_t v)
{
    if (v <= 1) {
        aml_byte(a, v ? OP_ONE : OP_ZERO);
    } else if (v <= 0xff) {
        aml_byte(a, OP_BYTE);
        aml_byte(a, (uint8_t)v);
    } else if (v <= 0xffff) {
        aml_byte(a, OP_WORD);
        aml_bytes(a, &v, 2);
    } else {
        aml_byte(a, OP_DWORD);
        aml_bytes(a, &v, 4);
    }
}

void aml_string(struct aml *a, const char *s)
{
    aml_byte(a, OP_STRING);
    aml_bytes(a, s, (uint32_t)strlen(s) + 1);
}

static uint32_t hex_digit(char c)
{
    return c <= '9' ? (uint32_t)(c - '0') : (uint32_t)(c - 'A' + 10);
}

uint32_t aml_eisa_id(const char *id)
{
    uint32_t v = 0;

    for (unsigned i = 0; i < 3; i++)
        v = v << 5 | (uint32_t)(id[i] - '@');
    for (unsigned i = 3; i < 7; i++)
        v = v << 4 | hex_digit(id[i]);
    return __builtin_bswap32(v);
}
