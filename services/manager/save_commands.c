/* vm save, vm restore, vm forget, vm saves. */
#include "services/manager/commands.h"
#include "services/manager/host.h"
#include "services/manager/saves.h"

bool save_command_begin(struct request *r, struct vm *vm, const struct value *as)
{
    if (save_find(as->text)) {
        answer_error(r, ERROR_EXISTS, as, "vm saves", "there is a save named %s", as->text);
        return false;
    }
    enum err err = save_begin(vm, as->text);
    if (!err)
        return true;
    if (err == ERR_FULL)
        answer_error(r, ERROR_NO_MEMORY, as, "vm forget", "there are %u saves already",
                     SAVE_COUNT_MAX);
    else if (err == ERR_MEMORY)
        answer_error(r, ERROR_NO_MEMORY, NULL, "vm forget, vm delete",
                     "the image takes the VM's %lu MiB again, %lu MiB are free; %s is as it was",
                     vm->settings.memory_bytes >> 20, host_free_bytes() >> 20, vm->name);
    else if (err == ERR_ARGUMENT)
        answer_error(r, ERROR_UNSUPPORTED, NULL, "a VM with less memory",
                     "an image of more than 1 GiB cannot be made; %s is as it was", vm->name);
    else
        answer_error(r, ERROR_FAILED, NULL, "log show", "the kernel made no image: %s",
                     err_name(err));
    return false;
}

static void restore(struct request *r, const struct save *s, const struct value *name)
{
    struct vm *vm = vm_find(name->text);

    if (vm && (!vm->machine.is_born || vm->machine.operation == OPERATION_DELETE)) {
        request_defer(r, vm->name);
        return;
    }
    if (vm) {
        answer_error(r, ERROR_EXISTS, name, "vm list", "there is a VM named %s", name->text);
        return;
    }
    if (host_is_shutting_down()) {
        answer_error(r, ERROR_FAILED, NULL, "", "the host is shutting down");
        return;
    }
    if (!network_may_restore(r, s->nics, s->nic_count))
        return;
    vm = vm_command_reserve(r, name, &s->settings, NULL);
    if (!vm)
        return;
    network_restore(vm, s->nics, s->nic_count);
    vm->save = save_slot(s) + 1;
    request_wait_operation(r, vm, OPERATION_RESTORE);
    vm_input(vm, INPUT_RESTORE);
}

void save_command(struct request *r, const struct command_line *c)
{
    const struct value *name = command_value(c, "SAVE");
    struct save *s;

    if (c->command->id == COMMAND_VM_SAVES) {
        saves_list(answer_begin(r));
        answer_end(r);
        return;
    }
    s = save_find(name->text);
    if (!s) {
        answer_error(r, ERROR_NOT_FOUND, name, "vm saves", "no save named %s", name->text);
        return;
    }
    if (s->state != SAVE_GOOD) {
        request_defer(r, s->vm); /* it is being made */
        return;
    }
    if (c->command->id == COMMAND_VM_RESTORE) {
        restore(r, s, command_value(c, "name"));
        return;
    }
    save_show(answer_begin(r), s);
    save_forget(s);
    answer_end(r);
}
