/* The vCPUs of a VM as JSON: vm vcpus, and the short list in vm show. What the kernel tells of a
 * vCPU is read here and nowhere else. */
#include "services/manager/vm.h"
#include "services/manager/vmm.h"

/* What a vCPU does. The VM's own state comes first: a paused one may have been halted before. */
static const char *state_word(const struct vm *vm, const struct vcpu_info *info)
{
    static const char *const words[] = {
        [VCPU_ACTIVE] = "running",
        [VCPU_HALTED] = "halted",
        [VCPU_IDLE] = "idle",
        [VCPU_WAITS_FOR_SIPI] = "waiting-for-sipi",
    };

    if (!info)
        return "off";
    if (vm->machine.state != VM_RUNNING)
        return vm_state_name(vm->machine.state);
    return info->activity < array_count(words) ? words[info->activity] : "unknown";
}

/* NULL: there is none, because there is no vmm. */
static const struct vcpu_info *ask(const struct vm *vm, unsigned index, struct vcpu_info *room)
{
    return vmm_vcpu_info(vm, index, room) ? NULL : room;
}

static void exits(struct json *j, const struct vcpu_info *info)
{
    static const uint64_t none[EXIT_KIND_COUNT];

    json_field_number(j, "exit_count", info ? info->trace_total : 0);
    json_key(j, "exits");
    vm_exits(j, info ? info->exits : none);
}

void vm_vcpus(struct json *j, const struct vm *vm)
{
    struct vcpu_info room;

    json_list_begin(j);
    for (unsigned i = 0; i < vm->settings.cpu_count; i++) {
        const struct vcpu_info *info = ask(vm, i, &room);

        json_object_begin(j);
        json_field_number(j, "index", i);
        json_field_string(j, "state", state_word(vm, info));
        json_field_string(j, "apic", info && info->is_xapic ? "xapic" : "x2apic");
        json_field_number(j, "host_cpu", info ? info->host_cpu : 0);
        if (info && info->pinned_cpu != VCPU_NOT_PINNED)
            json_field_number(j, "pinned_cpu", info->pinned_cpu);
        else
            json_field_null(j, "pinned_cpu");
        json_field_number(j, "guest_ns", info ? info->guest_ns : 0);
        exits(j, info);
        json_object_end(j);
    }
    json_list_end(j);
}

void vm_vcpus_brief(struct json *j, const struct vm *vm)
{
    struct vcpu_info room;

    json_list_begin(j);
    for (unsigned i = 0; i < vm->settings.cpu_count; i++) {
        const struct vcpu_info *info = ask(vm, i, &room);

        json_object_begin(j);
        json_field_number(j, "id", i);
        json_field_bool(j, "is_halted", info && info->activity != VCPU_ACTIVE);
        json_object_end(j);
    }
    json_list_end(j);
}
