/* What could follow on a command line that is being typed; from the table, and names of VMs and
 * modules. */
#pragma once
#include "services/manager/grammar.h"

#define COMPLETION_CANDIDATES_MAX 64u

struct completion {
    const char *line;
    size_t word; /* where the last word begins (behind key= if it has one) */
    size_t n;    /* end of the line */
    unsigned count;
    char candidates[COMPLETION_CANDIDATES_MAX][40];
};

/* Calls @add for each name that may stand for a value of @kind. */
typedef void (*completion_names)(struct completion *c, enum value_kind kind);

/* Offers @candidate; it is taken when it begins with the last word. @end is put behind it: " ",
 * "=" or "". */
void completion_offer(struct completion *c, const char *candidate, size_t n, const char *end);

void completion_find(struct completion *c, const char *line, size_t n, completion_names names);

/* How many bytes all candidates share, the last word included. */
size_t completion_common(const struct completion *c);
