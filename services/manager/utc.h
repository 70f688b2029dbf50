/* Calendar time: ISO 8601 and the CMOS clock, as pure functions. Times are ns since 1970, UTC. */
#pragma once
#include "lib/err.h"
#include "lib/types.h"

#define UTC_TEXT_BYTES 24u

/* What the CMOS clock's registers hold, read while no update was in progress. */
struct cmos_time {
    uint8_t second, minute, hour, day, month, year, century; /* century 0: not there */
    uint8_t status_b;
};

/* ERR_FORMAT: @text is not YYYY-MM-DDThh:mm:ssZ or names no moment from 1970 to 2199. */
enum err utc_parse(const char *text, size_t n, uint64_t *ns) MUST_CHECK;

/* Writes YYYY-MM-DDThh:mm:ssZ. */
void utc_format(uint64_t ns, char out[UTC_TEXT_BYTES]);

/* Understands BCD and binary, 12 and 24 hours. ERR_IO: the registers hold no time. */
enum err utc_from_cmos(const struct cmos_time *t, uint64_t *ns) MUST_CHECK;
