/* Guest-physical space that is no RAM: who answers there. What nobody answers reads all ones and
 * takes any write, as on a bus. */
#pragma once
#include "lib/types.h"

struct vcpu;

/* @width: 1, 2, 4 or 8 bytes. From the vCPU's own thread, without locks. */
uint64_t mmio_read(struct vcpu *v, gpa_t gpa, unsigned width);
void mmio_write(struct vcpu *v, gpa_t gpa, unsigned width, uint64_t value);
