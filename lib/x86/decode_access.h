/* Decodes the instructions by which guests use a device's memory, and string port I/O: MOV, MOVZX,
 * MOVSX, MOVSXD, ADD, OR, AND, SUB, XOR, CMP, TEST and XCHG with one operand in memory, MOVS, STOS,
 * LODS, INS and OUTS. All else is refused. Pure: bytes in, verdict out.
 *
 * Source: AMD64 APM vol. 3, "Instruction Encoding" and "Opcode and Operand Encodings". */
#pragma once
#include "lib/x86/access.h"
#include "lib/err.h"

/* Decodes the instruction at @bytes[0..@n), @n at most what could be fetched.
 * ERR_UNSUPPORTED: no instruction of these, one whose operands are registers, an illegal LOCK, or
 * an instruction that does not end within @n or 15 bytes. */
enum err access_decode(const uint8_t *bytes, unsigned n, enum code_size code, struct access *out)
    MUST_CHECK;
