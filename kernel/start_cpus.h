/* Bringing up all CPUs of the machine. */
#pragma once
#include "lib/abi/boot_info.h"

/* The calling boot CPU, then the others, one by one. One that does not come is logged and left. */
void start_cpus(const struct boot_info *info);
