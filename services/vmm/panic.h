/* A guest that reports its own crash through the crash MSRs (TLFS, "Guest Crash Enlightenment"). */
#pragma once
#include "lib/abi/vm_control.h"

struct machine;

/* On a vCPU's thread: takes what the guest reported; the service thread tells the manager. A guest
 * that reports more than once a second is not heard. */
void panic_take(struct machine *m);

/* What a reader wants of @text, the end of a kernel's log: from its first line that speaks of a
 * panic on, or else its end. At most @capacity bytes, NUL included. Pure. */
void panic_excerpt(const char *text, uint64_t bytes, char *out, uint64_t capacity);
