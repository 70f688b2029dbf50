#include "lib/x86/decode_memory.h"

/* ---- reading ---- */

uint64_t reader_take(struct reader *r, unsigned bytes)
{
    uint64_t v = 0;

    if (bytes > r->n - r->at) {
        r->is_short = true;
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)r->bytes[r->at++] << 8 * i;
    return v;
}

int64_t reader_take_signed(struct reader *r, unsigned bytes)
{
    uint64_t sign = 1ull << (8 * bytes - 1);

    return (int64_t)((reader_take(r, bytes) ^ sign) - sign);
}

bool reader_has_rex(const struct reader *r, uint8_t bit)
{
    return r->prefixes.rex & bit;
}

uint8_t reader_register(const struct reader *r, unsigned low, uint8_t bit)
{
    return (uint8_t)((low & 7) | (reader_has_rex(r, bit) ? 8u : 0));
}

/* ---- the memory operand ---- */

/* The default is SS for what is addressed by RSP or RBP, else DS. */
void reader_set_segment(const struct reader *r, struct access_memory *m)
{
    m->segment = m->base == REG_RSP || m->base == REG_RBP ? SEGMENT_SS : SEGMENT_DS;
    if (r->prefixes.segment != SEGMENT_NONE)
        m->segment = r->prefixes.segment;
}

static void take_16(struct reader *r, unsigned mod, unsigned rm, struct access_memory *m)
{
    static const uint8_t base[8] = { REG_RBX, REG_RBX, REG_RBP, REG_RBP,
                                     REG_RSI, REG_RDI, REG_RBP, REG_RBX };
    static const uint8_t index[4] = { REG_RSI, REG_RDI, REG_RSI, REG_RDI };

    m->base = base[rm];
    if (rm < 4)
        m->index = index[rm];
    if (mod == 0 && rm == 6) {
        m->base = ACCESS_NO_REGISTER;
        mod = 2;
    }
    if (mod)
        m->displacement = reader_take_signed(r, mod);
}

static unsigned displacement_bytes(unsigned mod)
{
    return mod == 1 ? 1 : mod == 2 ? 4 : 0;
}

/* Returns how many bytes of displacement follow. */
static unsigned take_sib(struct reader *r, unsigned mod, struct access_memory *m)
{
    unsigned sib = (unsigned)reader_take(r, 1);

    m->index = reader_register(r, sib >> 3, REX_X);
    if (m->index == REG_RSP) /* RSP cannot be an index: there is none, whatever the scale */
        m->index = ACCESS_NO_REGISTER;
    else
        m->scale = (uint8_t)(1u << (sib >> 6));
    if (mod == 0 && (sib & 7) == 5) /* whatever REX.B says */
        return 4;
    m->base = reader_register(r, sib, REX_B);
    return displacement_bytes(mod);
}

static void take_32(struct reader *r, enum code_size code, unsigned mod, unsigned rm,
                    struct access_memory *m)
{
    unsigned bytes = displacement_bytes(mod);

    if (rm == 4) {
        bytes = take_sib(r, mod, m);
    } else if (mod == 0 && rm == 5) {
        m->base = code == CODE_64 ? ACCESS_RIP : ACCESS_NO_REGISTER;
        bytes = 4;
    } else {
        m->base = reader_register(r, rm, REX_B);
    }
    if (bytes)
        m->displacement = reader_take_signed(r, bytes);
}

bool reader_take_memory(struct reader *r, struct access *a, unsigned *reg)
{
    unsigned modrm = (unsigned)reader_take(r, 1), mod = modrm >> 6, rm = modrm & 7;

    if (mod == 3)
        return false;
    *reg = modrm >> 3 & 7;
    if (a->address_bytes == 2)
        take_16(r, mod, rm, &a->memory);
    else
        take_32(r, (enum code_size)a->code, mod, rm, &a->memory);
    reader_set_segment(r, &a->memory);
    return true;
}
