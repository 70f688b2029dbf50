/* Command lines: text in, a command of the table with its values out, or what is wrong and where.
 * Pure: the console, the control port and bulkhead.conf use the same function. */
#pragma once
#include "services/manager/command_table.h"

#define LINE_BYTES_MAX 4096u

#define GRAMMAR_ABBREVIATE 1u /* unique prefixes of nouns, verbs and keys are accepted */

struct value {
    bool is_set;
    uint32_t column;  /* of its first byte, counted from 1 */
    uint64_t number;  /* VALUE_NUMBER, VALUE_BYTES, VALUE_CPUS; VALUE_TIME: ns since 1970 */
    const char *text; /* decoded, NUL-terminated, in command_line.text */
    uint32_t n;
};

struct command_line {
    const struct command *command;              /* NULL: the line is empty */
    bool is_json, is_explained;                 /* --json, --explain was given */
    struct value values[COMMAND_ARGUMENTS_MAX]; /* in the order of command->arguments */
    uint32_t text_used;
    char text[LINE_BYTES_MAX + COMMAND_ARGUMENTS_MAX + 2];
};

struct grammar_error {
    uint32_t column; /* counted from 1 */
    char message[160];
    char accepted[240]; /* the values that would have been accepted, or what to do */
};

/* Reads one line of @n bytes (without its LF; a CR at the end is left out). False: @e says why;
 * the command, when its noun and verb were understood, stands in @out all the same. */
bool grammar_parse(const char *line, size_t n, unsigned flags, struct command_line *out,
                   struct grammar_error *e) MUST_CHECK;

/* The value of argument @key of the command in @c; one with is_set false when it was not given. */
const struct value *command_value(const struct command_line *c, const char *key);

bool name_is_good(const char *text, size_t n);

/* ---- the pieces, for completion ---- */

struct token {
    const char *text; /* as written, with its quotes */
    size_t n;
    uint32_t column;
};

/* Takes the next word at *@at. 1: there is one; 0: end of line or comment; -1: @e says why not. */
int grammar_token(const char *line, size_t n, size_t *at, struct token *out,
                  struct grammar_error *e);
