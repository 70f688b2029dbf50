#include <stdarg.h>

#include "lib/format.h"
#include "services/rt/log.h"
#include "services/rt/sys.h"

void log_line(const char *fmt, ...)
{
    char line[256];
    va_list args;

    va_start(args, fmt);
    size_t n = format_v(line, sizeof(line) - 1, fmt, args);
    va_end(args);
    line[n] = '\n';
    sys_log_write(line, n + 1);
}
