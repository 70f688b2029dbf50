/* The guest's I/O ports. What nothing answers reads all ones, and writes to it vanish. */
#pragma once
#include "services/vmm/machine.h"

/* Serves @e (VCPU_EXIT_IO) of @v, on its thread; the answer to a read goes into @e->value. */
void ports_access(struct vcpu *v, struct vcpu_exit *e);
