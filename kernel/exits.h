/* What each kind of exit leads to. */
#pragma once
#include "kernel/vcpu.h"

/* Between virt_enter() and virt_leave(). True: the guest may go on at once. */
bool exit_handle_fast(struct vcpu *v);
/* With the host's state back. True: *@io is for the vmm. */
bool exit_handle(struct vcpu *v, struct vcpu_exit *io);
