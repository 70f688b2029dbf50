/* The entry of all system calls; registered as a trap hook. */
#pragma once
#include "arch/x86/trap.h"

struct syscall_result syscall_dispatch(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                                       uint64_t number);
