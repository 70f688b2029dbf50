/* A VM as JSON: vm list, vm show, and the fields of vm-crashed. */
#include "lib/format.h"
#include "lib/string.h"
#include "services/manager/network_commands.h"
#include "services/manager/vmm.h"
#include "services/rt/sys.h"

static const char *const exit_names[EXIT_KIND_COUNT] = {
    [EXIT_CPUID] = "cpuid",
    [EXIT_MSR_READ] = "msr_read",
    [EXIT_MSR_WRITE] = "msr_write",
    [EXIT_IO] = "io",
    [EXIT_HLT] = "hlt",
    [EXIT_HYPERCALL] = "hypercall",
    [EXIT_INTERRUPT] = "interrupt",
    [EXIT_INTERRUPT_WINDOW] = "interrupt_window",
    [EXIT_NESTED_PAGE_FAULT] = "nested_page_fault",
    [EXIT_EXCEPTION] = "exception",
    [EXIT_CONTROL_REGISTER] = "control_register",
    [EXIT_XSETBV] = "xsetbv",
    [EXIT_INSTRUCTION] = "instruction",
    [EXIT_SHUTDOWN] = "shutdown",
    [EXIT_INVALID] = "invalid",
    [EXIT_IRET] = "iret",
    [EXIT_OTHER] = "other",
};

const char *guest_type_name(uint32_t type)
{
    static const char *const names[] = { "auto", "linux", "pvh", "multiboot" };

    return type < array_count(names) ? names[type] : "unknown";
}

void vm_exits(struct json *j, const uint64_t exits[EXIT_KIND_COUNT])
{
    json_object_begin(j);
    for (unsigned i = 0; i < EXIT_KIND_COUNT; i++)
        json_field_number(j, exit_names[i], exits[i]);
    json_object_end(j);
}

static void summary(struct json *j, const struct vm *vm)
{
    json_field_string(j, "name", vm->name);
    json_field_string(j, "state", vm_state_name(vm->machine.state));
    json_field_number(j, "cpus", vm->settings.cpu_count);
    json_field_number(j, "memory_bytes", vm->settings.memory_bytes);
    json_field_number(j, "uptime_ns", vm_is_live(vm) ? sys_clock() - vm->started_ns : 0);
    if (vm->has_exit_code)
        json_field_number(j, "exit_code", vm->exit_code);
    else
        json_field_null(j, "exit_code");
}

void vm_list_entry(struct json *j, const struct vm *vm)
{
    json_object_begin(j);
    summary(j, vm);
    json_object_end(j);
}

static void registers(struct json *j, const struct vcpu_state *s)
{
    static const char *const names[16] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                           "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15" };

    json_object_begin(j);
    for (unsigned i = 0; i < 16; i++)
        json_field_hex(j, names[i], s->gpr[i]);
    json_field_hex(j, "rip", s->rip);
    json_field_hex(j, "rflags", s->rflags);
    json_field_hex(j, "cr0", s->cr0);
    json_field_hex(j, "cr2", s->cr2);
    json_field_hex(j, "cr3", s->cr3);
    json_field_hex(j, "cr4", s->cr4);
    json_field_hex(j, "efer", s->efer);
    json_object_end(j);
}

static void code_bytes(struct json *j, const struct vmm_end *end)
{
    char text[2 * sizeof(end->code) + 1] = "";

    for (unsigned i = 0; i < end->code_bytes && i < sizeof(end->code); i++)
        format(text + 2 * i, 3, "%02x", end->code[i]);
    json_field_string(j, "code", text);
}

static void crash_registers(struct json *j, const struct vmm_end *end)
{
    json_field_number(j, "vcpu", end->vcpu_index);
    json_key(j, "registers");
    registers(j, &end->state);
    json_field_hex(j, "cr2", end->state.cr2);
    json_field_hex(j, "cr3", end->state.cr3);
    json_field_hex(j, "error_code", end->error_code);
    code_bytes(j, end);
}

void vm_crash_fields(struct json *j, const struct vm *vm)
{
    json_object_begin(j);
    json_field_string(j, "cause", vm->crash.cause);
    if (vm->crash.has_registers)
        crash_registers(j, &vm->crash.end);
    json_object_end(j);
}

/* The last exits, the oldest first. */
static void last_exits(struct json *j, const struct vcpu_info *info)
{
    uint64_t count = min(info->trace_total, (uint64_t)VCPU_TRACE_COUNT);

    json_list_begin(j);
    for (uint64_t n = info->trace_total - count; n != info->trace_total; n++) {
        const struct vcpu_trace *t = &info->trace[n % VCPU_TRACE_COUNT];

        json_object_begin(j);
        json_field_number(j, "t_ns", t->t_ns);
        json_field_hex(j, "rip", t->rip);
        json_field_string(j, "kind", t->kind < EXIT_KIND_COUNT ? exit_names[t->kind] : "other");
        json_field_number(j, "code", t->code);
        json_field_hex(j, "detail", t->detail);
        json_object_end(j);
    }
    json_list_end(j);
}

static void crash(struct json *j, const struct vm *vm, const struct vcpu_info *info)
{
    json_key(j, "crash");
    json_object_begin(j);
    json_field_string(j, "cause", vm->crash.cause);
    if (vm->crash.has_registers) {
        crash_registers(j, &vm->crash.end);
    } else {
        json_field_number(j, "vcpu", 0);
        json_key(j, "registers");
        json_null(j);
        json_field_null(j, "cr2");
        json_field_null(j, "cr3");
        json_field_null(j, "error_code");
        json_field_string(j, "code", "");
    }
    json_key(j, "exits");
    last_exits(j, info);
    json_object_end(j);
}

static void modules(struct json *j, const struct vm *vm)
{
    const char *list = vm->settings.modules;
    char name[GRANT_NAME_BYTES];

    json_list_begin(j);
    while (module_list_next(&list, name))
        json_string(j, name);
    json_list_end(j);
}

/* Those of the services, as the vmm told last; `channel list` asks it for all. */
static void channels(struct json *j, const struct vm *vm)
{
    const struct vmm_inventory *known = &vm->guest.inventory;
    bool is_connected = vm_is_live(vm) && known->vmbus_version;

    json_list_begin(j);
    for (unsigned i = 0; is_connected && i < SERVICE_COUNT; i++) {
        uint32_t state = known->services[i].state;

        if (state == SERVICE_OFF || state == SERVICE_BROKEN)
            continue;
        json_object_begin(j);
        json_field_string(j, "service", service_name(i));
        json_field_string(j, "state", state == SERVICE_OFFERED ? "offered" : "open");
        json_object_end(j);
    }
    json_list_end(j);
}

static void nics(struct json *j, const struct vm *vm)
{
    json_list_begin(j);
    for (unsigned number = 0; number < VMM_NICS_MAX; number++)
        if (port_of_nic(vm, number))
            nic_list_entry(j, port_of_nic(vm, number));
    json_list_end(j);
}

void vm_show(struct json *j, const struct vm *vm)
{
    struct vcpu_info info = { 0 };

    bool is_running = vm->machine.phase == VMM_BOOTING || vm->machine.phase == VMM_UP;

    if ((!is_running || vmm_counters(vm, &info)) && vm->has_counters)
        info = vm->counters;
    json_object_begin(j);
    summary(j, vm);
    json_field_string(j, "kernel", vm->settings.kernel);
    if (vm->settings.initrd[0])
        json_field_string(j, "initrd", vm->settings.initrd);
    else
        json_field_null(j, "initrd");
    json_field_string(j, "cmdline", vm->settings.cmdline);
    json_field_string(j, "type", guest_type_name(vm->settings.type));
    json_key(j, "modules");
    modules(j, vm);
    json_field_string(j, "ioapic", vm->settings.has_ioapic ? "on" : "off");
    json_field_string(j, "on_crash", vm->settings.restarts_on_crash ? "restart" : "stop");
    json_field_number(j, "echo", vm->settings.echo_count);
    vm_schedule_show(j, &vm->settings.schedule);
    json_key(j, "exits");
    vm_exits(j, info.exits);
    json_key(j, "vcpus");
    vm_vcpus_brief(j, vm);
    json_key(j, "channels");
    channels(j, vm);
    json_key(j, "nics");
    nics(j, vm);
    if (vm->machine.state == VM_CRASHED && vm->crash.is_set)
        crash(j, vm, &info);
    json_object_end(j);
}
