// SOURCES: lib/x86/decode.c
// LIBS: -lcapstone
#include "lib/x86/decode.h"
#include "tests/unit/lib/x86/instructions.h"
#include "tests/unit/test.h"

#define ROUNDS 1000000u

static const struct decode_want cpuid_want = { { 0x0f, 0xa2 }, 2, false, 0 };
static const struct decode_want cr4_want = { { 0x0f, 0x22 }, 2, true, 4 };
static const struct decode_want cr8_want = { { 0x0f, 0x22 }, 2, true, 8 };

static unsigned match(const struct decode_want *want, bool is_long, const char *bytes, unsigned n,
                      unsigned *reg)
{
    return decode_match((const uint8_t *)bytes, n, is_long, want, reg);
}

TEST(a_plain_instruction_has_its_own_length)
{
    unsigned reg;

    EXPECT_EQ(match(&cpuid_want, true, "\x0f\xa2\x90", 3, &reg), 2);
}

TEST(prefixes_count)
{
    unsigned reg;

    EXPECT_EQ(match(&cpuid_want, true, "\x66\xf3\x2e\x0f\xa2", 5, &reg), 5);
    EXPECT_EQ(match(&cpuid_want, true, "\x48\x0f\xa2", 3, &reg), 3);
    EXPECT_EQ(match(&cpuid_want, true, "\x48\x66\x0f\xa2", 4, &reg), 4);
}

TEST(rex_is_an_instruction_outside_long_mode)
{
    unsigned reg;

    EXPECT_EQ(match(&cpuid_want, false, "\x48\x0f\xa2", 3, &reg), 0);
}

TEST(another_instruction_does_not_match)
{
    unsigned reg;

    EXPECT_EQ(match(&cpuid_want, true, "\x0f\xa3", 2, &reg), 0);
    EXPECT_EQ(match(&cpuid_want, true, "\xf0\x0f\xa2", 3, &reg), 0);
}

TEST(what_ends_too_early_does_not_match)
{
    unsigned reg;

    EXPECT_EQ(match(&cpuid_want, true, "\x0f", 1, &reg), 0);
    EXPECT_EQ(match(&cpuid_want, true, "", 0, &reg), 0);
    EXPECT_EQ(match(&cr4_want, true, "\x0f\x22", 2, &reg), 0);
}

TEST(fifteen_bytes_is_the_longest)
{
    unsigned reg;
    char bytes[17];

    memset(bytes, 0x66, sizeof(bytes));
    memcpy(bytes + 13, "\x0f\xa2", 2);
    EXPECT_EQ(match(&cpuid_want, true, bytes, 17, &reg), 15);
    memset(bytes, 0x66, sizeof(bytes));
    memcpy(bytes + 14, "\x0f\xa2", 2);
    EXPECT_EQ(match(&cpuid_want, true, bytes, 17, &reg), 0);
}

TEST(the_general_register_of_a_control_register_move_is_found)
{
    unsigned reg = 99;

    EXPECT_EQ(match(&cr4_want, true, "\x0f\x22\xe0", 3, &reg), 3);
    EXPECT_EQ(reg, 0);
    EXPECT_EQ(match(&cr4_want, true, "\x41\x0f\x22\xe7", 4, &reg), 4);
    EXPECT_EQ(reg, 15);
    EXPECT_EQ(match(&cr8_want, true, "\x44\x0f\x22\xc3", 4, &reg), 4);
    EXPECT_EQ(reg, 3);
    EXPECT_EQ(match(&cr4_want, true, "\x0f\x22\xd8", 3, &reg), 0); /* CR3 */
}

/* ---- against Capstone ---- */

/* What is intercepted, with Capstone's name for it. */
static const struct kind {
    struct decode_want want;
    x86_insn id;
    x86_reg control_register; /* MOV to or from it */
} kinds[] = {
    { { { 0x0f, 0xa2 }, 2, false, 0 }, X86_INS_CPUID, 0 },
    { { { 0x0f, 0x32 }, 2, false, 0 }, X86_INS_RDMSR, 0 },
    { { { 0x0f, 0x30 }, 2, false, 0 }, X86_INS_WRMSR, 0 },
    { { { 0x0f, 0x01, 0xd9 }, 3, false, 0 }, X86_INS_VMMCALL, 0 },
    { { { 0x0f, 0x01, 0xd1 }, 3, false, 0 }, X86_INS_XSETBV, 0 },
    { { { 0x0f, 0x08 }, 2, false, 0 }, X86_INS_INVD, 0 },
    { { { 0x0f, 0x09 }, 2, false, 0 }, X86_INS_WBINVD, 0 },
    { { { 0xf4 }, 1, false, 0 }, X86_INS_HLT, 0 },
    { { { 0x0f, 0x20 }, 2, true, 4 }, X86_INS_MOV, X86_REG_CR4 },
    { { { 0x0f, 0x22 }, 2, true, 4 }, X86_INS_MOV, X86_REG_CR4 },
    { { { 0x0f, 0x22 }, 2, true, 8 }, X86_INS_MOV, X86_REG_CR8 },
};

static bool is_kind(const struct kind *k, const cs_insn *i)
{
    const cs_x86 *x = &i->detail->x86;
    unsigned control = k->want.opcode[1] == 0x20 ? 1 : 0;

    if (i->id != k->id || !k->control_register)
        return i->id == k->id;
    return x->opcode[0] == 0x0f && x->opcode[1] == k->want.opcode[1] &&
           x->operands[control].reg == k->control_register;
}

static const char *compare(const struct kind *k, unsigned mode, const uint8_t *bytes, unsigned n,
                           unsigned *matched)
{
    const cs_insn *i = capstone_decode(mode, bytes, n);
    bool is_long_mode = modes[mode].code_bytes == 8;
    bool has_lock = decode_prefixes(bytes, n, is_long_mode).has_lock;
    unsigned reg = 99, length = decode_match(bytes, n, is_long_mode, &k->want, &reg);
    const char *wrong = NULL;

    *matched += length != 0;
    if (!length)
        wrong = i && is_kind(k, i) && !has_lock ? "we refuse" : NULL;
    else if (!i || !is_kind(k, i))
        wrong = "it finds another";
    else if (length != i->size)
        wrong = "length";
    else if (k->want.has_register &&
             register_of(i->detail->x86.operands[k->want.opcode[1] == 0x20 ? 0 : 1].reg).number !=
                 reg)
        wrong = "register";
    return wrong ? instruction_text(mode, bytes, n, i, wrong) : NULL;
}

TEST(capstone_agrees_in_both_directions)
{
    const char *wrong = NULL;
    unsigned matched = 0;

    capstone_open();
    for (unsigned round = 0; round < ROUNDS && !wrong; round++) {
        const struct kind *k = &kinds[random_below(array_count(kinds))];
        uint8_t bytes[32];
        unsigned at = random_prefixes(bytes);

        if (round % 8)
            memcpy(bytes + at, k->want.opcode, k->want.opcode_bytes);
        wrong = compare(k, round % 3, bytes, random_bytes_left(), &matched);
    }
    capstone_close();
    if (wrong)
        TEST_FAIL("%s", wrong);
    EXPECT(matched > ROUNDS / 4);
}
