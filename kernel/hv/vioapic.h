/* The guest's I/O APIC: 24 pins whose lines the vmm drives, each told to vCPUs as the guest set it
 * up. Source: Intel 82093AA datasheet. */
#pragma once
#include "kernel/lock.h"
#include "lib/err.h"

struct partition;

#define VIOAPIC_PINS 24u

struct vioapic {
    struct spinlock lock; /* rank INTERRUPTS; guards: */
    bool is_present;      /* constant once a vCPU exists */
    uint32_t select, id;
    uint32_t lines; /* a bit per pin: asserted */
    uint64_t redirect[VIOAPIC_PINS];
};

void vioapic_reset(struct vioapic *a);
/* Edge-triggered pins tell of a rise, level-triggered ones as long as they are asserted. */
enum err vioapic_set_line(struct partition *p, uint64_t pin, bool is_asserted) MUST_CHECK;
/* A vCPU has ended the service of a level-triggered @vector. */
void vioapic_eoi(struct partition *p, unsigned vector);

/* The MMIO page, 32 bits at @offset. */
uint32_t vioapic_read(struct partition *p, uint32_t offset);
void vioapic_write(struct partition *p, uint32_t offset, uint32_t value);
