/* Where and how much a VM's vCPUs run: vm set. What was asked for is kept in the VM's record and
 * told to the kernel whenever there is somebody to whom it applies. */
#include "lib/format.h"
#include "services/manager/commands.h"
#include "services/manager/vm_schedule.h"
#include "services/manager/vmm.h"
#include "services/rt/sys.h"

#define WEIGHT_USUAL 100u

void vm_schedule_init(struct vm_schedule *s)
{
    *s = (struct vm_schedule){ .weight = WEIGHT_USUAL };
}

bool vm_schedule_is_good(const struct vm_schedule *s)
{
    return cpu_list_is_good(&s->pin) && s->weight >= 1 && s->weight <= VM_WEIGHT_MAX &&
           s->cap_percent <= VM_CAP_MAX;
}

void vm_schedule_show(struct json *j, const struct vm_schedule *s)
{
    json_key(j, "pin");
    if (s->pin.count) {
        json_list_begin(j);
        for (unsigned i = 0; i < s->pin.count; i++)
            json_number(j, s->pin.cpus[i]);
        json_list_end(j);
    } else {
        json_null(j);
    }
    json_field_number(j, "weight", s->weight);
    json_field_number(j, "cap", s->cap_percent);
}

/* The machine's CPUs are counted from 0, without gaps. */
static bool take_pin(struct request *r, const struct value *pin, struct cpu_list *out)
{
    struct host_info host;
    char hint[80];

    if (!cpu_list_parse(pin->text, out) || sys_host_info(&host))
        host.cpu_count = 0;
    for (unsigned i = 0; i < out->count; i++) {
        if (out->cpus[i] < host.cpu_count)
            continue;
        format(hint, sizeof(hint), "any, or numbers below %u with commas between them",
               host.cpu_count);
        answer_error(r, ERROR_USAGE, pin, hint, "this machine has no CPU %u", out->cpus[i]);
        return false;
    }
    return true;
}

bool vm_schedule_take(struct request *r, const struct command_line *c, struct vm_schedule *s)
{
    const struct value *pin = command_value(c, "pin"), *weight = command_value(c, "weight");
    const struct value *cap = command_value(c, "cap");

    if (pin->is_set && !take_pin(r, pin, &s->pin))
        return false;
    if (weight->is_set)
        s->weight = (uint32_t)weight->number;
    if (cap->is_set)
        s->cap_percent = (uint32_t)cap->number;
    return true;
}

void vm_set_command(struct request *r, struct vm *vm, const struct command_line *c)
{
    struct vm_schedule schedule = vm->settings.schedule;

    if (!command_value(c, "pin")->is_set && !command_value(c, "weight")->is_set &&
        !command_value(c, "cap")->is_set) {
        answer_error(r, ERROR_USAGE, NULL, "pin=, weight=, cap=", "nothing to set");
        return;
    }
    if (!vm_schedule_take(r, c, &schedule))
        return;
    vm->settings.schedule = schedule;
    enum err err = vmm_schedule(vm);
    if (err) {
        answer_error(r, ERROR_FAILED, NULL, "vm show", "the kernel refused: %s", err_name(err));
        return;
    }
    vm_show(answer_begin(r), vm);
    answer_end(r);
}
