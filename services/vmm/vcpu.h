/* The thread that runs the vCPU and serves its exits. */
#pragma once
#include "services/vmm/machine.h"

/* @machine: struct machine; never returns. */
void vcpu_thread(void *machine);

/* Reads up to @capacity bytes at the guest's RIP through its page tables. */
uint32_t vcpu_fetch_code(const struct machine *m, const struct vcpu_state *s, uint8_t *out,
                         uint32_t capacity);
