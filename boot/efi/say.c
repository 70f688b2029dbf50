#include <stdarg.h>

#include "boot/efi/loader.h"
#include "lib/format.h"

void say(const char *fmt, ...)
{
    char line[240];
    CHAR16 wide[sizeof(line) + 3];
    va_list args;
    UINTN i, n;

    va_start(args, fmt);
    n = format_v(line, sizeof(line), fmt, args);
    va_end(args);
    for (i = 0; i < n; i++)
        wide[i] = (CHAR16)(unsigned char)line[i];
    wide[n] = '\r';
    wide[n + 1] = '\n';
    wide[n + 2] = 0;
    ST->ConOut->OutputString(ST->ConOut, wide);
}
