/* What requests wait for, and who of them is answered when it comes about. */
#include "lib/format.h"
#include "services/manager/host.h"
#include "services/manager/request.h"
#include "services/manager/saves.h"

static void wait(struct request *r, const struct vm *vm, enum request_wait what)
{
    r->state = REQUEST_WAITING;
    r->waits_for = what;
    r->vm_slot = vm ? vm_slot(vm) : 0;
    r->vm_generation = vm ? vm->generation : 0;
}

void request_wait_operation(struct request *r, const struct vm *vm, enum vm_operation operation)
{
    wait(r, vm, WAIT_OPERATION);
    r->operation = operation;
}

void request_wait_vmm_end(struct request *r, const struct vm *vm, uint64_t deadline_ns)
{
    wait(r, vm, WAIT_VMM_END);
    r->deadline_ns = deadline_ns;
}

void request_wait_program_end(struct request *r, uint64_t deadline_ns)
{
    wait(r, NULL, WAIT_PROGRAM_END);
    r->deadline_ns = deadline_ns;
}

void request_wait_shutdown(struct request *r)
{
    wait(r, NULL, WAIT_SHUTDOWN);
}

void request_wait_reply(struct request *r, const struct vm *vm, uint32_t sequence,
                        enum vmm_query_kind query, uint32_t service, uint64_t deadline_ns)
{
    wait(r, vm, WAIT_REPLY);
    r->sequence = sequence;
    r->query = query;
    r->service = service;
    r->deadline_ns = deadline_ns;
}

void request_wait_guest_end(struct request *r)
{
    r->waits_for = WAIT_GUEST_END;
}

static bool waits(const struct request *r, enum request_wait what, const struct vm *vm)
{
    return r->state == REQUEST_WAITING && r->waits_for == what &&
           (!vm || (r->vm_slot == vm_slot(vm) && r->vm_generation == vm->generation));
}

struct request *request_of_reply(const struct vm *vm, uint32_t sequence)
{
    for (unsigned i = 0; i < REQUEST_COUNT; i++)
        if (waits(request_at(i), WAIT_REPLY, vm) && request_at(i)->sequence == sequence)
            return request_at(i);
    return NULL;
}

bool request_has_asked(const struct vm *vm, uint32_t service)
{
    for (unsigned i = 0; i < REQUEST_COUNT; i++)
        if (waits(request_at(i), WAIT_REPLY, vm) && request_at(i)->service == service)
            return true;
    return false;
}

unsigned request_guest_count(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < REQUEST_COUNT; i++) {
        const struct request *r = request_at(i);

        n += waits(r, WAIT_REPLY, NULL) || waits(r, WAIT_GUEST_END, NULL) ||
             (r->state == REQUEST_DEFERRED && r->service != SERVICE_COUNT);
    }
    return n;
}

static void answer_operation(struct request *r, struct vm *vm, enum operation_outcome outcome)
{
    if (outcome == OUTCOME_OK && r->operation == OPERATION_SAVE) {
        save_show(answer_begin(r), save_of(vm));
        answer_end(r);
    } else if (outcome == OUTCOME_OK) {
        vm_show(answer_begin(r), vm);
        answer_end(r);
    } else if (outcome == OUTCOME_SUPERSEDED) {
        answer_error(r, ERROR_FAILED, NULL, "vm show", "%s was powered off meanwhile", vm->name);
    } else if (vm->failure.message[0]) {
        answer_error(r, (enum error_code)vm->failure.code, NULL, vm->failure.hint, "%s",
                     vm->failure.message);
    } else {
        answer_error(r, ERROR_FAILED, NULL, "vm show", "%s has ended meanwhile", vm->name);
    }
}

void request_operation_done(struct vm *vm, enum operation_outcome outcome)
{
    for (unsigned i = 0; i < REQUEST_COUNT; i++) {
        struct request *r = request_at(i);
        bool is_new = r->operation == vm->machine.operation;

        if (waits(r, WAIT_OPERATION, vm) && !(outcome == OUTCOME_SUPERSEDED && is_new))
            answer_operation(r, vm, outcome);
    }
    if (outcome != OUTCOME_SUPERSEDED)
        vm->failure.message[0] = 0;
}

static void answer_ended(struct request *r, const char *program)
{
    struct json *j = answer_begin(r);

    json_object_begin(j);
    json_field_string(j, "ended", program);
    json_object_end(j);
    answer_end(r);
}

void request_program_ended(void)
{
    for (unsigned i = 0; i < REQUEST_COUNT; i++)
        if (waits(request_at(i), WAIT_PROGRAM_END, NULL))
            answer_ended(request_at(i), "switch");
}

void request_vmm_ended(const struct vm *vm)
{
    for (unsigned i = 0; i < REQUEST_COUNT; i++) {
        struct request *r = request_at(i);
        char program[PROGRAM_NAME_BYTES + 8];

        if (waits(r, WAIT_REPLY, vm) && r->query == QUERY_SHUTDOWN)
            request_wait_guest_end(r); /* what follows says how it ended */
        else if (waits(r, WAIT_REPLY, vm))
            answer_error(r, ERROR_FAILED, NULL, "vm show", "%s has ended meanwhile", vm->name);
        if (!waits(r, WAIT_VMM_END, vm))
            continue;
        format(program, sizeof(program), "vmm:%s", vm->name);
        answer_ended(r, program);
    }
}

/* The guest may be gone before the vmm has said that it agreed. */
void request_guest_ended(const struct vm *vm, uint32_t actions)
{
    for (unsigned i = 0; i < REQUEST_COUNT; i++) {
        struct request *r = request_at(i);
        bool is_asked = waits(r, WAIT_REPLY, vm) && r->query == QUERY_SHUTDOWN;
        bool wants_restart = r->mode == GUEST_END_RESTART;

        if (!is_asked && !waits(r, WAIT_GUEST_END, vm))
            continue;
        if (actions & (wants_restart ? ACT_EVENT_RESET : ACT_EVENT_STOPPED)) {
            vm_show(answer_begin(r), vm);
            answer_end(r);
        } else if (actions & (ACT_EVENT_RESET | ACT_EVENT_STOPPED | ACT_EVENT_CRASHED)) {
            answer_error(r, ERROR_FAILED, NULL, "vm show", "%s %s instead", vm->name,
                         actions & ACT_EVENT_RESET     ? "was restarted"
                         : actions & ACT_EVENT_STOPPED ? "was stopped"
                                                       : "crashed");
        }
    }
}

void request_shutdown_done(void)
{
    for (unsigned i = 0; i < REQUEST_COUNT; i++) {
        struct request *r = request_at(i);

        if (!waits(r, WAIT_SHUTDOWN, NULL))
            continue;
        host_show(answer_begin(r));
        answer_end(r);
    }
}
