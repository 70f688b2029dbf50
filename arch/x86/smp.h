/* Starting the other CPUs. */
#pragma once
#include "arch/x86/cpu.h"
#include "arch/x86/paging.h"
#include "lib/err.h"

/* Starts the CPU with @apic_id on @stack_top (header filled in by the caller), with the kernel's
 * tables, in @entry. @page: a free page below 1 MiB. ERR_TIMED_OUT: it did not come within a
 * second. */
enum err smp_start_cpu(uint32_t apic_id, hpa_t page, uint64_t stack_top, void (*entry)(void))
    MUST_CHECK;
