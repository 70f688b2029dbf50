/* What comes from a vmm and from the kernel about a VM, as inputs of its machine. Each message is
 * copied once; its text is cut where its room ends. */
#include <stdarg.h>

#include "lib/format.h"
#include "lib/string.h"
#include "services/manager/event.h"
#include "services/manager/guest.h"
#include "services/manager/host.h"
#include "services/manager/network.h"
#include "services/manager/saves.h"
#include "services/manager/vm.h"
#include "services/manager/vmm.h"
#include "services/rt/sys.h"

#define MESSAGES_PER_TURN 16u

PRINTF_LIKE(2, 3)
static void set_crash(struct vm *vm, const char *fmt, ...)
{
    va_list args;

    vm->crash = (struct vm_crash){ .is_set = 1 };
    va_start(args, fmt);
    format_v(vm->crash.cause, sizeof(vm->crash.cause), fmt, args);
    va_end(args);
}

/* Text of a vmm: ended where it says or at the end of its room. */
static void take_text(char *to, size_t capacity, const char *from, size_t n)
{
    size_t length = 0;

    n = min(n, capacity - 1);
    while (length < n && from[length])
        length++;
    memcpy(to, from, length);
    to[length] = 0;
}

static void misbehaved(struct vm *vm, const char *how)
{
    event_emit(EVENT_VMM_MISBEHAVED, vm->name, NULL, "the vmm %s and is stopped", how);
    vm_fail(vm, ERROR_FAILED, "log show", "the vmm %s", how);
    set_crash(vm, "the vmm %s", how);
    vm_input(vm, INPUT_FAILED);
}

static void take_failure(struct vm *vm, const struct vmm_failure *f)
{
    static const struct {
        uint32_t err;
        enum error_code code;
    } codes[] = {
        { ERR_FORMAT, ERROR_BAD_IMAGE },        { ERR_MEMORY, ERROR_NO_MEMORY },
        { ERR_UNSUPPORTED, ERROR_UNSUPPORTED }, { ERR_ARGUMENT, ERROR_USAGE },
        { ERR_TIMED_OUT, ERROR_TIMED_OUT },
    };

    vm->failure.code = ERROR_FAILED;
    for (unsigned i = 0; i < array_count(codes); i++)
        if (f->err == codes[i].err)
            vm->failure.code = codes[i].code;
    take_text(vm->failure.message, sizeof(vm->failure.message), f->message, sizeof(f->message));
    take_text(vm->failure.hint, sizeof(vm->failure.hint), f->hint, sizeof(f->hint));
    set_crash(vm, "could not be started again: %s", vm->failure.message);
    vm_input(vm, INPUT_FAILED);
}

static void take_answer(struct vm *vm, uint32_t sequence, const struct vmm_answer *a)
{
    if (sequence != vm->sequence || !vm->sent_type)
        return; /* of a message that nobody waits for any more */
    if (a->err) {
        vm_fail(vm, ERROR_FAILED, "log show", "the vmm refused: %s", err_name((enum err)a->err));
        set_crash(vm, "the vmm could not start the guest: %s", err_name((enum err)a->err));
        vm_input(vm, INPUT_REFUSED);
        return;
    }
    switch (vm->sent_type) {
    case VMM_START: vm_input(vm, INPUT_STARTED); break;
    case VMM_PAUSE: vm_input(vm, INPUT_PAUSED); break;
    case VMM_RESUME: vm_input(vm, INPUT_RESUMED); break;
    default: misbehaved(vm, "answered a save without saying what it saved");
    }
}

static void take_saved(struct vm *vm, uint32_t sequence, const struct vmm_saved *s)
{
    if (sequence != vm->sequence || vm->sent_type != VMM_SAVE ||
        vm->machine.operation != OPERATION_SAVE)
        return;
    save_finish(vm, s);
    vm_input(vm, INPUT_SAVED);
}

/* True when a crash now is to be followed by a restart; not too many in too short a time. */
static bool may_restart(struct vm *vm)
{
    uint64_t now = sys_clock();
    uint64_t oldest = vm->restart_ns[vm->restart_count % VM_RESTARTS_MAX];

    if (!vm->settings.restarts_on_crash || host_is_shutting_down())
        return false;
    if (vm->restart_count >= VM_RESTARTS_MAX && now - oldest < VM_RESTART_WINDOW_NS) {
        event_emit(EVENT_VM_RESTART_GIVEN_UP, vm->name, NULL,
                   "crashed more than %u times in %lu s and stays crashed", VM_RESTARTS_MAX,
                   VM_RESTART_WINDOW_NS / NS_PER_SECOND);
        return false;
    }
    vm->restart_ns[vm->restart_count++ % VM_RESTARTS_MAX] = now;
    return true;
}

static void take_crash(struct vm *vm, const struct vmm_end *end)
{
    vm->crash = (struct vm_crash){ .is_set = 1, .has_registers = 1, .end = *end };
    vm->crash.end.code_bytes = min(end->code_bytes, (uint32_t)sizeof(end->code));
    take_text(vm->crash.cause, sizeof(vm->crash.cause), end->text, sizeof(end->text));
    if (end->cause == VMM_END_TRIPLE_FAULT || !vm->crash.cause[0])
        format(vm->crash.cause, sizeof(vm->crash.cause), "%s at rip=0x%lx",
               end->cause == VMM_END_TRIPLE_FAULT ? "triple fault" : "the guest cannot go on",
               end->state.rip);
    vmm_keep_counters(vm);
    vm_input(vm, may_restart(vm) ? INPUT_GUEST_CRASHED_RESTART : INPUT_GUEST_CRASHED);
}

static void take_end(struct vm *vm, const struct vmm_end *end)
{
    if (vm->machine.phase != VMM_UP)
        return;
    switch (end->cause) {
    case VMM_END_EXIT_PORT:
        vm->has_exit_code = 1;
        vm->exit_code = end->exit_code & 0xff;
        vm_input(vm, INPUT_GUEST_OFF);
        break;
    case VMM_END_SLEEP: vm_input(vm, INPUT_GUEST_OFF); break;
    case VMM_END_RESET: vm_input(vm, INPUT_GUEST_RESET); break;
    case VMM_END_TRIPLE_FAULT:
    case VMM_END_CRASH: take_crash(vm, end); break;
    default: misbehaved(vm, "named no known cause for its guest's end");
    }
}

/* The first line stands for the whole where there is little room. */
static void take_panic(struct vm *vm, const struct vmm_panic *p)
{
    static const char *const names[] = { "p0", "p1", "p2", "p3", "p4" };
    char message[sizeof(p->text)], fields[EVENT_FIELDS_BYTES];
    size_t line = 0;
    struct json j;

    take_text(message, sizeof(message), p->text, sizeof(p->text));
    json_init(&j, fields, sizeof(fields));
    json_object_begin(&j);
    for (unsigned i = 0; i < array_count(names); i++)
        json_field_hex(&j, names[i], p->p[i]);
    json_field_string(&j, "message", message);
    json_object_end(&j);
    while (message[line] && message[line] != '\n')
        line++;
    message[line] = 0;
    event_emit(EVENT_VM_PANIC, vm->name, &j, "the guest's kernel reports a crash: %s",
               message[0] ? message : "without a text");
}

/* Its vCPUs exist: before the first of them runs, they are where they are to be. */
static void take_ready(struct vm *vm)
{
    enum err err = vmm_schedule(vm);

    if (err) {
        vm_fail(vm, ERROR_FAILED, "vm set pin=any", "the kernel refused the VM's CPUs: %s",
                err_name(err));
        set_crash(vm, "the kernel refused the VM's CPUs: %s", err_name(err));
    }
    vm_input(vm, err ? INPUT_FAILED : INPUT_READY);
}

static void take_message(struct vm *vm, const struct vmm_message *m, const void *payload, size_t n)
{
    if (m->type == VMM_READY)
        take_ready(vm);
    else if (m->type == VMM_FAILED && n >= sizeof(struct vmm_failure))
        take_failure(vm, payload);
    else if (m->type == VMM_ANSWER && n >= sizeof(struct vmm_answer))
        take_answer(vm, m->sequence, payload);
    else if (m->type == VMM_SAVED && n >= sizeof(struct vmm_saved))
        take_saved(vm, m->sequence, payload);
    else if (m->type == VMM_ENDED && n >= sizeof(struct vmm_end))
        take_end(vm, payload);
    else if (m->type == VMM_INVENTORY && n >= sizeof(struct vmm_inventory))
        guest_take_inventory(vm, payload);
    else if (m->type == VMM_REPLY && n >= sizeof(struct vmm_reply))
        guest_take_reply(vm, m->sequence, payload);
    else if (m->type == VMM_NIC_STATE && n >= sizeof(struct vmm_nic_state) &&
             network_take_nic_state(vm, payload))
        return;
    else if (m->type == VMM_PANIC && n >= sizeof(struct vmm_panic))
        take_panic(vm, payload);
    else
        misbehaved(vm, "sent a message of unknown type or length");
}

static bool take_messages(unsigned slot)
{
    static union {
        struct vmm_failure failure;
        struct vmm_answer answer;
        struct vmm_saved saved;
        struct vmm_end end;
        struct vmm_panic panic;
        struct vmm_inventory inventory;
        struct vmm_reply reply;
        struct vmm_nic_state nic;
    } payload; /* one manager thread; too large for its stack to be careless about */

    for (unsigned i = 0; i < MESSAGES_PER_TURN; i++) {
        struct vm *vm = vm_at(slot);
        struct vmm_message m;
        size_t n;

        if (!vm || (vm->machine.phase != VMM_BOOTING && vm->machine.phase != VMM_UP))
            return true;
        enum err err = vmm_receive(vm, &m, &payload, sizeof(payload), &n);
        if (err == ERR_EMPTY)
            return true;
        if (err)
            misbehaved(vm, "broke the ring between it and the manager");
        else
            take_message(vm, &m, &payload, n);
    }
    return false;
}

/* The process has ended; when nobody asked for that, its VM has crashed. */
static void take_process_end(struct vm *vm)
{
    bool was_asked = vm->machine.phase == VMM_ENDING;
    struct process_info info = { 0 };

    if (!was_asked) {
        enum err err = sys_process_info(vm->process, &info);

        if (err)
            set_crash(vm, "its vmm is gone");
        else if (info.end == PROCESS_END_FAULT)
            set_crash(vm, "its vmm ended by exception %lu at rip=0x%lx address=0x%lx error=0x%lx",
                      info.fault_vector, info.fault_rip, info.fault_address, info.fault_error);
        else
            set_crash(vm, "its vmm ended with code %lu", info.exit_code);
        vm_fail(vm, ERROR_FAILED, "log show", "%s", vm->crash.cause);
    }
    bool restarts = !was_asked && vm_is_live(vm) && may_restart(vm);
    vm_input(vm, restarts ? INPUT_VMM_GONE_RESTART : INPUT_VMM_GONE);
}

bool vm_service(unsigned slot)
{
    if (!take_messages(slot))
        return true;
    struct vm *vm = vm_at(slot);
    if (vm && vm->process != HANDLE_NONE && vmm_has_ended(vm))
        take_process_end(vm);
    vm = vm_at(slot);
    if (vm && vm->machine.phase == VMM_DRAINING && vmm_budget_is_empty(vm))
        vm_input(vm, INPUT_DRAINED);
    return false;
}

/* Says who was waited for in vain: the vmm, or the kernel. */
static void take_deadline(struct vm *vm)
{
    bool has_vmm = vm->machine.phase == VMM_BOOTING || vm->machine.phase == VMM_UP;
    const char *what = has_vmm ? "the vmm did not answer in time"
                               : "the kernel has not given back in time what the vmm held";

    vm->deadline_ns = DEADLINE_NEVER;
    event_emit(EVENT_VMM_SLOW, vm->name, NULL, "%s", what);
    if (!vm->machine.has_failed)
        vm_fail(vm, ERROR_TIMED_OUT, "vm poweroff", "%s", what);
    if (!vm->crash.is_set)
        set_crash(vm, "%s", what);
    vm_input(vm, INPUT_DEADLINE);
}

uint64_t vm_deadlines(uint64_t now)
{
    uint64_t next = DEADLINE_NEVER;

    for (unsigned i = 0; i < VM_COUNT_MAX; i++) {
        struct vm *vm = vm_at(i);

        if (vm && vm->deadline_ns <= now)
            take_deadline(vm);
        vm = vm_at(i);
        if (vm)
            next = min(next, vm->deadline_ns);
    }
    return next;
}
