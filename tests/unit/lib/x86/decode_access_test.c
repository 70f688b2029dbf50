// SOURCES: lib/x86/decode.c lib/x86/decode_access.c lib/x86/decode_memory.c
// LIBS: -lcapstone
#include "lib/x86/decode_access.h"
#include "tests/unit/lib/x86/instructions.h"
#include "tests/unit/test.h"

#define ROUNDS 1500000u

/* ---- by example ---- */

static struct access a;

static enum err decode(enum code_size code, const char *bytes, unsigned n)
{
    memset(&a, 0xee, sizeof(a));
    return access_decode((const uint8_t *)bytes, n, code, &a);
}
#define DECODE(code, bytes) decode(code, bytes, sizeof(bytes) - 1)

TEST(a_load_says_where_from_and_where_to)
{
    EXPECT_EQ(DECODE(CODE_64, "\x46\x8b\x4c\xa3\xf0\x90"), OK); /* mov r9d, [rbx + r12*4 - 16] */
    EXPECT_EQ(a.length, 5);
    EXPECT_EQ(a.operation, ACCESS_MOV);
    EXPECT(a.reads && !a.writes && !a.is_locked && !a.is_memory_first);
    EXPECT_EQ(a.operand, ACCESS_REGISTER);
    EXPECT_EQ(a.reg, 9);
    EXPECT_EQ(a.width, 4);
    EXPECT_EQ(a.reg_bytes, 4);
    EXPECT_EQ(a.memory.base, REG_RBX);
    EXPECT_EQ(a.memory.index, 12);
    EXPECT_EQ(a.memory.scale, 4);
    EXPECT_EQ(a.memory.displacement, -16);
    EXPECT_EQ(a.memory.segment, SEGMENT_DS);
    EXPECT_EQ(a.address_bytes, 8);
}

TEST(a_store_of_an_immediate_has_it_sign_extended)
{
    EXPECT_EQ(DECODE(CODE_64, "\x48\xc7\x05\x10\0\0\0\xfe\xff\xff\xff"), OK);
    EXPECT_EQ(a.length, 11);
    EXPECT(a.writes && !a.reads && a.is_memory_first);
    EXPECT_EQ(a.operand, ACCESS_IMMEDIATE);
    EXPECT_EQ(a.immediate, -2);
    EXPECT_EQ(a.width, 8);
    EXPECT_EQ(a.memory.base, ACCESS_RIP);
    EXPECT_EQ(a.memory.displacement, 16);
}

TEST(registers_four_to_seven_of_one_byte_depend_on_rex)
{
    EXPECT_EQ(DECODE(CODE_64, "\x88\x20"), OK); /* mov [rax], ah */
    EXPECT(a.is_high_byte);
    EXPECT_EQ(a.reg, REG_RAX);
    EXPECT_EQ(DECODE(CODE_64, "\x40\x88\x20"), OK); /* mov [rax], spl */
    EXPECT(!a.is_high_byte);
    EXPECT_EQ(a.reg, REG_RSP);
    EXPECT_EQ(DECODE(CODE_64, "\x40\x66\x88\x20"), OK); /* this REX does not count */
    EXPECT(a.is_high_byte);
}

TEST(widening_moves_read_less_than_they_set)
{
    EXPECT_EQ(DECODE(CODE_64, "\x48\x0f\xb6\x00"), OK);
    EXPECT_EQ(a.operation, ACCESS_MOVZX);
    EXPECT(a.width == 1 && a.reg_bytes == 8);
    EXPECT_EQ(DECODE(CODE_32, "\x0f\xbf\x00"), OK);
    EXPECT_EQ(a.operation, ACCESS_MOVSX);
    EXPECT(a.width == 2 && a.reg_bytes == 4);
    EXPECT_EQ(DECODE(CODE_64, "\x48\x63\x00"), OK);
    EXPECT_EQ(a.operation, ACCESS_MOVSX);
    EXPECT(a.width == 4 && a.reg_bytes == 8);
    EXPECT_EQ(DECODE(CODE_32, "\x63\x00"), ERR_UNSUPPORTED); /* ARPL */
}

TEST(string_instructions_have_fixed_operands)
{
    EXPECT_EQ(DECODE(CODE_64, "\xf3\x64\x48\xa5"), OK); /* rep movsq, from FS */
    EXPECT_EQ(a.repeat, PREFIX_REP);
    EXPECT_EQ(a.operand, ACCESS_MEMORY);
    EXPECT_EQ(a.width, 8);
    EXPECT_EQ(a.memory.segment, SEGMENT_ES);
    EXPECT_EQ(a.memory.base, REG_RDI);
    EXPECT_EQ(a.source.segment, SEGMENT_FS);
    EXPECT_EQ(a.source.base, REG_RSI);
    EXPECT_EQ(DECODE(CODE_32, "\x67\x6d"), OK); /* insd to ES:DI */
    EXPECT_EQ(a.operand, ACCESS_PORT);
    EXPECT(a.writes && !a.reads && a.width == 4 && a.address_bytes == 2);
    EXPECT_EQ(DECODE(CODE_64, "\x48\x6f"), OK); /* ports have at most 32 bits */
    EXPECT(a.reads && !a.writes && a.width == 4);
    EXPECT_EQ(DECODE(CODE_64, "\xf3\x8b\x00"), OK);
    EXPECT_EQ(a.repeat, 0); /* only strings repeat */
}

TEST(an_absolute_address_is_as_long_as_addresses_are)
{
    EXPECT_EQ(DECODE(CODE_64, "\xa1\x88\x77\x66\x55\x44\x33\x22\x81"), OK);
    EXPECT_EQ(a.memory.displacement, 0x8122334455667788ull);
    EXPECT_EQ(a.memory.base, ACCESS_NO_REGISTER);
    EXPECT_EQ(DECODE(CODE_64, "\x67\xa2\x44\x33\x22\x81"), OK);
    EXPECT_EQ(a.memory.displacement, 0x81223344);
    EXPECT(a.writes && a.width == 1);
    EXPECT_EQ(DECODE(CODE_16, "\xa3\x22\x81"), OK);
    EXPECT_EQ(a.memory.displacement, 0x8122);
    EXPECT_EQ(a.width, 2);
}

TEST(lock_is_for_what_reads_and_writes_memory)
{
    EXPECT_EQ(DECODE(CODE_64, "\xf0\x01\x00"), OK); /* add [rax], eax */
    EXPECT(a.is_locked && a.reads && a.writes);
    EXPECT_EQ(DECODE(CODE_64, "\x87\x00"), OK); /* an xchg always is */
    EXPECT(a.is_locked && a.reads && a.writes);
    EXPECT_EQ(DECODE(CODE_64, "\xf0\x87\x00"), OK);
    EXPECT_EQ(DECODE(CODE_64, "\xf0\x83\x08\x01"), OK);              /* or [rax], 1 */
    EXPECT_EQ(DECODE(CODE_64, "\xf0\x03\x00"), ERR_UNSUPPORTED);     /* add eax, [rax] */
    EXPECT_EQ(DECODE(CODE_64, "\xf0\x89\x00"), ERR_UNSUPPORTED);     /* mov */
    EXPECT_EQ(DECODE(CODE_64, "\xf0\x39\x00"), ERR_UNSUPPORTED);     /* cmp */
    EXPECT_EQ(DECODE(CODE_64, "\xf0\x85\x00"), ERR_UNSUPPORTED);     /* test */
    EXPECT_EQ(DECODE(CODE_64, "\xf0\x83\x38\x01"), ERR_UNSUPPORTED); /* cmp [rax], 1 */
    EXPECT_EQ(DECODE(CODE_64, "\xf0\xa4"), ERR_UNSUPPORTED);         /* movs */
}

TEST(what_is_not_served_is_refused)
{
    EXPECT_EQ(DECODE(CODE_64, "\x8b\xc0"), ERR_UNSUPPORTED);         /* no memory */
    EXPECT_EQ(DECODE(CODE_64, "\x11\x00"), ERR_UNSUPPORTED);         /* adc */
    EXPECT_EQ(DECODE(CODE_64, "\x83\x10\x01"), ERR_UNSUPPORTED);     /* adc with an immediate */
    EXPECT_EQ(DECODE(CODE_64, "\xf7\x18\0\0\0\0"), ERR_UNSUPPORTED); /* neg */
    EXPECT_EQ(DECODE(CODE_64, "\xc7\x08\0\0\0\0"), ERR_UNSUPPORTED); /* c7 /1 is none */
    EXPECT_EQ(DECODE(CODE_64, "\x8c\x00"), ERR_UNSUPPORTED);         /* a segment register */
    EXPECT_EQ(DECODE(CODE_64, "\xa6"), ERR_UNSUPPORTED);             /* cmps */
    EXPECT_EQ(DECODE(CODE_64, "\x0f\xaf\x00"), ERR_UNSUPPORTED);     /* imul */
    EXPECT_EQ(DECODE(CODE_64, "\x82\x00\x01"), ERR_UNSUPPORTED);     /* not in 64-bit code, */
    EXPECT_EQ(DECODE(CODE_32, "\x82\x00\x01"), OK);                  /* but elsewhere as 0x80 */
}

TEST(a_refusal_changes_nothing)
{
    struct access before;

    EXPECT_EQ(DECODE(CODE_64, "\xc7\x05\0\0\0\0\0\0\0"), ERR_UNSUPPORTED);
    memset(&before, 0xee, sizeof(before));
    EXPECT(memcmp(&a, &before, sizeof(a)) == 0);
}

TEST(an_instruction_must_end_within_its_bytes_and_within_fifteen)
{
    static const char longest[] = "\x66\x66\x66\x66\x66\x66\x66\x66\x8b\x84\x88\x11\x22\x33\x44";

    for (unsigned n = 0; n < 15; n++)
        EXPECT_EQ(decode(CODE_32, longest, n), ERR_UNSUPPORTED);
    EXPECT_EQ(decode(CODE_32, longest, 15), OK);
    EXPECT_EQ(a.length, 15);
    EXPECT_EQ(DECODE(CODE_32, "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x8b\x84\x88\x11\x22\x33\x44"),
              ERR_UNSUPPORTED);
    EXPECT_EQ(DECODE(CODE_64, "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66"),
              ERR_UNSUPPORTED);
}

/* ---- against Capstone ---- */

static enum access_operation operation_of(const cs_insn *i)
{
    switch (i->id) {
    case X86_INS_MOV:
    case X86_INS_MOVABS: return ACCESS_MOV;
    case X86_INS_MOVZX: return ACCESS_MOVZX;
    case X86_INS_MOVSX:
    case X86_INS_MOVSXD: return ACCESS_MOVSX;
    case X86_INS_ADD: return ACCESS_ADD;
    case X86_INS_OR: return ACCESS_OR;
    case X86_INS_AND: return ACCESS_AND;
    case X86_INS_SUB: return ACCESS_SUB;
    case X86_INS_XOR: return ACCESS_XOR;
    case X86_INS_CMP: return ACCESS_CMP;
    case X86_INS_TEST: return ACCESS_TEST;
    case X86_INS_XCHG: return ACCESS_XCHG;
    case X86_INS_MOVSB:
    case X86_INS_MOVSW:
    case X86_INS_MOVSQ: return ACCESS_MOVS;
    case X86_INS_MOVSD: /* an SSE instruction has the same name */
        return i->detail->x86.opcode[0] == 0xa5 ? ACCESS_MOVS : ACCESS_NONE;
    case X86_INS_STOSB:
    case X86_INS_STOSW:
    case X86_INS_STOSD:
    case X86_INS_STOSQ: return ACCESS_STOS;
    case X86_INS_LODSB:
    case X86_INS_LODSW:
    case X86_INS_LODSD:
    case X86_INS_LODSQ: return ACCESS_LODS;
    case X86_INS_INSB:
    case X86_INS_INSW:
    case X86_INS_INSD: return ACCESS_INS;
    case X86_INS_OUTSB:
    case X86_INS_OUTSW:
    case X86_INS_OUTSD: return ACCESS_OUTS;
    default: return ACCESS_NONE;
    }
}

static uint8_t segment_of(x86_reg reg)
{
    switch (reg) {
    case X86_REG_ES: return SEGMENT_ES;
    case X86_REG_CS: return SEGMENT_CS;
    case X86_REG_SS: return SEGMENT_SS;
    case X86_REG_DS: return SEGMENT_DS;
    case X86_REG_FS: return SEGMENT_FS;
    case X86_REG_GS: return SEGMENT_GS;
    default: return SEGMENT_NONE;
    }
}

static const cs_x86_op *memory_of(const cs_insn *i, unsigned nth)
{
    const cs_x86 *x = &i->detail->x86;

    for (unsigned n = 0; n < x->op_count; n++)
        if (x->operands[n].type == X86_OP_MEM && nth-- == 0)
            return &x->operands[n];
    return NULL;
}

/* One of the kinds that are served: with memory and a general register, number or memory. */
static bool is_served(const cs_insn *i)
{
    const cs_x86 *x = &i->detail->x86;

    if (operation_of(i) == ACCESS_NONE || !memory_of(i, 0))
        return false;
    for (unsigned n = 0; n < x->op_count; n++)
        if (x->operands[n].type == X86_OP_REG && !register_of(x->operands[n].reg).bytes)
            return false; /* a segment register */
    return true;
}

static bool may_lock(const cs_insn *i)
{
    enum access_operation o = operation_of(i);

    return o == ACCESS_XCHG ||
           (o >= ACCESS_ADD && o <= ACCESS_XOR && i->detail->x86.operands[0].type == X86_OP_MEM);
}

/* What we refuse although Capstone does not: an illegal LOCK, which it lets pass, and MOVSXD with
 * 16-bit operands, which is not the same on all CPUs. */
static bool is_refused_on_purpose(const struct decode_prefixes *p, const cs_insn *i)
{
    if (i->id == X86_INS_MOVSXD && p->has_operand_size && !(p->rex & REX_W))
        return true;
    return p->has_lock && !may_lock(i);
}

/* Capstone 4.0 takes string I/O with REX.W for one of 16 bits. */
static bool is_width_known(const struct access *our, const struct decode_prefixes *p)
{
    return our->operand != ACCESS_PORT || !(p->rex & REX_W);
}

/* And the register of every MOVSXD for one of 64 bits. */
static bool is_register_width_known(const cs_insn *i)
{
    return i->id != X86_INS_MOVSXD || (i->detail->x86.rex & REX_W);
}

static uint8_t default_segment(uint8_t base)
{
    return base == REG_RSP || base == REG_RBP ? SEGMENT_SS : SEGMENT_DS;
}

static bool is_same_segment(const struct access *our, const struct access_memory *m,
                            const cs_x86_op *op)
{
    uint8_t segment = segment_of(op->mem.segment);

    if (segment == SEGMENT_NONE)
        segment = default_segment(m->base);
    if (our->code == CODE_64 && m->segment < SEGMENT_FS && segment < SEGMENT_FS)
        return true; /* they are all flat, and Capstone still shows the override */
    return segment == m->segment;
}

/* What they disagree about, or NULL. */
static const char *compare_memory(const struct access *our, const struct access_memory *m,
                                  const cs_x86_op *op)
{
    struct named_register base = register_of(op->mem.base), index = register_of(op->mem.index);
    bool is_rip = op->mem.base == X86_REG_RIP || op->mem.base == X86_REG_EIP;
    uint64_t mask = UINT64_MAX >> (64 - 8 * our->address_bytes);

    if (m->base != (base.bytes ? base.number : is_rip ? ACCESS_RIP : ACCESS_NO_REGISTER))
        return "base";
    if (m->index != (index.bytes ? index.number : ACCESS_NO_REGISTER))
        return "index";
    if (index.bytes && m->scale != op->mem.scale)
        return "scale";
    if (((uint64_t)m->displacement ^ (uint64_t)op->mem.disp) & mask)
        return "displacement";
    if ((base.bytes && base.bytes != our->address_bytes) ||
        (index.bytes && index.bytes != our->address_bytes))
        return "size of the address registers";
    return is_same_segment(our, m, op) ? NULL : "segment";
}

static const char *compare_operand(const struct access *our, const cs_insn *i, const cs_x86_op *op)
{
    struct named_register r = register_of(op->reg);
    uint64_t mask = UINT64_MAX >> (64 - 8 * our->width);

    if (op->type == X86_OP_IMM) {
        bool is_same =
            our->operand == ACCESS_IMMEDIATE && !((our->immediate ^ (uint64_t)op->imm) & mask);
        return is_same ? NULL : "immediate";
    }
    if (our->operand == ACCESS_PORT)
        return op->reg == X86_REG_DX ? NULL : "port";
    if (our->operand != ACCESS_REGISTER || our->reg != r.number || our->is_high_byte != r.is_high)
        return "register";
    return our->reg_bytes == r.bytes || !is_register_width_known(i) ? NULL : "register's width";
}

/* Capstone 4.0 does not know what TEST and string I/O do to memory. */
static bool is_same_direction(const struct access *our, const cs_x86_op *memory)
{
    if (our->operation == ACCESS_TEST || our->operand == ACCESS_PORT)
        return our->writes == (our->operation == ACCESS_INS) && our->reads != our->writes;
    return our->reads == !!(memory->access & CS_AC_READ) &&
           our->writes == !!(memory->access & CS_AC_WRITE);
}

/* It also takes REPNE MOVSD for the SSE instruction; and see simplify(). */
static bool is_same_repeat(const struct access *our, const struct decode_prefixes *p,
                           const cs_insn *i)
{
    if (our->operation < ACCESS_MOVS)
        return !our->repeat;
    if (p->has_operand_size || i->id == X86_INS_MOVSD)
        return our->repeat == p->repeat;
    return our->repeat == i->detail->x86.prefix[0];
}

static const char *compare(const struct access *our, const struct decode_prefixes *p,
                           unsigned left_out, const cs_insn *i)
{
    const cs_x86 *x = &i->detail->x86;
    const char *wrong = NULL;

    if (our->length != i->size + left_out)
        return "length";
    if (!is_served(i) || operation_of(i) != our->operation)
        return "operation";
    if (is_width_known(our, p) && our->width != memory_of(i, 0)->size)
        return "width";
    if (our->address_bytes != x->addr_size)
        return "size of addresses";
    if (!is_same_direction(our, memory_of(i, 0)))
        return "direction";
    if (!is_same_repeat(our, p, i))
        return "repeat";
    if (our->is_memory_first != (x->operands[0].type == X86_OP_MEM))
        return "order";
    for (unsigned n = 0; n < x->op_count && !wrong; n++)
        if (x->operands[n].type != X86_OP_MEM)
            wrong = compare_operand(our, i, &x->operands[n]);
    if (!wrong)
        wrong = compare_memory(our, &our->memory, memory_of(i, 0));
    if (!wrong && our->operand == ACCESS_MEMORY)
        wrong = compare_memory(our, &our->source, memory_of(i, 1));
    return wrong;
}

/* An opcode that is served or lies near one that is; mostly with an operand in memory. */
static void make_likely(uint8_t bytes[32])
{
    static const uint8_t other[] = { 0x63, 0x6c, 0x6d, 0x6e, 0x6f, 0x80, 0x81, 0x82, 0x83, 0x84,
                                     0x85, 0x86, 0x87, 0xc6, 0xc7, 0xf6, 0xf7, 0x8c, 0x8e, 0x62 };
    static const uint8_t behind_0f[] = { 0xb6, 0xb7, 0xbe, 0xbf, 0xb6, 0xbf, 0xaf, 0xc1 };
    unsigned at = random_prefixes(bytes), kind = random_below(8);

    if (kind == 0) {
        bytes[at++] = 0x0f;
        bytes[at++] = (uint8_t)PICK(behind_0f);
    } else {
        bytes[at++] = (uint8_t)(kind < 3   ? random_below(0x40)
                                : kind < 5 ? PICK(other)
                                : kind < 7 ? 0x88 + random_below(4)
                                           : 0xa0 + random_below(16));
    }
    if (random_below(4))
        bytes[at] &= random_below(2) ? 0x7f : 0xbf;
}

static bool is_ignored_override(uint8_t b)
{
    return b == 0x26 || b == 0x2e || b == 0x36 || b == 0x3e;
}

/* Copies @n bytes to @out without prefixes that change nothing, where Capstone 4.0 stumbles over
 * them: a repeat prefix beside 0x66 makes it forget the latter, and in 64-bit code it lets an
 * override that is ignored void an FS or GS before it, which real CPUs do not. Returns how many
 * bytes it left out. */
static unsigned simplify(const uint8_t *bytes, unsigned n, const struct decode_prefixes *p,
                         bool is_long_mode, uint8_t out[32])
{
    unsigned at = 0;

    for (unsigned i = 0; i < n; i++) {
        bool is_prefix = i < p->bytes, is_repeat = bytes[i] == 0xf2 || bytes[i] == 0xf3;
        bool is_void_rex = is_long_mode && (bytes[i] & 0xf0) == 0x40 && i + 1u < p->bytes;

        if (is_prefix && ((p->has_operand_size && is_repeat) || is_void_rex ||
                          (is_long_mode && is_ignored_override(bytes[i]))))
            continue;
        out[at++] = bytes[i];
    }
    return n - at;
}

/* NULL, or what is wrong between us and Capstone. */
static const char *judge(unsigned mode, const uint8_t *bytes, unsigned n, unsigned *accepted)
{
    bool is_long_mode = modes[mode].code_bytes == CODE_64;
    struct decode_prefixes p = decode_prefixes(bytes, n, is_long_mode);
    uint8_t simple[32];
    unsigned left_out = simplify(bytes, n, &p, is_long_mode, simple);
    const cs_insn *i = capstone_decode(mode, simple, n - left_out);
    struct access our;
    const char *wrong;

    if (access_decode(bytes, n, (enum code_size)modes[mode].code_bytes, &our) == OK) {
        (*accepted)++;
        wrong = i ? compare(&our, &p, left_out, i) : "it refuses";
    } else {
        wrong = i && is_served(i) && !is_refused_on_purpose(&p, i) ? "we refuse" : NULL;
    }
    return wrong ? instruction_text(mode, bytes, n, i, wrong) : NULL;
}

TEST(capstone_agrees_in_both_directions)
{
    unsigned accepted = 0;
    const char *wrong = NULL;

    capstone_open();
    for (unsigned round = 0; round < ROUNDS && !wrong; round++) {
        uint8_t bytes[32];

        random_fill(bytes);
        random_fill(bytes + 16);
        if (round % 4)
            make_likely(bytes);
        wrong = judge(round % 3, bytes, random_bytes_left(), &accepted);
    }
    capstone_close();
    if (wrong)
        TEST_FAIL("%s", wrong);
    EXPECT(accepted > ROUNDS / 4);
}
