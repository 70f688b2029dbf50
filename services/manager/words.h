/* The words of a command line: where they begin and end, and what is written in them. Pure. */
#pragma once
#include "services/manager/grammar.h"

/* Both fill in @e and return false. refuse forgets what is accepted; accepts follows it. */
bool grammar_refuse(struct grammar_error *e, uint32_t column, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
bool grammar_accepts(struct grammar_error *e, const char *what);

/* Decodes @t into @out, NUL-terminated and never longer than written, and fills in text, n,
 * column and is_set of @v. False: @e says why not. */
bool word_decode(const struct token *t, enum value_kind kind, struct value *v, char *out,
                 struct grammar_error *e) MUST_CHECK;
