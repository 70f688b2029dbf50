/* printf into a buffer, for kernel and programs: %s %c %d %i %u %x %X %p %% with 0, -, width
 * (also *), precision for %s, and the lengths hh h l ll z. */
#pragma once
#include <stdarg.h>

#include "lib/types.h"

/* Writes at most @capacity bytes with the closing NUL (@capacity >= 1); returns the number of
 * bytes written without it. What does not fit is cut off. */
size_t format_v(char *out, size_t capacity, const char *fmt, va_list args);
size_t format(char *out, size_t capacity, const char *fmt, ...) PRINTF_LIKE(3, 4);
