#include "lib/err.h"

const char *err_name(enum err err)
{
    static const char *const names[ERR_COUNT] = {
        "ok",   "argument", "handle", "rights",      "memory", "state",     "timed-out", "empty",
        "full", "guest",    "gone",   "unsupported", "format", "not-found", "exists",    "io",
    };

    return (unsigned)err < ERR_COUNT ? names[err] : "unknown";
}
