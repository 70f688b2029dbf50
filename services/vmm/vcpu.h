/* A vCPU as its vmm sees it: the kernel's vCPU, the thread that runs it and serves its exits. */
#pragma once
#include "lib/abi/vm_control.h"
#include "lib/err.h"

struct machine;

struct vcpu {
    struct machine *machine; /* constant, as are the next three */
    handle_t handle;
    handle_t go;        /* signal: the thread waits while it may not run */
    uint32_t index;     /* VP index, APIC id */
    uint32_t is_parked; /* atomic: the thread stands still outside of the guest */
};

/* Makes vCPU @index of @m at @v, with a thread that parks until the machine runs. The first is set
 * to what the loader says; the others are left as created, and the kernel holds them until the
 * guest starts them. */
enum err vcpu_create(struct vcpu *v, struct machine *m, unsigned index) MUST_CHECK;

/* Brings it out of the guest, so that it looks at the machine's state. */
void vcpu_kick(const struct vcpu *v);

/* Reads up to @capacity bytes at the guest's RIP through its page tables. */
uint32_t vcpu_fetch_code(const struct machine *m, const struct vcpu_state *s, uint8_t *out,
                         uint32_t capacity);
