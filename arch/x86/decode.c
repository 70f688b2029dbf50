#include "arch/x86/decode.h"
#include "lib/string.h"

#define REX_B 1u
#define REX_R 4u

static bool is_prefix(uint8_t b)
{
    switch (b) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x64:
    case 0x65:
    case 0x66:
    case 0x67:
    case 0xf2:
    case 0xf3: return true;
    default: return false; /* LOCK makes all of these #UD: the CPU took no exit for it */
    }
}

unsigned decode_match(const uint8_t *bytes, unsigned n, bool is_long_mode,
                      const struct decode_want *want, unsigned *reg)
{
    unsigned at = 0, rex = 0;

    n = min(n, INSTRUCTION_BYTES_MAX);
    while (at < n && is_prefix(bytes[at]))
        at++;
    /* a REX counts only right before the opcode; one followed by a legacy prefix is ignored */
    while (is_long_mode && at < n && (bytes[at] & 0xf0) == 0x40) {
        rex = bytes[at++];
        while (at < n && is_prefix(bytes[at])) {
            rex = 0;
            at++;
        }
    }
    if (n - at < want->opcode_bytes || memcmp(bytes + at, want->opcode, want->opcode_bytes) != 0)
        return 0;
    at += want->opcode_bytes;
    if (!want->has_register)
        return at;
    if (at == n || ((bytes[at] >> 3 & 7u) | (rex & REX_R ? 8u : 0)) != want->modrm_reg)
        return 0;
    *reg = (bytes[at] & 7u) | (rex & REX_B ? 8u : 0);
    return at + 1;
}
