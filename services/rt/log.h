/* One line into the host's log (log show), prefixed by the kernel with the program's name. */
#pragma once
#include "lib/compiler.h"

void log_line(const char *fmt, ...) PRINTF_LIKE(1, 2);
