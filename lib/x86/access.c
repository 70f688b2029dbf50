#include "lib/x86/access.h"
#include "lib/x86/regs.h"

static uint64_t mask_of(unsigned bytes)
{
    return UINT64_MAX >> (64 - 8 * bytes);
}

/* ---- operands ---- */

static uint64_t value_of(const struct access *a, uint8_t reg, const uint64_t gpr[16], uint64_t rip)
{
    if (reg == ACCESS_NO_REGISTER)
        return 0;
    return reg == ACCESS_RIP ? rip + a->length : gpr[reg];
}

gva_t access_address(const struct access *a, const struct access_memory *m, const uint64_t gpr[16],
                     uint64_t rip, uint64_t segment_base)
{
    uint64_t offset = value_of(a, m->base, gpr, rip) + value_of(a, m->index, gpr, rip) * m->scale +
                      (uint64_t)m->displacement;

    offset &= mask_of(a->address_bytes);
    if (a->code != CODE_64)
        return (gva_t){ (segment_base + offset) & UINT32_MAX };
    return (gva_t){ offset + (m->segment >= SEGMENT_FS ? segment_base : 0) };
}

uint64_t access_operand(const struct access *a, const uint64_t gpr[16])
{
    if (a->operand == ACCESS_IMMEDIATE)
        return a->immediate & mask_of(a->width);
    return gpr[a->reg] >> (a->is_high_byte ? 8 : 0) & mask_of(a->reg_bytes);
}

void access_set_register(const struct access *a, uint64_t gpr[16], uint64_t value)
{
    unsigned shift = a->is_high_byte ? 8 : 0;
    uint64_t mask = a->reg_bytes >= 4 ? UINT64_MAX : mask_of(a->reg_bytes) << shift;

    value = (value & mask_of(a->reg_bytes)) << shift;
    gpr[a->reg] = (gpr[a->reg] & ~mask) | value;
}

/* ---- results ---- */

static uint64_t flag(bool is_set, uint64_t bit)
{
    return is_set ? bit : 0;
}

/* OF and CF: @overflows has its top bit set when the signed result does not fit. */
static uint64_t carries(bool is_carry, uint64_t overflows, uint64_t sign)
{
    return flag(is_carry, RFLAGS_CF) | flag(overflows & sign, RFLAGS_OF);
}

static uint64_t apply(enum access_operation operation, uint64_t left, uint64_t right)
{
    switch (operation) {
    case ACCESS_ADD: return left + right;
    case ACCESS_OR: return left | right;
    case ACCESS_XOR: return left ^ right;
    case ACCESS_SUB:
    case ACCESS_CMP: return left - right;
    default: return left & right;
    }
}

uint64_t access_compute(enum access_operation operation, unsigned width, uint64_t left,
                        uint64_t right, uint64_t *rflags)
{
    uint64_t mask = mask_of(width), sign = 1ull << (8 * width - 1);
    uint64_t result = apply(operation, left &= mask, right &= mask) & mask;
    uint64_t flags = flag(result & sign, RFLAGS_SF) | flag(!result, RFLAGS_ZF) |
                     flag(!__builtin_parity((unsigned)result & 0xff), RFLAGS_PF);

    if (operation == ACCESS_ADD)
        flags |= carries(result < left, (left ^ result) & (right ^ result), sign);
    else if (operation == ACCESS_SUB || operation == ACCESS_CMP)
        flags |= carries(left < right, (left ^ right) & (left ^ result), sign);
    if (operation == ACCESS_ADD || operation == ACCESS_SUB || operation == ACCESS_CMP)
        flags |= flag((left ^ right ^ result) & 0x10, RFLAGS_AF);
    *rflags = (*rflags & ~RFLAGS_STATUS) | flags;
    return result;
}
