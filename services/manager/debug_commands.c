/* debug ...: faults for tests. The release build answers unsupported. */
#include "lib/string.h"
#include "services/manager/commands.h"
#include "services/manager/switch_program.h"
#include "services/rt/sys.h"

#define FAULT_LIMIT_NS (5 * NS_PER_SECOND)
#define ROOTS_MAX      128u

static void fault_switch(struct request *r, const struct value *program)
{
    enum err err = switch_program_fault();

    if (err == ERR_STATE)
        answer_error(r, ERROR_WRONG_STATE, program, "switch create", "the switch does not run");
    else if (err)
        answer_error(r, ERROR_FAILED, NULL, "", "the kernel refused: %s", err_name(err));
    else
        request_wait_program_end(r, sys_clock() + FAULT_LIMIT_NS);
}

static void fault(struct request *r, const struct value *program)
{
    struct vm *vm = vm_find(program->text);

    if (strcmp(program->text, "manager") == 0) {
        r->is_fault_of_manager = 1; /* the successor answers */
        manager_fault();
    }
    if (!vm && strcmp(program->text, "switch") == 0) {
        fault_switch(r, program);
        return;
    }
    if (!vm) {
        answer_error(r, ERROR_NOT_FOUND, program, "manager, switch, or the name of a VM",
                     "no program or VM named %s", program->text);
        return;
    }
    if (vm->process == HANDLE_NONE || vm->machine.phase != VMM_UP) {
        answer_error(r, ERROR_WRONG_STATE, program, "vm start", "%s is %s and has no vmm", vm->name,
                     vm_state_name(vm->machine.state));
        return;
    }
    request_wait_vmm_end(r, vm, sys_clock() + FAULT_LIMIT_NS);
    enum err err = sys_process_fault(vm->process);
    if (err)
        answer_error(r, ERROR_FAILED, NULL, "", "the kernel refused: %s", err_name(err));
}

static void roots(struct request *r)
{
    static struct debug_root list[ROOTS_MAX];
    uint64_t count = 0;
    enum err err = sys_debug(DEBUG_ROOTS, 0, list, sizeof(list), &count);

    if (err) {
        answer_error(r, ERROR_UNSUPPORTED, NULL, "", "the kernel refused: %s", err_name(err));
        return;
    }
    struct json *j = answer_begin(r);
    json_list_begin(j);
    for (uint64_t i = 0; i < min(count, (uint64_t)ROOTS_MAX); i++) {
        list[i].name[sizeof(list[i].name) - 1] = 0;
        json_object_begin(j);
        json_field_string(j, "name", list[i].name);
        json_field_hex(j, "cr3", list[i].cr3);
        json_object_end(j);
    }
    json_list_end(j);
    answer_end(r);
}

static void fail_alloc(struct request *r, const struct value *n)
{
    uint64_t count = 0, ignored;
    enum err err = sys_debug(DEBUG_ALLOC_COUNT, 0, NULL, 0, &count);

    if (!err && n->is_set)
        err = sys_debug(DEBUG_FAIL_ALLOC, n->number, NULL, 0, &ignored);
    if (err) {
        answer_error(r, ERROR_UNSUPPORTED, NULL, "", "the kernel refused: %s", err_name(err));
        return;
    }
    struct json *j = answer_begin(r);
    json_object_begin(j);
    json_field_number(j, "allocation_count", count);
    json_object_end(j);
    answer_end(r);
}

void debug_command(struct request *r, const struct command_line *c)
{
    if (!IS_DEBUG) {
        answer_error(r, ERROR_UNSUPPORTED, NULL, "use the debug build",
                     "this is the release build");
        return;
    }
    switch (c->command->id) {
    case COMMAND_DEBUG_FAULT: fault(r, command_value(c, "PROGRAM")); break;
    case COMMAND_DEBUG_ROOTS: roots(r); break;
    default: fail_alloc(r, command_value(c, "n"));
    }
}
