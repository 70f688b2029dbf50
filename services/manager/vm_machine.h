/* The life of a VM as a pure state machine: an input in, actions out. It knows no handles and no
 * clock; vm.c does what it says and feeds back what came of it.
 *
 * A VM has a state (what people see), the phase of its vmm (a process that is made for each start
 * and killed at each end), and at most one operation that somebody waits for. */
#pragma once
#include "lib/types.h"

enum vm_state { VM_CREATED = 1, VM_RUNNING, VM_PAUSED, VM_STOPPED, VM_CRASHED, VM_STATE_END };

enum vmm_phase {
    VMM_NONE = 1, /* no vmm */
    VMM_BOOTING,  /* has been made, has not said whether it is ready */
    VMM_UP,
    VMM_ENDING,   /* has been killed */
    VMM_DRAINING, /* is gone; what it held is on its way back to the budget */
    VMM_PHASE_END,
};

enum vm_operation {
    OPERATION_NONE = 1,
    OPERATION_CREATE,
    OPERATION_START,
    OPERATION_POWEROFF,
    OPERATION_RESET,
    OPERATION_RESTART, /* nobody waits: the guest's own reset, or on-crash=restart */
    OPERATION_PAUSE,
    OPERATION_RESUME,
    OPERATION_DELETE,
    OPERATION_SAVE,    /* a pause, if it runs, and then the save */
    OPERATION_RESTORE, /* as a create and a start, from an image */
    OPERATION_END,
};

/* What follows once the vmm has ended. */
enum vm_follow { FOLLOW_NOTHING = 1, FOLLOW_LAUNCH, FOLLOW_DELETE, FOLLOW_END };

struct vm_machine {
    uint32_t state;      /* enum vm_state */
    uint32_t phase;      /* enum vmm_phase */
    uint32_t operation;  /* enum vm_operation */
    uint32_t follow;     /* enum vm_follow */
    uint32_t is_born;    /* `vm create` has been answered */
    uint32_t has_failed; /* the operation is to be answered as failed once the vmm has ended */
};

enum vm_input {
    INPUT_CREATE,
    INPUT_START,
    INPUT_POWEROFF,
    INPUT_RESET,
    INPUT_PAUSE,
    INPUT_RESUME,
    INPUT_DELETE,
    INPUT_SAVE,
    INPUT_RESTORE,
    INPUT_LAUNCH_FAILED, /* the kernel refused a part of the vmm */
    INPUT_READY,
    INPUT_FAILED,  /* the vmm could not build the VM, or broke the protocol */
    INPUT_STARTED, /* answers of the vmm */
    INPUT_PAUSED,
    INPUT_RESUMED,
    INPUT_SAVED,
    INPUT_REFUSED,   /* the vmm answered the operation with an error */
    INPUT_GUEST_OFF, /* the guest ended: by itself, */
    INPUT_GUEST_RESET,
    INPUT_GUEST_CRASHED,
    INPUT_GUEST_CRASHED_RESTART, /* and is to be started again */
    INPUT_VMM_GONE,              /* the process has ended */
    INPUT_VMM_GONE_RESTART,      /* the same; if nobody asked for it, start again */
    INPUT_DRAINED,               /* nothing is charged to the budget any more */
    INPUT_DEADLINE,              /* the operation's limit has passed */
};

/* Actions, done in the order of their bits. */
#define ACT_RELEASE        (1u << 0) /* keep its counters, close what belonged to the vmm */
#define ACT_KILL           (1u << 1) /* kill the vmm; VMM_GONE comes later */
#define ACT_DRAIN          (1u << 2) /* say INPUT_DRAINED once the budget is empty */
#define ACT_LAUNCH         (1u << 3) /* make a vmm */
#define ACT_SEND_START     (1u << 4)
#define ACT_SEND_PAUSE     (1u << 5)
#define ACT_SEND_RESUME    (1u << 6)
#define ACT_SEND_SAVE      (1u << 7)
#define ACT_EVENT_CREATED  (1u << 8)
#define ACT_EVENT_STARTED  (1u << 9)
#define ACT_EVENT_RESET    (1u << 10)
#define ACT_EVENT_PAUSED   (1u << 11)
#define ACT_EVENT_RESUMED  (1u << 12)
#define ACT_EVENT_SAVED    (1u << 13)
#define ACT_EVENT_RESTORED (1u << 14)
#define ACT_EVENT_STOPPED  (1u << 15)
#define ACT_EVENT_DIED     (1u << 16) /* the vmm ended unasked: vmm-died, program-ended */
#define ACT_EVENT_CRASHED  (1u << 17)
#define ACT_EVENT_DELETED  (1u << 18)
/* Whoever waited for another operation: it came to nothing. */
#define ACT_ANSWER_OLD_FAILED (1u << 19)
#define ACT_ANSWER_OK         (1u << 20)
#define ACT_ANSWER_FAILED     (1u << 21)
#define ACT_FORGET            (1u << 22) /* close the rest, free the slot */

/* Whether @input, a command (INPUT_START to INPUT_SAVE), can be done in @m's state. */
bool vm_machine_allows(const struct vm_machine *m, enum vm_input input);

/* True when commands must wait for the operation in progress; a poweroff waits less. */
bool vm_machine_is_busy(const struct vm_machine *m, enum vm_input input);

/* Steps @m and returns the actions. A command comes only when it is allowed and not busy. */
uint32_t vm_machine_step(struct vm_machine *m, enum vm_input input) MUST_CHECK;

/* All members hold values that they can have. */
bool vm_machine_is_good(const struct vm_machine *m);

const char *vm_state_name(uint32_t state);
