/* What the kernel does on interrupts and faults. */
#pragma once

void traps_init(void);
