/* Reading an instruction byte by byte, and the part of it that says where in memory an operand is:
 * ModRM, SIB, displacement. Pure.
 *
 * Source: AMD64 APM vol. 3, "ModRM and SIB Bytes". */
#pragma once
#include "lib/x86/access.h"

struct reader {
    const uint8_t *bytes;
    unsigned n, at;
    bool is_short; /* asked for more than there is: what was read since means nothing */
    struct decode_prefixes prefixes;
};

/* The next @bytes (at most 8) as a number. */
uint64_t reader_take(struct reader *r, unsigned bytes);
int64_t reader_take_signed(struct reader *r, unsigned bytes);
/* The lower three bits of @low with the REX bit @bit as the fourth. */
uint8_t reader_register(const struct reader *r, unsigned low, uint8_t bit);
bool reader_has_rex(const struct reader *r, uint8_t bit);

/* Takes ModRM and what belongs to it into @a->memory; needs @a->code and @a->address_bytes.
 * *@reg: the reg field, 0 to 7. False: the operand is a register. */
bool reader_take_memory(struct reader *r, struct access *a, unsigned *reg) MUST_CHECK;
/* The segment of @m by default or override. */
void reader_set_segment(const struct reader *r, struct access_memory *m);
