/* Interrupts to a partition's vCPUs by destination: from the ICR of a local APIC, from the IOAPIC,
 * from hypercalls. Source: Intel SDM vol. 3, "Issuing Interprocessor Interrupts" and "Determining
 * IPI Destination". Takes the sched lock; bounded by the number of vCPUs. */
#pragma once
#include "lib/types.h"

struct partition;
struct vcpu;

struct vipi {
    uint32_t destination;
    uint32_t mode; /* LAPIC_ICR_FIXED ... LAPIC_ICR_STARTUP */
    uint8_t vector;
    bool is_logical;
    bool is_wide;  /* a 32-bit destination, as x2APIC has; else 8 bits */
    bool is_level; /* its EOI goes to the IOAPIC */
};

/* To every vCPU that @i names; LAPIC_ICR_LOWEST to one of them. Returns how many. */
unsigned vipi_deliver(struct partition *p, const struct vipi *i);
/* What the guest wrote to its ICR. */
void vipi_send_icr(struct vcpu *from, uint64_t icr);
/* Without locks: only for one vCPU that is in its guest right now. False: send it the long way. */
bool vipi_send_quickly(struct vcpu *v, uint64_t icr);
/* A fixed interrupt for the vCPUs in @mask (bit: VP index). */
void vipi_deliver_mask(struct partition *p, uint64_t mask, unsigned vector);
