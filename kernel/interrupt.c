#include "kernel/interrupt.h"
#include "arch/x86/ioapic.h"
#include "arch/x86/lapic.h"
#include "kernel/kernel_cpu.h"
#include "kernel/sched.h"

#define VECTOR_COUNT (VECTOR_DEVICE_LAST - VECTOR_DEVICE_FIRST + 1)

static struct interrupt *owners[VECTOR_COUNT]; /* sched lock */

static int take_vector(struct interrupt *i)
{
    int found = -1;

    spin_lock(&sched_lock);
    for (unsigned n = 0; n < VECTOR_COUNT && found < 0; n++)
        if (!owners[n]) {
            owners[n] = i;
            found = (int)n + VECTOR_DEVICE_FIRST;
        }
    spin_unlock(&sched_lock);
    return found;
}

enum err interrupt_create(struct budget *b, uint32_t gsi, struct interrupt **out)
{
    struct interrupt *i = object_create(b, OBJECT_INTERRUPT, sizeof(*i));
    int vector = i ? take_vector(i) : -1;
    enum err err = vector < 0 ? ERR_MEMORY : OK;

    if (!err) {
        i->gsi = gsi;
        i->vector = (uint32_t)vector;
        err = ioapic_route(gsi, i->vector, kernel_cpus[0].arch.apic_id);
    }
    if (err) {
        if (i)
            object_put(&i->object);
        return err;
    }
    *out = i;
    return OK;
}

void interrupt_destroy(struct object *o)
{
    struct interrupt *i = container_of(o, struct interrupt, object);

    ioapic_mask(i->gsi, true);
    spin_lock(&sched_lock);
    if (i->vector)
        owners[i->vector - VECTOR_DEVICE_FIRST] = NULL;
    spin_unlock(&sched_lock);
    binding_clear(&i->on_raise);
}

void interrupt_ack(struct interrupt *i)
{
    spin_lock(&sched_lock);
    ioapic_mask(i->gsi, false);
    spin_unlock(&sched_lock);
}

void interrupt_raise(unsigned vector)
{
    struct interrupt *i;

    spin_lock(&sched_lock);
    i = owners[vector - VECTOR_DEVICE_FIRST];
    if (i) {
        ioapic_mask(i->gsi, true);
        binding_fire_locked(&i->on_raise);
    }
    spin_unlock(&sched_lock);
}
