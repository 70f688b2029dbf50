/* The little decoding that exits need where the CPU does not tell an instruction's length. Pure.
 *
 * Source: AMD64 APM vol. 3, "Instruction Encoding". */
#pragma once
#include "lib/types.h"

#define INSTRUCTION_BYTES_MAX 15u

/* An instruction that is intercepted, by its opcode bytes. */
struct decode_want {
    uint8_t opcode[3];
    uint8_t opcode_bytes;
    bool has_register; /* a ModRM with a general register in rm follows (MOV to CRn) */
    uint8_t modrm_reg; /* and this in its reg field */
};

/* The length of the instruction in @bytes[0..@n) when it is @want behind any legal prefixes, else
 * 0. *@reg: the general register, where there is one. */
unsigned decode_match(const uint8_t *bytes, unsigned n, bool is_long_mode,
                      const struct decode_want *want, unsigned *reg);
