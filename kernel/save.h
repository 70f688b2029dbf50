/* Saving and restoring what the kernel keeps of a VM, as records (lib/abi/record.h). The vCPUs
 * stand still: none is being run, and none has an answer of the vmm outstanding. */
#pragma once
#include "lib/abi/record.h"
#include "lib/err.h"

struct partition;
struct vcpu;

/* Writes the records to the caller's @buffer; *@bytes: how much that is. ERR_STATE: a vCPU runs;
 * ERR_FULL: @capacity is too small. */
enum err save_partition(struct partition *p, uint64_t buffer, uint64_t capacity, uint64_t *bytes)
    MUST_CHECK;
/* Into a partition that has the same memory and vCPUs and has not run. ERR_FORMAT: the records are
 * refused as a whole, before anything is changed; a caller that changes them meanwhile has a VM of
 * both. */
enum err restore_partition(struct partition *p, uint64_t buffer, uint64_t bytes) MUST_CHECK;

/* Each kind of record, from and to the live object. Restoring checks what the kernel relies on;
 * ERR_FORMAT. */
void save_cpu(const struct vcpu *v, struct record_cpu *out);
enum err restore_cpu(struct vcpu *v, const struct record_cpu *in) MUST_CHECK;
void save_lapic(const struct vcpu *v, struct record_lapic *out);
enum err restore_lapic(struct vcpu *v, const struct record_lapic *in) MUST_CHECK;
void save_synic(const struct vcpu *v, struct record_synic *out);
enum err restore_synic(struct vcpu *v, const struct record_synic *in) MUST_CHECK;
void save_ioapic(const struct partition *p, struct record_ioapic *out);
enum err restore_ioapic(struct partition *p, const struct record_ioapic *in) MUST_CHECK;
