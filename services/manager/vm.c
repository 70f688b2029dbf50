/* The machine (vm_machine.c) decides, this file does what it says. vm_inbox.c turns what the vmm
 * says and what the kernel signals into the machine's inputs. */
#include <stdarg.h>

#include "lib/format.h"
#include "lib/string.h"
#include "services/manager/console.h"
#include "services/manager/event.h"
#include "services/manager/network.h"
#include "services/manager/request.h"
#include "services/manager/saves.h"
#include "services/manager/vm.h"
#include "services/manager/vmm.h"
#include "services/rt/sys.h"

#define ANSWER_LIMIT_NS   (2 * NS_PER_SECOND)
#define LAUNCH_LIMIT_NS   (5 * NS_PER_SECOND)
#define MEMORY_NS_PER_MIB (20 * NS_PER_MS) /* to scrub, on an emulated machine */

static struct vm_table *table;

void vm_init(struct vm_table *t, handle_t root, handle_t signal)
{
    table = t;
    vmm_init(root, signal);
}

struct vm *vm_at(unsigned slot)
{
    return slot < VM_COUNT_MAX && table->vms[slot].is_used ? &table->vms[slot] : NULL;
}

unsigned vm_slot(const struct vm *vm)
{
    return (unsigned)(vm - table->vms);
}

struct vm *vm_find(const char *name)
{
    for (unsigned i = 0; i < VM_COUNT_MAX; i++)
        if (table->vms[i].is_used && strcmp(table->vms[i].name, name) == 0)
            return &table->vms[i];
    return NULL;
}

struct vm *vm_find_generation(unsigned slot, uint32_t generation)
{
    struct vm *vm = vm_at(slot);

    return vm && vm->generation == generation ? vm : NULL;
}

struct vm *vm_allocate(const char *name)
{
    for (unsigned i = 0; i < VM_COUNT_MAX; i++) {
        struct vm *vm = &table->vms[i];

        if (vm->is_used)
            continue;
        memset(vm, 0, sizeof(*vm));
        vm->generation = (uint32_t)++table->generation;
        vm->deadline_ns = DEADLINE_NEVER;
        vm_schedule_init(&vm->settings.schedule);
        string_copy(vm->name, sizeof(vm->name), name);
        vm->is_used = 1;
        return vm;
    }
    return NULL;
}

bool vm_is_live(const struct vm *vm)
{
    return vm->machine.state == VM_RUNNING || vm->machine.state == VM_PAUSED;
}

bool vm_is_running(const struct vm *vm)
{
    return vm->machine.state == VM_RUNNING && vm->machine.phase == VMM_UP;
}

void vm_fail(struct vm *vm, enum error_code code, const char *hint, const char *fmt, ...)
{
    va_list args;

    vm->failure.code = code;
    string_copy(vm->failure.hint, sizeof(vm->failure.hint), hint);
    va_start(args, fmt);
    format_v(vm->failure.message, sizeof(vm->failure.message), fmt, args);
    va_end(args);
}

/* ---- doing what the machine says ---- */

static void emit_stopped(const struct vm *vm)
{
    char buffer[64];
    struct json fields;

    json_init(&fields, buffer, sizeof(buffer));
    json_object_begin(&fields);
    if (vm->has_exit_code)
        json_field_number(&fields, "exit_code", vm->exit_code);
    else
        json_field_null(&fields, "exit_code");
    json_object_end(&fields);
    event_emit(EVENT_VM_STOPPED, vm->name, &fields,
               vm->has_exit_code ? "stopped with exit code %u" : "stopped", vm->exit_code);
    console_vm_ended(vm, "has stopped");
}

static void emit_crashed(const struct vm *vm)
{
    char buffer[EVENT_FIELDS_BYTES];
    struct json fields;

    json_init(&fields, buffer, sizeof(buffer));
    vm_crash_fields(&fields, vm);
    event_emit(EVENT_VM_CRASHED, vm->name, &fields, "%s", vm->crash.cause);
    if (vm->machine.state == VM_CRASHED)
        console_vm_ended(vm, "has crashed");
}

static void emit_died(const struct vm *vm)
{
    char buffer[EVENT_FIELDS_BYTES], program[PROGRAM_NAME_BYTES + 8];
    struct json fields;

    format(program, sizeof(program), "vmm:%s", vm->name);
    json_init(&fields, buffer, sizeof(buffer));
    json_object_begin(&fields);
    json_field_string(&fields, "program", program);
    json_object_end(&fields);
    event_emit(EVENT_PROGRAM_ENDED, vm->name, &fields, "%s: %s", program, vm->crash.cause);
    event_emit(EVENT_VMM_DIED, vm->name, &fields, "%s", vm->crash.cause);
}

static void send(struct vm *vm, enum vmm_message_type type)
{
    enum err err = vmm_send(vm, type);

    if (err) /* its deadline says so to who waits */
        vm_fail(vm, ERROR_FAILED, "vm poweroff", "the vmm's channel takes no message: %s",
                err_name(err));
}

static void send_save(struct vm *vm)
{
    enum err err = vmm_send_image(vm, save_of(vm)->image);

    if (err)
        vm_fail(vm, ERROR_FAILED, "log show", "the vmm's channel takes no image: %s",
                err_name(err));
    else
        send(vm, VMM_SAVE);
}

/* Returns the input that follows at once, or INPUT_CREATE for none. */
static enum vm_input launch(struct vm *vm)
{
    if (vm->machine.operation == OPERATION_START)
        vmm_console_drop_typed(vm);
    vm->crash.is_set = 0;
    vm->has_exit_code = 0;
    vm->has_counters = 0;
    memset(&vm->guest, 0, sizeof(vm->guest));
    return vmm_launch(vm) ? INPUT_LAUNCH_FAILED : INPUT_CREATE;
}

static enum vm_input drain(struct vm *vm)
{
    enum err err = vmm_watch_budget(vm);

    return err || vmm_budget_is_empty(vm) ? INPUT_DRAINED : INPUT_CREATE;
}

static void emit_events(struct vm *vm, uint32_t actions)
{
    static const struct {
        uint32_t action;
        enum event_id id;
        const char *text;
    } plain[] = {
        { ACT_EVENT_CREATED, EVENT_VM_CREATED, "created" },
        { ACT_EVENT_STARTED, EVENT_VM_STARTED, "started" },
        { ACT_EVENT_RESET, EVENT_VM_RESET, "started from the beginning" },
        { ACT_EVENT_PAUSED, EVENT_VM_PAUSED, "paused" },
        { ACT_EVENT_RESUMED, EVENT_VM_RESUMED, "resumed" },
        { ACT_EVENT_RESTORED, EVENT_VM_RESTORED, "goes on from where it was saved" },
        { ACT_EVENT_DELETED, EVENT_VM_DELETED, "deleted" },
    };

    if (actions & (ACT_EVENT_STARTED | ACT_EVENT_RESET | ACT_EVENT_RESTORED))
        vm->started_ns = sys_clock();
    for (unsigned i = 0; i < array_count(plain); i++)
        if (actions & plain[i].action)
            event_emit(plain[i].id, vm->name, NULL, "%s", plain[i].text);
    if (actions & ACT_EVENT_SAVED)
        event_emit(EVENT_VM_SAVED, vm->name, NULL, "saved as %s", save_of(vm)->name);
    if (actions & ACT_EVENT_STOPPED)
        emit_stopped(vm);
    request_guest_ended(vm, actions);
    if (actions & ACT_EVENT_DIED)
        emit_died(vm);
    if (actions & ACT_EVENT_CRASHED)
        emit_crashed(vm);
}

static void forget(struct vm *vm)
{
    console_vm_ended(vm, "is gone");
    network_forget_vm(vm);
    vmm_forget(vm);
    vm->is_used = 0;
}

static enum vm_input perform(struct vm *vm, uint32_t actions)
{
    enum vm_input next = INPUT_CREATE;

    if (actions & ACT_RELEASE) {
        request_vmm_ended(vm);
        vmm_release(vm);
    }
    if (actions & ACT_KILL)
        vmm_kill(vm);
    if (actions & ACT_DRAIN)
        next = drain(vm);
    if (actions & ACT_LAUNCH)
        next = launch(vm);
    if (actions & ACT_SEND_START)
        send(vm, VMM_START);
    if (actions & ACT_SEND_PAUSE)
        send(vm, VMM_PAUSE);
    if (actions & ACT_SEND_RESUME)
        send(vm, VMM_RESUME);
    if (actions & ACT_SEND_SAVE)
        send_save(vm);
    emit_events(vm, actions);
    if (actions & ACT_ANSWER_OLD_FAILED)
        request_operation_done(vm, OUTCOME_SUPERSEDED);
    if (actions & ACT_ANSWER_OK)
        request_operation_done(vm, OUTCOME_OK);
    if (actions & ACT_ANSWER_FAILED)
        request_operation_done(vm, OUTCOME_FAILED);
    if (actions & ACT_FORGET)
        forget(vm);
    return next;
}

/* How long the machine may stay as it is while somebody waits. */
static uint64_t limit(const struct vm *vm)
{
    const struct vm_machine *m = &vm->machine;
    uint64_t memory = (vm->settings.memory_bytes >> 20) * MEMORY_NS_PER_MIB;

    if (m->operation == OPERATION_NONE)
        return DEADLINE_NEVER;
    if (m->operation == OPERATION_PAUSE || m->operation == OPERATION_RESUME)
        return sys_clock() + ANSWER_LIMIT_NS;
    return sys_clock() + LAUNCH_LIMIT_NS + memory;
}

static bool has_ended(const struct vm_machine *before, const struct vm_machine *now,
                      enum vm_operation operation)
{
    return before->operation == operation && now->operation != operation;
}

void vm_input(struct vm *vm, enum vm_input input)
{
    do {
        struct vm_machine before = vm->machine;
        uint32_t actions = vm_machine_step(&vm->machine, input);

        if (before.operation != vm->machine.operation || before.phase != vm->machine.phase)
            vm->deadline_ns = limit(vm);
        input = perform(vm, actions);
        if (has_ended(&before, &vm->machine, OPERATION_SAVE))
            save_end(vm);
    } while (input != INPUT_CREATE && vm->is_used);
}

/* ---- after a restart of the manager ---- */

bool vm_settings_are_good(const struct vm_settings *s)
{
    return s->kernel[sizeof(s->kernel) - 1] == 0 && s->initrd[sizeof(s->initrd) - 1] == 0 &&
           s->cmdline[sizeof(s->cmdline) - 1] == 0 && s->modules[sizeof(s->modules) - 1] == 0 &&
           (!s->modules[0] || module_list_is_good(s->modules)) && s->cpu_count >= 1 &&
           s->cpu_count <= VMM_VCPUS_MAX && s->echo_count <= VMM_ECHO_MAX &&
           vm_schedule_is_good(&s->schedule);
}

static bool record_is_good(const struct vm *vm)
{
    return vm_machine_is_good(&vm->machine) && vm->name[sizeof(vm->name) - 1] == 0 && vm->name[0] &&
           vm_settings_are_good(&vm->settings) &&
           (vm->machine.operation != OPERATION_SAVE || save_of(vm)) &&
           inventory_is_good(&vm->guest) && vm->crash.cause[sizeof(vm->crash.cause) - 1] == 0;
}

/* A vmm that cannot be taken over is killed; the VM has then crashed and can be started again. */
static void adopt_one(struct vm *vm)
{
    enum err err = vmm_adopt(vm);

    if (!err)
        return;
    event_emit(EVENT_ADOPTION_FAILED, vm->name, NULL, "its vmm cannot be taken over: %s",
               err_name(err));
    vm->crash = (struct vm_crash){ .is_set = 1 };
    string_copy(vm->crash.cause, sizeof(vm->crash.cause),
                "the manager was restarted and could not take over its vmm");
    vm_input(vm, INPUT_VMM_GONE);
}

/* The predecessor may have died between a step of the machine and its actions. What can be asked
 * for again without harm is. */
static void resume_operation(struct vm *vm)
{
    if (vm->machine.phase == VMM_ENDING && vm->process != HANDLE_NONE)
        sys_process_kill(vm->process);
    if (vm->machine.phase == VMM_NONE || vm->machine.phase == VMM_DRAINING)
        vmm_release(vm);
    if (vm->machine.phase == VMM_BOOTING && vm->process == HANDLE_NONE) {
        vmm_release(vm);
        vm_fail(vm, ERROR_FAILED, "vm start", "the manager ended while it made the vmm");
        vm_input(vm, INPUT_LAUNCH_FAILED);
    }
    if (vm->is_used && vm->machine.phase == VMM_DRAINING && drain(vm) == INPUT_DRAINED)
        vm_input(vm, INPUT_DRAINED);
}

void vm_adopt(void)
{
    for (unsigned i = 0; i < VM_COUNT_MAX; i++) {
        struct vm *vm = &table->vms[i];

        if (!vm->is_used)
            continue;
        if (vm->machine.state && record_is_good(vm)) {
            adopt_one(vm);
            if (vm->is_used)
                resume_operation(vm);
            continue;
        }
        event_emit(EVENT_ADOPTION_FAILED, NULL, NULL, "VM %u was damaged and is deleted", i);
        vmm_forget(vm);
        memset(vm, 0, sizeof(*vm));
    }
}
