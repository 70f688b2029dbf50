// SOURCES: lib/x86/access.c
#include "lib/x86/access.h"
#include "lib/x86/regs.h"
#include "tests/unit/test.h"

/* ---- addresses ---- */

static const uint64_t gpr[16] = {
    [REG_RBX] = 0x1111222233334444, [REG_RSP] = 0x7000, [REG_RSI] = 0xffffffff00000010, [9] = 0x20
};

static struct access access_of(enum code_size code, uint8_t address_bytes)
{
    return (struct access){
        .code = (uint8_t)code,
        .address_bytes = address_bytes,
        .length = 7,
        .memory = { SEGMENT_DS, ACCESS_NO_REGISTER, ACCESS_NO_REGISTER, 1, 0 },
    };
}

static uint64_t address(const struct access *a, uint64_t segment_base)
{
    return access_address(a, &a->memory, gpr, 0x400000, segment_base).v;
}

TEST(an_address_is_base_and_scaled_index_and_displacement)
{
    struct access a = access_of(CODE_64, 8);

    a.memory = (struct access_memory){ SEGMENT_SS, REG_RSP, 9, 8, -16 };
    EXPECT_EQ(address(&a, 0), 0x7000 + 0x20 * 8 - 16);
}

TEST(in_64_bit_code_only_fs_and_gs_have_a_base)
{
    struct access a = access_of(CODE_64, 8);

    a.memory.base = REG_RSP;
    EXPECT_EQ(address(&a, 0x5000), 0x7000);
    a.memory.segment = SEGMENT_GS;
    EXPECT_EQ(address(&a, 0x5000), 0xc000);
    a.memory.segment = SEGMENT_FS;
    EXPECT_EQ(address(&a, 0xffffffffffff0000), 0xffffffffffff7000);
}

TEST(a_short_address_wraps_before_the_segment_is_added)
{
    struct access a = access_of(CODE_64, 4);

    a.memory = (struct access_memory){ SEGMENT_FS, REG_RBX, REG_RSI, 1, -1 };
    EXPECT_EQ(address(&a, 0x100000000), 0x133334453);
    a = access_of(CODE_16, 2);
    a.memory = (struct access_memory){ SEGMENT_DS, REG_RBX, ACCESS_NO_REGISTER, 1, 0xc000 };
    EXPECT_EQ(address(&a, 0xffff0), 0xffff0 + 0x0444);
}

TEST(outside_64_bit_code_a_linear_address_has_32_bits)
{
    struct access a = access_of(CODE_32, 4);

    a.memory.base = REG_RBX;
    EXPECT_EQ(address(&a, 0xf0000000), 0x23334444);
}

TEST(rip_is_that_of_the_next_instruction)
{
    struct access a = access_of(CODE_64, 8);

    a.memory.base = ACCESS_RIP;
    a.memory.displacement = -8;
    EXPECT_EQ(address(&a, 0), 0x400000 + 7 - 8);
}

/* ---- operands ---- */

TEST(an_operand_is_cut_to_its_width)
{
    struct access a = { .operand = ACCESS_REGISTER, .reg = REG_RBX, .reg_bytes = 2 };

    EXPECT_EQ(access_operand(&a, gpr), 0x4444);
    a.reg_bytes = 8;
    EXPECT_EQ(access_operand(&a, gpr), 0x1111222233334444);
    a = (struct access){
        .operand = ACCESS_REGISTER, .reg = REG_RBX, .reg_bytes = 1, .is_high_byte = true
    };
    EXPECT_EQ(access_operand(&a, gpr), 0x44);
    a = (struct access){ .operand = ACCESS_IMMEDIATE, .width = 4, .immediate = UINT64_MAX };
    EXPECT_EQ(access_operand(&a, gpr), 0xffffffff);
}

TEST(a_register_is_set_as_the_cpu_does)
{
    static const struct {
        uint8_t bytes;
        bool is_high;
        uint64_t after;
    } cases[] = {
        { 8, false, 0xa1a2a3a4a5a6a7a8 },
        { 4, false, 0x00000000a5a6a7a8 }, /* clears the upper half */
        { 2, false, 0x111122223333a7a8 },
        { 1, false, 0x11112222333344a8 },
        { 1, true, 0x111122223333a844 },
    };

    for (unsigned i = 0; i < array_count(cases); i++) {
        struct access a = { .reg = REG_RBX,
                            .reg_bytes = cases[i].bytes,
                            .is_high_byte = cases[i].is_high };
        uint64_t r[16];

        memcpy(r, gpr, sizeof(r));
        access_set_register(&a, r, 0xa1a2a3a4a5a6a7a8);
        EXPECT_EQ(r[REG_RBX], cases[i].after);
        EXPECT_EQ(r[REG_RSP], gpr[REG_RSP]);
    }
}

/* ---- results, against the CPU that the test runs on ---- */

/* The first LEA keeps clear of the red zone; LEA leaves the flags alone. */
#define EXECUTE(instruction, type)                                                          \
    ({                                                                                      \
        type left_ = (type)left;                                                            \
                                                                                            \
        __asm__ volatile("lea -128(%%rsp), %%rsp; pushq %[flags]; popfq; " instruction      \
                         " %[right], %[left]; pushfq; popq %[flags]; lea 128(%%rsp), %%rsp" \
                         : [left] "+r"(left_), [flags] "+r"(*flags)                         \
                         : [right] "r"((type)right)                                         \
                         : "cc", "memory");                                                 \
        (uint64_t) left_;                                                                   \
    })
#define EXECUTE_ANY(instruction)                       \
    (width == 1   ? EXECUTE(instruction "b", uint8_t)  \
     : width == 2 ? EXECUTE(instruction "w", uint16_t) \
     : width == 4 ? EXECUTE(instruction "l", uint32_t) \
                  : EXECUTE(instruction "q", uint64_t))

/* The flags that an instruction leaves undefined are not asked for. */
static uint64_t execute(enum access_operation operation, unsigned width, uint64_t left,
                        uint64_t right, uint64_t *flags)
{
    switch (operation) {
    case ACCESS_ADD: return EXECUTE_ANY("add");
    case ACCESS_OR: return EXECUTE_ANY("or");
    case ACCESS_AND: return EXECUTE_ANY("and");
    case ACCESS_SUB: return EXECUTE_ANY("sub");
    case ACCESS_XOR: return EXECUTE_ANY("xor");
    case ACCESS_CMP: return EXECUTE_ANY("cmp");
    default: return EXECUTE_ANY("test");
    }
}

static uint64_t flags_defined(enum access_operation o)
{
    bool is_arithmetic = o == ACCESS_ADD || o == ACCESS_SUB || o == ACCESS_CMP;

    return is_arithmetic ? RFLAGS_STATUS : RFLAGS_STATUS & ~RFLAGS_AF;
}

static const char *compare_with_cpu(enum access_operation o, unsigned width, uint64_t left,
                                    uint64_t right, uint64_t before)
{
    static char text[200];
    uint64_t theirs = before, ours = before, mask = UINT64_MAX >> (64 - 8 * width);
    uint64_t their_result = execute(o, width, left, right, &theirs);
    uint64_t result = access_compute(o, width, left, right, &ours);
    bool is_stored = o != ACCESS_CMP && o != ACCESS_TEST;

    snprintf(text, sizeof(text),
             "operation %u, %u bytes, %" PRIx64 " and %" PRIx64 ": %" PRIx64 " flags %" PRIx64
             ", the CPU says %" PRIx64 " flags %" PRIx64,
             (unsigned)o, width, left, right, result, ours, their_result, theirs);
    if (((ours ^ theirs) & flags_defined(o)) || ((ours ^ before) & ~RFLAGS_STATUS))
        return text;
    return is_stored && ((result ^ their_result) & mask) ? text : NULL;
}

static uint64_t random_state = 7;
static uint64_t random_value(void)
{
    static const uint64_t edges[] = { 0,      1,      0x7f,       0x80,       0xff,
                                      0x7fff, 0x8000, 0x7fffffff, 0x80000000, INT64_MAX };
    uint64_t v;

    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    v = random_state * 0x2545f4914f6cdd1dull;
    if (v & 1)
        return v;
    v = edges[(v >> 32) % array_count(edges)] + (v >> 8 & 3) - 1;
    return random_state & 1 ? v : ~v;
}

TEST(results_and_flags_are_those_of_the_cpu)
{
    for (unsigned round = 0; round < 100000; round++)
        for (enum access_operation o = ACCESS_ADD; o <= ACCESS_TEST; o++)
            for (unsigned width = 1; width <= 8; width *= 2) {
                uint64_t left = random_value(), right = round % 8 ? random_value() : left;
                uint64_t before = RFLAGS_FIXED | RFLAGS_IF | (random_value() & RFLAGS_STATUS);
                const char *wrong = compare_with_cpu(o, width, left, right, before);

                if (wrong)
                    TEST_FAIL("%s", wrong);
            }
}
