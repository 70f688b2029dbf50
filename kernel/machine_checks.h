/* Machine checks: broken hardware costs as little as it can. An error that was corrected is logged;
 * one that was not costs the VM whose guest ran into it, or, in the kernel and its programs, the
 * machine: it dumps and resets. Source: AMD64 APM vol. 2, "Machine Check Architecture". */
#pragma once
#include "lib/types.h"

struct trap_frame;

/* Each CPU, once: its banks report from now on, and are looked at every second, since a corrected
 * error raises no exception. */
void machine_checks_start_here(void);
/* The exception, on its own stack, whatever was interrupted. */
void machine_checks_on_exception(struct trap_frame *f);
/* The exception came while a guest ran, or the guest shut down, which is how it ends where the
 * guest was given the exception. True: its VM ends; *@status says why. */
bool machine_checks_hit_guest(uint64_t *status);
