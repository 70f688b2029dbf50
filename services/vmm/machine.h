/* One VM as its vmm sees it: memory, devices, the vCPU, and how it stands. */
#pragma once
#include "lib/abi/vm_control.h"
#include "services/vmm/devices/vrtc.h"
#include "services/vmm/devices/vuart.h"
#include "services/vmm/guest_memory.h"

/* Bits of the signal that the service thread waits for. */
#define WAKE_CONTROL 0u /* the manager signalled */
#define WAKE_VCPU    1u /* a vCPU parked, or the VM has ended */

struct console_line { /* the guest's UART at the console region */
    struct vuart_line line;
    struct vmm_console *shared;
    handle_t control; /* signalled when the manager wants to be woken */
};

enum machine_state { MACHINE_STOPPED, MACHINE_RUNNING, MACHINE_PAUSED, MACHINE_ENDED };

struct machine {
    const struct vmm_config *config; /* constant */
    struct guest_memory memory;
    handle_t budget, partition, control, vcpu; /* constant once set */
    handle_t wake;                             /* signal: the service thread waits */
    handle_t go;        /* signal: the vCPU thread waits while it may not run */
    uint32_t state;     /* enum machine_state, atomic; written by the service thread,
                                        MACHINE_ENDED by the vCPU's */
    uint32_t is_parked; /* atomic: the vCPU thread has seen that it may not run */
    struct vmm_end end; /* valid in MACHINE_ENDED */
    /* the vCPU thread's: */
    struct console_line console;
    struct vuart uart;
    struct vrtc rtc;
};

/* Builds the VM from what the vmm was handed. After an error @why says what is wrong. */
struct loader_failure;
enum err machine_build(struct machine *m, struct loader_failure *why) MUST_CHECK;

/* Starts the vCPU's thread, parked. */
enum err machine_start_vcpu(struct machine *m) MUST_CHECK;

/* Lets the vCPU run, or stops it; pausing is done when is_parked is seen. */
void machine_run(struct machine *m);
void machine_pause(struct machine *m);

/* From the vCPU's thread: the VM has ended. */
void machine_end(struct machine *m, enum vmm_end_cause cause, uint32_t exit_code, const char *fmt,
                 ...) PRINTF_LIKE(4, 5);
