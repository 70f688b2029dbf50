/* What stands before an opcode, and the little decoding that exits need where the CPU does not tell
 * an instruction's length. Pure. Accesses to memory: decode_access.h.
 *
 * Source: AMD64 APM vol. 3, "Instruction Encoding". */
#pragma once
#include "lib/x86/registers.h"
#include "lib/types.h"

#define INSTRUCTION_BYTES_MAX 15u

#define REX_B 1u
#define REX_X 2u
#define REX_R 4u
#define REX_W 8u

#define PREFIX_REPNE 0xf2u
#define PREFIX_REP   0xf3u

struct decode_prefixes {
    uint8_t bytes;   /* how many there are; the opcode follows */
    uint8_t rex;     /* 0x40 to 0x4f, or 0; only 64-bit code has it, right before the opcode */
    uint8_t segment; /* enum segment: the last override that counts */
    uint8_t repeat;  /* PREFIX_REP or PREFIX_REPNE, whichever is last, or 0 */
    bool has_operand_size, has_address_size, has_lock;
};

/* The prefixes in @bytes[0..@n), which may be all of it. */
struct decode_prefixes decode_prefixes(const uint8_t *bytes, unsigned n, bool is_long_mode);

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
