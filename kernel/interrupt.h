/* Interrupts of devices as objects: an interrupt raises what is bound to it and stays masked until
 * its owner acknowledges. */
#pragma once
#include "kernel/object.h"
#include "kernel/signal.h"

struct interrupt {
    struct object object;
    uint32_t gsi, vector; /* constant */
    struct binding on_raise;
};

enum err interrupt_create(struct budget *b, uint32_t gsi, struct interrupt **out) MUST_CHECK;
void interrupt_ack(struct interrupt *i);
/* From the trap handler: vector VECTOR_DEVICE_FIRST to VECTOR_DEVICE_LAST. */
void interrupt_raise(unsigned vector);
