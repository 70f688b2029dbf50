/* Starting the manager, and starting it again with the handles of the one before. */
#pragma once
#include "lib/abi/boot_info.h"
#include "kernel/process.h"

void manager_start(const struct boot_info *info);
/* @old has ended and kept its handles. */
void manager_restart(struct process *old);
