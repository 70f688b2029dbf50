/* TLB flushes on all CPUs. */
#pragma once
#include "lib/types.h"

/* Flushes every CPU's TLB for host page tables, also global entries, and waits until all have
 * done so. May be called with locks held: who spins for a lock answers. */
void flush_all_cpus(void);

/* Answers a request that is under way; called by the interrupt and by who spins. */
void flush_answer(void);
