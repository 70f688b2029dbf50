/* An instruction that accesses memory which is a device's, or does string port I/O, taken apart; and
 * what follows from it: its address, its operands, its result. Pure. Who decodes: decode_access.h.
 *
 * Source: AMD64 APM vol. 3, "Instruction Encoding" and the entries of the instructions. */
#pragma once
#include "lib/x86/decode.h"

/* The size of addresses and, but for 64-bit code, of operands when no prefix changes it. */
enum code_size { CODE_16 = 2, CODE_32 = 4, CODE_64 = 8 };

enum access_operation {
    ACCESS_NONE,
    ACCESS_MOV,
    ACCESS_MOVZX, /* memory to a wider register */
    ACCESS_MOVSX, /* MOVSXD too */
    ACCESS_ADD,
    ACCESS_OR,
    ACCESS_AND,
    ACCESS_SUB,
    ACCESS_XOR,
    ACCESS_CMP,
    ACCESS_TEST,
    ACCESS_XCHG,
    ACCESS_MOVS, /* the rest are string instructions, which step by width and may repeat */
    ACCESS_STOS,
    ACCESS_LODS,
    ACCESS_INS, /* the port is DX */
    ACCESS_OUTS,
};

/* What goes with the memory operand. */
enum access_operand {
    ACCESS_REGISTER,
    ACCESS_IMMEDIATE,
    ACCESS_MEMORY, /* MOVS: struct access.source */
    ACCESS_PORT,   /* INS, OUTS */
};

#define ACCESS_NO_REGISTER 0xff /* as base or index */
#define ACCESS_RIP         0xfe /* as base: the address of the next instruction */

/* Base + index * scale + displacement, cut to address_bytes, in a segment. */
struct access_memory {
    uint8_t segment; /* enum segment, overrides applied */
    uint8_t base, index;
    uint8_t scale; /* 1, 2, 4, 8 */
    int64_t displacement;
};

struct access {
    uint8_t length;        /* of the instruction, in bytes */
    uint8_t code;          /* enum code_size that it was decoded for */
    uint8_t operation;     /* enum access_operation */
    uint8_t operand;       /* enum access_operand */
    uint8_t width;         /* bytes accessed in memory (each time): 1, 2, 4, 8 */
    uint8_t address_bytes; /* 2, 4, 8; also of the count (CX, ECX, RCX) and index of a string */
    uint8_t repeat;        /* PREFIX_REP or PREFIX_REPNE of a string instruction, or 0 */
    uint8_t reg;           /* ACCESS_REGISTER: its number */
    uint8_t reg_bytes;     /* 1, 2, 4, 8; more than width with MOVZX and MOVSX */
    bool is_high_byte;     /* reg is 0 to 3 and means AH, CH, DH or BH */
    bool is_memory_first;  /* memory is the first (left) operand, be it written or not */
    bool reads, writes;    /* what it does to memory */
    bool is_locked;        /* by prefix, or an XCHG */
    uint64_t immediate;    /* ACCESS_IMMEDIATE: sign-extended */
    struct access_memory memory, source;
};

/* The linear address of @m, which is @a->memory or @a->source. @gpr: all 16, RSP too. @rip: of the
 * instruction itself. @segment_base: of @m->segment; in 64-bit code only FS and GS have one. The
 * limits of segments and canonical addresses are not checked: the CPU has just done that. */
gva_t access_address(const struct access *a, const struct access_memory *m, const uint64_t gpr[16],
                     uint64_t rip, uint64_t segment_base);

/* The value of the register or immediate operand, zero-extended from its width. */
uint64_t access_operand(const struct access *a, const uint64_t gpr[16]);
/* Sets the register operand to @value, cut to its width. 32 bits clear the upper half, fewer keep
 * the rest. */
void access_set_register(const struct access *a, uint64_t gpr[16], uint64_t value);

/* @left @operation @right in @width bytes (1, 2, 4, 8); sets OF SF ZF AF PF CF of *@rflags and
 * leaves the rest. ACCESS_ADD to ACCESS_TEST; of CMP and TEST the result is not stored. */
uint64_t access_compute(enum access_operation operation, unsigned width, uint64_t left,
                        uint64_t right, uint64_t *rflags);
