/* One VM as its vmm sees it: memory, devices, the vCPUs, and how it stands. */
#pragma once
#include "lib/abi/vm_control.h"
#include "services/rt/mutex.h"
#include "services/vmm/devices/vrtc.h"
#include "services/vmm/devices/vuart.h"
#include "services/vmm/guest_memory.h"
#include "services/vmm/vcpu.h"

/* Bits of the signal that the service thread waits for. */
#define WAKE_CONTROL 0u /* the manager signalled */
#define WAKE_VCPU    1u /* a vCPU parked, or the VM has ended */
#define WAKE_BENCH   2u /* bench_port.h */

struct console_line { /* the guest's UART at the console region */
    struct vuart_line line;
    struct vmm_console *shared;
    handle_t control; /* signalled when the manager wants to be woken */
};

/* A vCPU that ends the machine first makes it ENDING, fills in how, and then ENDED. */
enum machine_state {
    MACHINE_STOPPED,
    MACHINE_RUNNING,
    MACHINE_PAUSED,
    MACHINE_ENDING,
    MACHINE_ENDED,
};

struct machine {
    const struct vmm_config *config; /* constant once built, as is all up to vcpus */
    struct guest_memory memory;
    handle_t budget, partition, control;
    handle_t wake;        /* signal: the service thread waits */
    bool starts_in_xapic; /* the guest expects its local APICs in xAPIC mode, not x2APIC */
    uint32_t vcpu_count;
    struct vcpu vcpus[VMM_VCPUS_MAX];
    uint32_t state;      /* enum machine_state, atomic; to RUNNING and PAUSED set by the service
                                  thread, to ENDING and ENDED by a vCPU's */
    struct vmm_end end;  /* valid in MACHINE_ENDED */
    handle_t bench_port; /* or HANDLE_NONE */
    uint64_t bench_tsc;  /* atomic */
    uint32_t has_panic;  /* atomic: @panic waits for the service thread */
    struct mutex devices_lock; /* guards all below: */
    struct vmm_panic panic;    /* while has_panic is set: the service thread's */
    uint64_t panic_ns;
    struct console_line console;
    struct vuart uart;
    struct vrtc rtc;
};

/* Takes up configuration, memory and devices; then builds the VM from what the vmm was handed; its
 * vCPUs are parked. After an error @why says what is wrong. */
struct loader_failure;
struct services;
enum err machine_open(struct machine *m, struct loader_failure *why) MUST_CHECK;
enum err machine_build(struct machine *m, struct services *s, struct loader_failure *why)
    MUST_CHECK;

/* Lets the vCPUs run, or stops them; pausing is done when machine_is_paused(). */
void machine_run(struct machine *m);
void machine_pause(struct machine *m);

/* The manager may have typed something. */
void machine_input(struct machine *m);

/* It is to stand still, and all vCPUs do. */
bool machine_is_paused(const struct machine *m);

/* From the thread of @v: the VM has ended. Only the first end counts; the other vCPUs stop. */
void machine_end(struct vcpu *v, enum vmm_end_cause cause, uint32_t exit_code, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
