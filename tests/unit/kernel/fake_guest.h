/* A guest on the host: a partition with two vCPUs whose registers, interrupt controllers and MSRs
 * are the kernel's own code, above fakes of what is beneath them: frames, locks, timers that never
 * fire, overlays that are nowhere seen. */
#pragma once
#include "arch/x86/svm/svm_regs.h"
#include "kernel/partition.h"
#include "kernel/vcpu.h"

#define FAKE_VCPUS     2u
#define FAKE_FPU_BYTES 576u
#define FAKE_MEMORY    MIB(64)

struct fake_guest {
    struct partition p;
    struct vcpu v[FAKE_VCPUS];
    struct vmcb vmcb[FAKE_VCPUS];
    uint8_t fpu[FAKE_VCPUS][FAKE_FPU_BYTES] ALIGNED(64);
};

/* As vcpu_create() leaves it, but that both vCPUs are at the start of 64-bit code. */
struct fake_guest *fake_guest_create(void);
void fake_guest_destroy(struct fake_guest *g);

/* Once this many frames, and overlays of pages that had none, have been granted the next is refused;
 * UINT64_MAX: never. */
extern uint64_t fake_grants;
/* What virt_load_msr() loaded last. */
extern uint32_t fake_loaded_msr;
extern uint64_t fake_loaded_value;

bool fake_holds_locks(void);
extern uint64_t fake_lock_count; /* how often one was taken */
