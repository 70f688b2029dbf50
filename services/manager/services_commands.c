/* services list|enable|disable, tools status. */
#include "lib/string.h"
#include "services/manager/commands.h"
#include "services/manager/guest.h"

static void list(struct request *r, const struct vm *only, bool is_explained)
{
    struct json *j = answer_begin(r);

    json_list_begin(j);
    for (unsigned i = 0; i < VM_COUNT_MAX; i++) {
        const struct vm *vm = vm_at(i);

        if (vm && vm->machine.is_born && (!only || vm == only))
            guest_services(j, vm, is_explained);
    }
    json_list_end(j);
    answer_end(r);
}

static void status(struct request *r)
{
    struct json *j = answer_begin(r);

    json_list_begin(j);
    for (unsigned i = 0; i < VM_COUNT_MAX; i++)
        if (vm_at(i) && vm_at(i)->machine.is_born && guest_status(j, vm_at(i)))
            answer_attention();
    json_list_end(j);
    answer_end(r);
}

static void enable(struct request *r, struct vm *vm, const struct value *service, bool is_on)
{
    uint32_t bit = 1u << service->number, old = vm->settings.services_off;

    vm->settings.services_off = is_on ? old & ~bit : old | bit;
    enum err err = guest_send_services(vm);
    if (err) {
        vm->settings.services_off = old;
        answer_error(r, ERROR_FAILED, NULL, "try again", "the vmm's channel takes no message: %s",
                     err_name(err));
        return;
    }
    struct json *j = answer_begin(r);
    json_object_begin(j);
    json_field_string(j, "vm", vm->name);
    json_field_string(j, "service", service->text);
    json_field_bool(j, "enabled", is_on);
    json_object_end(j);
    answer_end(r);
}

void services_command(struct request *r, const struct command_line *c)
{
    const struct value *name = command_value(c, "NAME");
    enum command_id id = c->command->id;
    struct vm *vm = vm_find(name->text);

    if (id == COMMAND_TOOLS_STATUS) {
        status(r);
    } else if (!name->is_set) {
        list(r, NULL, c->is_explained);
    } else if (!vm) {
        answer_error(r, ERROR_NOT_FOUND, name, "vm list", "no VM named %s", name->text);
    } else if (!vm->machine.is_born || vm->machine.operation == OPERATION_DELETE) {
        request_defer(r, vm->name); /* it is neither quite there nor quite gone */
    } else if (id == COMMAND_SERVICES_LIST) {
        list(r, vm, c->is_explained);
    } else {
        enable(r, vm, command_value(c, "SERVICE"), id == COMMAND_SERVICES_ENABLE);
    }
}
