/* The log of kernel and programs: a ring of text that keeps the last bytes. Also printed on the
 * UART while no program owns it. */
#pragma once
#include "lib/abi/syscall.h"
#include "lib/compiler.h"

void log_line(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* Of a program: whole lines get its name in front. */
void log_program(const char *name, const char *text, size_t bytes);
/* Copies from byte @from on (or the oldest kept) into @out; *@start: where that was. */
size_t log_copy(uint64_t from, char *out, size_t capacity, uint64_t *start);
/* The manager takes over the UART, or has died. */
void log_set_uart(bool is_ours);
