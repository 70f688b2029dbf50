/* The take-over sweep of the PCI bus. */
#pragma once
#include "lib/types.h"

/* Clears bus mastering on every function and bridge, so that nothing that firmware or a previous
 * system started goes on writing to memory. Returns how many had it on. */
unsigned pci_stop_bus_masters(void);
