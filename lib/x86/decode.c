#include "lib/x86/decode.h"
#include "lib/string.h"

/* In 64-bit code the overrides of ES, CS, SS and DS do nothing: an FS before them still counts. */
static void override_segment(struct decode_prefixes *p, enum segment segment, bool is_long_mode)
{
    if (!is_long_mode || segment >= SEGMENT_FS)
        p->segment = (uint8_t)segment;
}

/* False: @b is no legacy prefix. */
static bool take_legacy(struct decode_prefixes *p, uint8_t b, bool is_long_mode)
{
    switch (b) {
    case 0x26: override_segment(p, SEGMENT_ES, is_long_mode); return true;
    case 0x2e: override_segment(p, SEGMENT_CS, is_long_mode); return true;
    case 0x36: override_segment(p, SEGMENT_SS, is_long_mode); return true;
    case 0x3e: override_segment(p, SEGMENT_DS, is_long_mode); return true;
    case 0x64: override_segment(p, SEGMENT_FS, is_long_mode); return true;
    case 0x65: override_segment(p, SEGMENT_GS, is_long_mode); return true;
    case 0x66: p->has_operand_size = true; return true;
    case 0x67: p->has_address_size = true; return true;
    case 0xf0: p->has_lock = true; return true;
    case PREFIX_REPNE:
    case PREFIX_REP: p->repeat = b; return true;
    default: return false;
    }
}

struct decode_prefixes decode_prefixes(const uint8_t *bytes, unsigned n, bool is_long_mode)
{
    struct decode_prefixes p = { .segment = SEGMENT_NONE };

    for (; p.bytes < min(n, INSTRUCTION_BYTES_MAX); p.bytes++) {
        uint8_t b = bytes[p.bytes];

        if (take_legacy(&p, b, is_long_mode))
            p.rex = 0; /* a REX before a legacy prefix is ignored */
        else if (is_long_mode && (b & 0xf0) == 0x40)
            p.rex = b;
        else
            break;
    }
    return p;
}

unsigned decode_match(const uint8_t *bytes, unsigned n, bool is_long_mode,
                      const struct decode_want *want, unsigned *reg)
{
    struct decode_prefixes p = decode_prefixes(bytes, n, is_long_mode);
    unsigned at = p.bytes;

    n = min(n, INSTRUCTION_BYTES_MAX);
    if (p.has_lock) /* makes all of these #UD: the CPU took no exit for it */
        return 0;
    if (n - at < want->opcode_bytes || memcmp(bytes + at, want->opcode, want->opcode_bytes) != 0)
        return 0;
    at += want->opcode_bytes;
    if (!want->has_register)
        return at;
    if (at == n || ((bytes[at] >> 3 & 7u) | (p.rex & REX_R ? 8u : 0)) != want->modrm_reg)
        return 0;
    *reg = (bytes[at] & 7u) | (p.rex & REX_B ? 8u : 0);
    return at + 1;
}
