/* The ns clock of SYS_CLOCK without a system call: from the TSC, which all CPUs share. */
#pragma once
#include "lib/types.h"

void clock_open(void); /* once, before the other */
uint64_t clock_now(void);
