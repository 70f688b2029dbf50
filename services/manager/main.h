/* The manager in two steps, so that host tests can drive it. */
#pragma once
#include "lib/types.h"

/* Where crt0 enters. */
void program_main(void);

/* Opens the estate, ports and configuration, or takes over what a predecessor left. */
void manager_come_up(void);

/* Does all that can be done at once. @bits: of the signal; those that remain are left there.
 * Returns until when there is nothing to do; 0: go on at once. */
uint64_t manager_turn(uint64_t *bits);
