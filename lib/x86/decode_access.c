/* One table says for each opcode what it does and where its operands are. The operand's width is
 * one byte where bit 0 of the opcode is clear, which holds for all opcodes that are served. */
#include "lib/x86/decode_access.h"
#include "lib/x86/decode_memory.h"

/* ---- opcodes ---- */

enum form {
    FORM_MEMORY_FIRST,   /* ModRM: memory, register */
    FORM_REGISTER_FIRST, /* ModRM: register, memory */
    FORM_EXTEND,         /* ModRM: register, memory that is narrower */
    FORM_IMMEDIATE,      /* ModRM whose reg field picks the operation, immediate */
    FORM_BYTE_IMMEDIATE, /* the same, and the immediate is one byte */
    FORM_LOAD_MOFFS,     /* accumulator, address in the instruction */
    FORM_STORE_MOFFS,
    FORM_STRING,
};

struct opcode {
    uint8_t operation; /* ACCESS_NONE: refused */
    uint8_t form;
    uint8_t group; /* with an immediate: row of groups[] */
};

enum { GROUP_1, GROUP_3, GROUP_11 };
static const uint8_t groups[][8] = {
    [GROUP_1] = { ACCESS_ADD, ACCESS_OR, 0, 0, ACCESS_AND, ACCESS_SUB, ACCESS_XOR, ACCESS_CMP },
    [GROUP_3] = { ACCESS_TEST, ACCESS_TEST },
    [GROUP_11] = { ACCESS_MOV },
};
#define IN_GROUP 0xff

#define PAIR(first, operation, form) \
    [first] = { operation, form, 0 }, [(first) + 1] = { operation, form, 0 }
#define BOTH_WAYS(first, operation) \
    PAIR(first, operation, FORM_MEMORY_FIRST), PAIR((first) + 2, operation, FORM_REGISTER_FIRST)
#define GROUP_PAIR(first, group)                   \
    [first] = { IN_GROUP, FORM_IMMEDIATE, group }, \
    [(first) + 1] = { IN_GROUP, FORM_IMMEDIATE, group }

static const struct opcode one_byte[256] = {
    BOTH_WAYS(0x00, ACCESS_ADD),
    BOTH_WAYS(0x08, ACCESS_OR),
    BOTH_WAYS(0x20, ACCESS_AND),
    BOTH_WAYS(0x28, ACCESS_SUB),
    BOTH_WAYS(0x30, ACCESS_XOR),
    BOTH_WAYS(0x38, ACCESS_CMP),
    [0x63] = { ACCESS_MOVSX, FORM_EXTEND, 0 },
    PAIR(0x6c, ACCESS_INS, FORM_STRING),
    PAIR(0x6e, ACCESS_OUTS, FORM_STRING),
    GROUP_PAIR(0x80, GROUP_1),
    [0x82] = { IN_GROUP, FORM_IMMEDIATE, GROUP_1 },
    [0x83] = { IN_GROUP, FORM_BYTE_IMMEDIATE, GROUP_1 },
    PAIR(0x84, ACCESS_TEST, FORM_MEMORY_FIRST),
    PAIR(0x86, ACCESS_XCHG, FORM_MEMORY_FIRST),
    BOTH_WAYS(0x88, ACCESS_MOV),
    PAIR(0xa0, ACCESS_MOV, FORM_LOAD_MOFFS),
    PAIR(0xa2, ACCESS_MOV, FORM_STORE_MOFFS),
    PAIR(0xa4, ACCESS_MOVS, FORM_STRING),
    PAIR(0xaa, ACCESS_STOS, FORM_STRING),
    PAIR(0xac, ACCESS_LODS, FORM_STRING),
    GROUP_PAIR(0xc6, GROUP_11),
    GROUP_PAIR(0xf6, GROUP_3),
};

/* ---- sizes ---- */

static uint8_t operand_bytes(const struct reader *r, enum code_size code)
{
    if (reader_has_rex(r, REX_W))
        return 8;
    return (code == CODE_16) == r->prefixes.has_operand_size ? 4 : 2;
}

static uint8_t address_bytes(const struct reader *r, enum code_size code)
{
    if (!r->prefixes.has_address_size)
        return (uint8_t)code;
    return code == CODE_32 ? 2 : 4;
}

/* ---- forms ---- */

static const struct access_memory no_memory = { SEGMENT_DS, ACCESS_NO_REGISTER, ACCESS_NO_REGISTER,
                                                1, 0 };

/* Registers 4 to 7 of one byte are AH, CH, DH and BH unless there is a REX, whatever it says. */
static void set_register(const struct reader *r, struct access *a, unsigned reg)
{
    a->operand = ACCESS_REGISTER;
    a->reg = reader_register(r, reg, REX_R);
    a->is_high_byte = a->reg_bytes == 1 && !r->prefixes.rex && a->reg >= 4;
    if (a->is_high_byte)
        a->reg = (uint8_t)(a->reg - 4);
}

static bool take_register_form(struct reader *r, struct access *a, enum form form)
{
    unsigned reg;

    if (!reader_take_memory(r, a, &reg))
        return false;
    set_register(r, a, reg);
    a->is_memory_first = form == FORM_MEMORY_FIRST;
    return true;
}

static bool take_extending(struct reader *r, struct access *a, uint8_t opcode)
{
    a->reg_bytes = operand_bytes(r, (enum code_size)a->code);
    a->width = opcode == 0x63 ? 4 : opcode & 1 ? 2 : 1;
    /* 0x63 is another instruction outside 64-bit code, and with 16 bits CPUs differ in it. */
    if (opcode == 0x63 && (a->code != CODE_64 || a->reg_bytes == 2))
        return false;
    return take_register_form(r, a, FORM_REGISTER_FIRST);
}

static bool take_immediate_form(struct reader *r, struct access *a, const struct opcode *o)
{
    unsigned reg;

    if (!reader_take_memory(r, a, &reg))
        return false;
    a->operation = groups[o->group][reg];
    a->operand = ACCESS_IMMEDIATE;
    a->is_memory_first = true;
    a->immediate = (uint64_t)reader_take_signed(
        r, o->form == FORM_BYTE_IMMEDIATE ? 1u : min((unsigned)a->width, 4u));
    return a->operation != ACCESS_NONE;
}

static bool take_moffs(struct reader *r, struct access *a, enum form form)
{
    a->memory.displacement = (int64_t)reader_take(r, a->address_bytes);
    reader_set_segment(r, &a->memory);
    a->operand = ACCESS_REGISTER;
    a->is_memory_first = form == FORM_STORE_MOFFS;
    return true;
}

/* Destinations are at ES:rDI whatever the prefixes say, sources at DS:rSI or another segment. */
static bool set_string(const struct reader *r, struct access *a)
{
    struct access_memory to = no_memory, from = no_memory;
    bool has_port = a->operation == ACCESS_INS || a->operation == ACCESS_OUTS;

    to.base = REG_RDI;
    to.segment = SEGMENT_ES;
    from.base = REG_RSI;
    reader_set_segment(r, &from);
    a->repeat = r->prefixes.repeat;
    a->is_memory_first = a->operation != ACCESS_LODS && a->operation != ACCESS_OUTS;
    a->memory = a->is_memory_first ? to : from;
    a->source = from;
    a->operand = has_port ? ACCESS_PORT : ACCESS_REGISTER;
    if (a->operation == ACCESS_MOVS)
        a->operand = ACCESS_MEMORY;
    if (has_port && a->width == 8) /* there are no 64-bit ports */
        a->width = a->reg_bytes = 4;
    return true;
}

static bool take_operands(struct reader *r, struct access *a, const struct opcode *o,
                          uint8_t opcode)
{
    a->operation = o->operation;
    a->width = a->reg_bytes = opcode & 1 ? operand_bytes(r, (enum code_size)a->code) : 1;
    switch ((enum form)o->form) {
    case FORM_EXTEND: return take_extending(r, a, opcode);
    case FORM_IMMEDIATE:
    case FORM_BYTE_IMMEDIATE: return take_immediate_form(r, a, o);
    case FORM_LOAD_MOFFS:
    case FORM_STORE_MOFFS: return take_moffs(r, a, (enum form)o->form);
    case FORM_STRING: return set_string(r, a);
    default: return take_register_form(r, a, (enum form)o->form);
    }
}

/* ---- the verdict ---- */

static const struct opcode *find_two_byte(uint8_t b)
{
    static const struct opcode movzx = { ACCESS_MOVZX, FORM_EXTEND, 0 };
    static const struct opcode movsx = { ACCESS_MOVSX, FORM_EXTEND, 0 };

    switch (b) {
    case 0xb6:
    case 0xb7: return &movzx;
    case 0xbe:
    case 0xbf: return &movsx;
    default: return NULL;
    }
}

/* NULL: none that is served. *@last: the opcode's last byte. */
static const struct opcode *take_opcode(struct reader *r, enum code_size code, uint8_t *last)
{
    *last = (uint8_t)reader_take(r, 1);
    if (*last == 0x0f) {
        *last = (uint8_t)reader_take(r, 1);
        return find_two_byte(*last);
    }
    if (*last == 0x82 && code == CODE_64) /* elsewhere the same as 0x80 */
        return NULL;
    return one_byte[*last].operation == ACCESS_NONE ? NULL : &one_byte[*last];
}

static bool is_read_and_write(const struct access *a)
{
    switch (a->operation) {
    case ACCESS_ADD:
    case ACCESS_OR:
    case ACCESS_AND:
    case ACCESS_SUB:
    case ACCESS_XOR: return a->is_memory_first;
    case ACCESS_XCHG: return true;
    default: return false;
    }
}

/* Also settles LOCK: only what reads and writes memory may have it. */
static bool set_direction(const struct reader *r, struct access *a)
{
    bool is_test = a->operation == ACCESS_CMP || a->operation == ACCESS_TEST;

    a->writes = a->is_memory_first && !is_test;
    a->reads = is_read_and_write(a) || !a->writes;
    a->is_locked = r->prefixes.has_lock || a->operation == ACCESS_XCHG;
    return is_read_and_write(a) || !r->prefixes.has_lock;
}

enum err access_decode(const uint8_t *bytes, unsigned n, enum code_size code, struct access *out)
{
    struct reader r = { .bytes = bytes, .n = min(n, INSTRUCTION_BYTES_MAX) };
    struct access a = { .code = (uint8_t)code, .memory = no_memory, .source = no_memory };
    const struct opcode *o;
    uint8_t opcode;

    r.prefixes = decode_prefixes(bytes, r.n, code == CODE_64);
    r.at = r.prefixes.bytes;
    a.address_bytes = address_bytes(&r, code);
    o = take_opcode(&r, code, &opcode);
    if (!o || !take_operands(&r, &a, o, opcode) || !set_direction(&r, &a) || r.is_short)
        return ERR_UNSUPPORTED;
    a.length = (uint8_t)r.at;
    *out = a;
    return OK;
}
