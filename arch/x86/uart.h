/* The machine's first UART as the kernel uses it: before the manager owns it, and in a panic.
 * Polled, write only, and it gives up on hardware that does not answer. */
#pragma once
#include "lib/types.h"

void uart_early_init(void);
void uart_early_write(const char *text, size_t bytes);
