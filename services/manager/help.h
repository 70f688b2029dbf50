/* Help in its forms, all from the command table. Pure. */
#pragma once
#include "services/manager/command_table.h"
#include "services/manager/json.h"

typedef void (*help_out)(void *context, const char *text, size_t n);

/* One line per command (all, or those of @noun), and with a noun its arguments. False: no such
 * noun. */
bool help_text(const char *noun, help_out out, void *context);

/* The whole table, or the commands of @noun. */
void help_json(struct json *j, const char *noun);

/* "vm log NAME [from=]". */
size_t help_synopsis(const struct command *c, char *out, size_t capacity);

const char *value_kind_name(enum value_kind kind);
