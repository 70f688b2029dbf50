/* The value of pin=: the machine's CPUs that a VM's vCPUs are bound to. */
#pragma once
#include "lib/abi/vm_control.h"

struct cpu_list {
    uint32_t count; /* 0: any CPU */
    uint8_t cpus[VMM_VCPUS_MAX];
};

/* Reads "any", or numbers below HOST_CPUS_MAX with commas between them. False: it is neither, or
 * too long; then *@out is undefined. */
bool cpu_list_parse(const char *text, struct cpu_list *out) MUST_CHECK;
bool cpu_list_is_good(const struct cpu_list *l);

/* Where vCPU @index is to run: one CPU of the list after the other, or UINT64_MAX for any. */
uint64_t cpu_list_at(const struct cpu_list *l, unsigned index);
