/* vm ... Each handler finds its VM, checks the state, and lets the machine begin; the answer comes
 * when the machine says so. */
#include "lib/format.h"
#include "lib/string.h"
#include "services/manager/commands.h"
#include "services/manager/config.h"
#include "services/manager/console.h"
#include "services/manager/host.h"
#include "services/manager/stream.h"
#include "services/manager/vmm.h"
#include "services/rt/startup.h"
#include "services/rt/sys.h"

#define MEMORY_BYTES_MIN MIB(1)
#define MEMORY_BYTES_MAX GIB(1024)
#define IOAPIC_DEFAULT   1u /* without ioapic= */

/* ---- create ---- */

static const struct startup_grant *find_module(const char *name)
{
    const struct startup_grant *g = startup_grant(name);

    return g && g->kind == GRANT_MODULE ? g : NULL;
}

/* False when @r has been answered. */
static bool module_is_there(struct request *r, const struct value *v, const char *name)
{
    const struct startup_grant *g = find_module(name);

    if (!g) {
        answer_error(r, ERROR_NOT_FOUND, v, "put the file among the boot modules",
                     "no boot module named %.100s", name);
        return false;
    }
    if (!g->bytes) {
        answer_error(r, ERROR_BAD_IMAGE, v, "replace the file", "the boot module %.100s is empty",
                     name);
        return false;
    }
    return true;
}

static bool files_are_there(struct request *r, const struct command_line *c)
{
    const struct value *kernel = command_value(c, "kernel"), *initrd = command_value(c, "initrd");
    const struct value *modules = command_value(c, "modules");
    const char *list = modules->text;
    char name[GRANT_NAME_BYTES];

    if (!module_is_there(r, kernel, kernel->text) ||
        (initrd->is_set && !module_is_there(r, initrd, initrd->text)))
        return false;
    while (module_list_next(&list, name))
        if (!module_is_there(r, modules, name))
            return false;
    return true;
}

/* What is known before the kernel's file has been looked at; the vmm says the rest. */
static bool type_takes_files(struct request *r, const struct command_line *c)
{
    const struct value *type = command_value(c, "type"), *modules = command_value(c, "modules");
    const struct value *initrd = command_value(c, "initrd");

    if (modules->is_set && (type->number == GUEST_LINUX || type->number == GUEST_PVH)) {
        answer_error(r, ERROR_USAGE, modules, "initrd=, or type=multiboot",
                     "modules= is for multiboot kernels only");
        return false;
    }
    if (initrd->is_set && type->number == GUEST_MULTIBOOT) {
        answer_error(r, ERROR_USAGE, initrd, "modules=", "a multiboot kernel knows no initrd");
        return false;
    }
    return true;
}

static bool memory_is_good(struct request *r, const struct value *memory)
{
    if (memory->number >= MEMORY_BYTES_MIN && memory->number <= MEMORY_BYTES_MAX &&
        memory->number % PAGE_BYTES == 0)
        return true;
    answer_error(r, memory->number > MEMORY_BYTES_MAX ? ERROR_NO_MEMORY : ERROR_USAGE, memory,
                 "at least 1M and a multiple of 4K", "memory=%s cannot be", memory->text);
    return false;
}

static uint64_t file_bytes(const char *name)
{
    const struct startup_grant *g = name[0] ? find_module(name) : NULL;

    return g ? g->bytes : 0;
}

/* What the vmm maps to boot from; of a restored VM some may be missing. */
static uint64_t all_file_bytes(const struct vm_settings *s)
{
    uint64_t bytes = file_bytes(s->kernel) + file_bytes(s->initrd);
    const char *list = s->modules;
    char name[GRANT_NAME_BYTES];

    while (module_list_next(&list, name))
        bytes += file_bytes(name);
    return bytes;
}

struct vm *vm_command_reserve(struct request *r, const struct value *name,
                              const struct vm_settings *s, const struct value *at)
{
    uint64_t bytes = vmm_budget_bytes(s->memory_bytes, all_file_bytes(s), s->cpu_count);
    struct vm *vm = vm_allocate(name->text);

    if (!vm) {
        answer_error(r, ERROR_NO_MEMORY, NULL, "vm delete", "there are %u VMs already",
                     VM_COUNT_MAX);
        return NULL;
    }
    vm->settings = *s;
    enum err err = sys_budget_create(startup_handle("budget"), bytes, &vm->budget);
    if (!err)
        err = vmm_console_create(vm);
    if (!err)
        return vm;
    vmm_forget(vm);
    vm->is_used = 0;
    if (err == ERR_MEMORY)
        answer_error(r, ERROR_NO_MEMORY, at, "take less, or delete a VM",
                     "%lu MiB are needed with what it takes to keep the VM, %lu MiB are free",
                     (bytes + sizeof(struct vmm_console) + MIB(1) - 1) >> 20,
                     host_free_bytes() >> 20);
    else
        answer_error(r, ERROR_FAILED, NULL, "log show", "the kernel made no budget: %s",
                     err_name(err));
    return NULL;
}

static void fill(struct vm_settings *s, const struct command_line *c)
{
    const struct value *ioapic = command_value(c, "ioapic");

    memset(s, 0, sizeof(*s));
    s->memory_bytes = command_value(c, "memory")->number;
    s->cpu_count = (uint32_t)command_value(c, "cpus")->number;
    s->type = (uint32_t)command_value(c, "type")->number;
    s->has_ioapic = ioapic->is_set ? (uint32_t)ioapic->number : IOAPIC_DEFAULT;
    s->echo_count = (uint32_t)command_value(c, "echo")->number;
    s->restarts_on_crash = (uint32_t)command_value(c, "on-crash")->number;
    string_copy(s->kernel, sizeof(s->kernel), command_value(c, "kernel")->text);
    string_copy(s->initrd, sizeof(s->initrd), command_value(c, "initrd")->text);
    string_copy(s->cmdline, sizeof(s->cmdline), command_value(c, "cmdline")->text);
    string_copy(s->modules, sizeof(s->modules), command_value(c, "modules")->text);
    vm_schedule_init(&s->schedule);
}

static void create(struct request *r, const struct command_line *c)
{
    static struct vm_settings settings; /* too large for the stack to be careless about */
    const struct value *name = command_value(c, "NAME"), *memory = command_value(c, "memory");

    if (vm_find(name->text)) {
        answer_error(r, ERROR_EXISTS, name, "vm list", "there is a VM named %s", name->text);
        return;
    }
    if (host_is_shutting_down()) {
        answer_error(r, ERROR_FAILED, NULL, "", "the host is shutting down");
        return;
    }
    fill(&settings, c);
    if (!type_takes_files(r, c) || !memory_is_good(r, memory) || !files_are_there(r, c) ||
        !vm_schedule_take(r, c, &settings.schedule))
        return;
    struct vm *vm = vm_command_reserve(r, name, &settings, memory);
    if (!vm)
        return;
    request_wait_operation(r, vm, OPERATION_CREATE);
    vm_input(vm, INPUT_CREATE);
}

/* ---- the rest of its life ---- */

static const struct {
    enum command_id id;
    enum vm_input input;
    enum vm_operation operation;
} changes[] = {
    { COMMAND_VM_START, INPUT_START, OPERATION_START },
    { COMMAND_VM_POWEROFF, INPUT_POWEROFF, OPERATION_POWEROFF },
    { COMMAND_VM_RESET, INPUT_RESET, OPERATION_RESET },
    { COMMAND_VM_PAUSE, INPUT_PAUSE, OPERATION_PAUSE },
    { COMMAND_VM_RESUME, INPUT_RESUME, OPERATION_RESUME },
    { COMMAND_VM_DELETE, INPUT_DELETE, OPERATION_DELETE },
    { COMMAND_VM_SAVE, INPUT_SAVE, OPERATION_SAVE },
};

/* What leads out of the state. */
static const char *way_out(uint32_t state)
{
    switch (state) {
    case VM_CREATED: return "vm start, vm delete";
    case VM_RUNNING: return "vm pause, vm poweroff, vm reset";
    case VM_PAUSED: return "vm resume, vm poweroff, vm reset";
    case VM_STOPPED: return "vm start, vm delete";
    default: return "vm start, vm reset, vm delete";
    }
}

static void refuse_state(struct request *r, const struct vm *vm)
{
    answer_error(r, ERROR_WRONG_STATE, NULL, way_out(vm->machine.state), "%s is %s", vm->name,
                 vm_state_name(vm->machine.state));
}

static void change(struct request *r, struct vm *vm, unsigned which, const struct command_line *c)
{
    enum vm_input input = changes[which].input;

    if (vm_machine_is_busy(&vm->machine, input) ||
        (input != INPUT_POWEROFF && request_has_deferred(vm->name, r))) {
        request_defer(r, vm->name);
        return;
    }
    if (!vm_machine_allows(&vm->machine, input)) {
        refuse_state(r, vm);
        return;
    }
    if (host_is_shutting_down() && (input == INPUT_START || input == INPUT_RESET)) {
        answer_error(r, ERROR_FAILED, NULL, "", "the host is shutting down");
        return;
    }
    if ((input == INPUT_START || input == INPUT_RESET) && !network_may_start(r, vm))
        return;
    if (input == INPUT_SAVE && !save_command_begin(r, vm, command_value(c, "as")))
        return;
    request_wait_operation(r, vm, changes[which].operation);
    vm_input(vm, input);
}

static void type(struct request *r, struct vm *vm, const struct value *text)
{
    size_t room = vmm_console_room(vm);

    if (!vm_is_live(vm)) {
        refuse_state(r, vm);
        return;
    }
    if (vmm_console_type(vm, text->text, text->n)) {
        answer_error(r, ERROR_FAILED, text, "try again when the guest has read some",
                     "%u bytes to type, room for %zu", text->n, room);
        return;
    }
    struct json *j = answer_begin(r);
    json_object_begin(j);
    json_field_number(j, "queued_bytes", text->n);
    json_field_number(j, "waiting_bytes", VMM_CONSOLE_IN_BYTES - vmm_console_room(vm));
    json_object_end(j);
    answer_end(r);
}

static void console(struct request *r, const struct vm *vm)
{
    if (request_is_config(r))
        config_attach(vm->name);
    else if (request_is_console(r))
        console_attach(vm);
    answer_none(r);
}

static void list(struct request *r)
{
    struct json *j = answer_begin(r);

    json_list_begin(j);
    for (unsigned i = 0; i < VM_COUNT_MAX; i++)
        if (vm_at(i) && vm_at(i)->machine.is_born)
            vm_list_entry(j, vm_at(i));
    json_list_end(j);
    answer_end(r);
}

void vm_command(struct request *r, const struct command_line *c)
{
    const struct value *name = command_value(c, "NAME");
    struct vm *vm = vm_find(name->text);

    if (c->command->id == COMMAND_VM_LIST) {
        list(r);
        return;
    }
    if (vm && !vm->machine.is_born && vm->machine.operation == OPERATION_NONE) {
        answer_error(r, ERROR_TIMED_OUT, name, "try again", "what is left of %s is not yet gone",
                     vm->name);
        return;
    }
    if (vm && (!vm->machine.is_born || vm->machine.operation == OPERATION_DELETE)) {
        request_defer(r, vm->name); /* it is neither quite there nor quite gone */
        return;
    }
    if (c->command->id == COMMAND_VM_CREATE) {
        create(r, c);
        return;
    }
    if (!vm) {
        answer_error(r, ERROR_NOT_FOUND, name, "vm list", "no VM named %s", name->text);
        return;
    }
    for (unsigned i = 0; i < array_count(changes); i++)
        if (changes[i].id == c->command->id) {
            change(r, vm, i, c);
            return;
        }
    switch (c->command->id) {
    case COMMAND_VM_SHOW:
        vm_show(answer_begin(r), vm);
        answer_end(r);
        break;
    case COMMAND_VM_VCPUS:
        vm_vcpus(answer_begin(r), vm);
        answer_end(r);
        break;
    case COMMAND_VM_SET: vm_set_command(r, vm, c); break;
    case COMMAND_VM_LOG: stream_vm_log(r, vm, command_value(c, "from")->number); break;
    case COMMAND_VM_SHUTDOWN:
    case COMMAND_VM_KVP:
    case COMMAND_VM_IP:
    case COMMAND_VM_FREEZE:
    case COMMAND_VM_THAW:
    case COMMAND_VM_COPY:
    case COMMAND_CHANNEL_LIST: guest_command(r, vm, c); break;
    case COMMAND_VM_TYPE: type(r, vm, command_value(c, "TEXT")); break;
    default: console(r, vm);
    }
}
