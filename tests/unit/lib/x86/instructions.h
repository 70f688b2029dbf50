/* Instructions to decode: random bytes with a fixed seed, and another decoder to compare with. */
#pragma once
#include <capstone/capstone.h>

#include "lib/x86/decode.h"

static const struct mode {
    uint8_t code_bytes; /* 2, 4, 8: 16-, 32-, 64-bit code */
    cs_mode capstone;
} modes[] = { { 2, CS_MODE_16 }, { 4, CS_MODE_32 }, { 8, CS_MODE_64 } };

static uint64_t seed = 0x9e3779b97f4a7c15ull;

static inline unsigned random_below(unsigned n)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (unsigned)((seed * 0x2545f4914f6cdd1dull >> 32) % n);
}

static inline unsigned pick(const uint8_t *from, size_t count)
{
    return from[random_below((unsigned)count)];
}
#define PICK(array) pick(array, sizeof(array))

static inline void random_fill(uint8_t bytes[16])
{
    for (unsigned i = 0; i < 16; i++)
        bytes[i] = (uint8_t)random_below(256);
}

/* Random bytes that begin with some prefixes, seldom many; returns how many, at most 15. */
static inline unsigned random_prefixes(uint8_t bytes[16])
{
    static const uint8_t legacy[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66,
                                      0x66, 0x67, 0x67, 0xf0, 0xf2, 0xf3 };
    unsigned at = 0, count = random_below(3) ? random_below(3) : random_below(13);

    random_fill(bytes);
    while (at < count)
        bytes[at++] = (uint8_t)PICK(legacy);
    if (random_below(3) == 0)
        bytes[at++] = (uint8_t)(0x40 + random_below(16));
    if (random_below(40) == 0) /* behind a REX, which it voids */
        bytes[at++] = (uint8_t)PICK(legacy);
    return at;
}

/* How many bytes there are to read: mostly as many as an instruction may have. */
static inline unsigned random_bytes_left(void)
{
    return random_below(16) ? INSTRUCTION_BYTES_MAX : random_below(16);
}

/* Capstone for each of the modes. */
static csh capstone[3];
static cs_insn *found;

static inline void capstone_open(void)
{
    for (unsigned m = 0; m < 3; m++) {
        cs_open(CS_ARCH_X86, modes[m].capstone, &capstone[m]);
        cs_option(capstone[m], CS_OPT_DETAIL, CS_OPT_ON);
    }
    found = cs_malloc(capstone[0]);
}

static inline void capstone_close(void)
{
    cs_free(found, 1);
    for (unsigned m = 0; m < 3; m++)
        cs_close(&capstone[m]);
}

/* NULL: it finds no instruction. */
static inline const cs_insn *capstone_decode(unsigned mode, const uint8_t *bytes, size_t n)
{
    uint64_t address = 0;

    return cs_disasm_iter(capstone[mode], &bytes, &n, &address, found) ? found : NULL;
}

/* "64-bit 48 8b 00 (mov rax, qword ptr [rax]): wrong" */
static inline const char *instruction_text(unsigned mode, const uint8_t *bytes, unsigned n,
                                           const cs_insn *i, const char *wrong)
{
    static char text[400];
    int at = snprintf(text, sizeof(text), "%u-bit ", 8u * modes[mode].code_bytes);

    for (unsigned k = 0; k < n; k++)
        at += snprintf(text + at, sizeof(text) - (size_t)at, "%02x ", bytes[k]);
    snprintf(text + at, sizeof(text) - (size_t)at, "(%s %s): %s", i ? i->mnemonic : "nothing",
             i ? i->op_str : "", wrong);
    return text;
}

/* The number and size of a general register; bytes 0: it is none. */
struct named_register {
    uint8_t number, bytes;
    bool is_high;
};

static inline struct named_register register_of(x86_reg reg)
{
    static const x86_reg low[4][16] = {
        { X86_REG_AL, X86_REG_CL, X86_REG_DL, X86_REG_BL, X86_REG_SPL, X86_REG_BPL, X86_REG_SIL,
          X86_REG_DIL, X86_REG_R8B, X86_REG_R9B, X86_REG_R10B, X86_REG_R11B, X86_REG_R12B,
          X86_REG_R13B, X86_REG_R14B, X86_REG_R15B },
        { X86_REG_AX, X86_REG_CX, X86_REG_DX, X86_REG_BX, X86_REG_SP, X86_REG_BP, X86_REG_SI,
          X86_REG_DI, X86_REG_R8W, X86_REG_R9W, X86_REG_R10W, X86_REG_R11W, X86_REG_R12W,
          X86_REG_R13W, X86_REG_R14W, X86_REG_R15W },
        { X86_REG_EAX, X86_REG_ECX, X86_REG_EDX, X86_REG_EBX, X86_REG_ESP, X86_REG_EBP, X86_REG_ESI,
          X86_REG_EDI, X86_REG_R8D, X86_REG_R9D, X86_REG_R10D, X86_REG_R11D, X86_REG_R12D,
          X86_REG_R13D, X86_REG_R14D, X86_REG_R15D },
        { X86_REG_RAX, X86_REG_RCX, X86_REG_RDX, X86_REG_RBX, X86_REG_RSP, X86_REG_RBP, X86_REG_RSI,
          X86_REG_RDI, X86_REG_R8, X86_REG_R9, X86_REG_R10, X86_REG_R11, X86_REG_R12, X86_REG_R13,
          X86_REG_R14, X86_REG_R15 },
    };
    static const x86_reg high[4] = { X86_REG_AH, X86_REG_CH, X86_REG_DH, X86_REG_BH };

    for (unsigned i = 0; i < 64; i++)
        if (low[i / 16][i % 16] == reg)
            return (struct named_register){ (uint8_t)(i % 16), (uint8_t)(1u << i / 16), false };
    for (unsigned i = 0; i < 4; i++)
        if (high[i] == reg)
            return (struct named_register){ (uint8_t)i, 1, true };
    return (struct named_register){ 0 };
}
