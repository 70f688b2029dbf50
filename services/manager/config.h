/* Runs bulkhead.conf, a line at a time; then the host is ready. */
#pragma once
#include "services/manager/request.h"

#define CONFIG_FILE "bulkhead.conf"

struct config_state {
    uint64_t offset; /* of the next line */
    uint32_t line;   /* number of lines taken */
    uint32_t error_count;
    uint32_t is_done;
    char attach[PROGRAM_NAME_BYTES]; /* vm console NAME: joined when all is done */
};

void config_init(struct config_state *state);

/* Takes the next lines while none is waited for. True: there is more. */
bool config_pump(void);

/* What is wrong with the line of @r. */
void config_error(const struct request *r, enum error_code code, uint32_t column,
                  const char *accepted, const char *message);
void config_attach(const char *vm);

/* The next line of @file: [*@at, end) without its line end; moves *@at. False at the end. */
bool config_line(const char *file, uint64_t n, uint64_t *at, const char **line, uint64_t *line_n);
