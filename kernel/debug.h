/* What tests ask of a debug build. */
#pragma once
#include "kernel/process.h"

/* The next return of @p's first thread to ring 3 faults. */
void debug_fault_process(struct process *p);
enum err debug_call(enum debug_op op, uint64_t argument, uint64_t data, uint64_t bytes,
                    uint64_t *value) MUST_CHECK;
