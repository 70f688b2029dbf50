/* From a guest's linear address to its physical one, through its page tables: for reports.
 * Source: AMD64 APM vol. 2, "Page Translation and Protection". Pure. */
#pragma once
#include "lib/abi/syscall.h"
#include "services/vmm/guest_memory.h"

/* ERR_GUEST: not mapped, or tables outside RAM. */
enum err walk_translate(const struct guest_memory *m, const struct vcpu_state *s, uint64_t linear,
                        gpa_t *out) MUST_CHECK;

/* The linear address of the next instruction. */
uint64_t walk_code_address(const struct vcpu_state *s);
