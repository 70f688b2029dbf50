/* A request is in one state at a time; each answer ends in finish(). What the answer looks like is
 * decided in one place, deliver(), by where the line came from. */
#include <stdarg.h>

#include "lib/format.h"
#include "lib/string.h"
#include "services/manager/commands.h"
#include "services/manager/config.h"
#include "services/manager/console.h"
#include "services/manager/control.h"
#include "services/manager/host.h"
#include "services/manager/request.h"
#include "services/manager/saves.h"
#include "services/rt/sys.h"

#define ANSWER_BYTES_MAX (96u * 1024u)

static struct request_table *table;

/* One answer is made at a time. */
static struct {
    char text[ANSWER_BYTES_MAX];
    struct json json;
    size_t result; /* where the result begins */
    bool needs_attention;
} answer;

static struct command_line parsed;

void request_init(struct request_table *t)
{
    table = t;
}

struct request *request_at(unsigned index)
{
    return &table->requests[index];
}

bool request_is_console(const struct request *r)
{
    return r == &table->requests[REQUEST_CONSOLE];
}

bool request_is_config(const struct request *r)
{
    return r == &table->requests[REQUEST_CONFIG];
}

bool request_is_control(const struct request *r)
{
    return !request_is_console(r) && !request_is_config(r);
}

struct request *request_allocate(unsigned index)
{
    struct request *r = &table->requests[index];

    return r->state == REQUEST_FREE ? r : NULL;
}

struct request *request_allocate_control(void)
{
    for (unsigned i = 0; i < REQUEST_CONTROL_COUNT; i++)
        if (table->requests[i].state == REQUEST_FREE)
            return &table->requests[i];
    return NULL;
}

static void finish(struct request *r)
{
    r->state = REQUEST_FREE;
    r->is_fault_of_manager = 0;
}

/* ---- answers ---- */

static void begin_line(struct request *r, bool is_ok)
{
    struct json *j = &answer.json;

    json_init(j, answer.text, sizeof(answer.text) - 1); /* its LF always fits */
    json_object_begin(j);
    json_field_number(j, "id", r->id);
    json_field_bool(j, "ok", is_ok);
}

struct json *answer_begin(struct request *r)
{
    begin_line(r, true);
    json_key(&answer.json, "result");
    answer.result = answer.json.used;
    answer.needs_attention = false;
    return &answer.json;
}

void answer_end(struct request *r)
{
    struct json *j = &answer.json;
    size_t result_end = j->used;

    if (answer.needs_attention)
        json_field_bool(j, "attention", true);
    json_object_end(j);
    if (j->is_overflown) {
        answer_error(r, ERROR_FAILED, NULL, "", "the answer is longer than %u bytes",
                     ANSWER_BYTES_MAX);
        return;
    }
    finish(r);
    if (request_is_control(r)) {
        answer.text[j->used++] = '\n';
        control_put_line(answer.text, j->used);
    } else if (request_is_console(r)) {
        console_result(answer.text + answer.result, result_end - answer.result);
    }
}

void answer_attention(void)
{
    answer.needs_attention = true;
}

static void error_line(struct request *r, enum error_code code, const char *message,
                       const char *hint)
{
    struct json *j = &answer.json;

    begin_line(r, false);
    json_key(j, "error");
    json_object_begin(j);
    json_field_string(j, "code", error_catalogue[code].name);
    json_field_string(j, "message", message);
    json_field_string(j, "hint", hint);
    json_object_end(j);
    json_object_end(j);
    answer.text[j->used++] = '\n';
    control_put_line(answer.text, j->used);
}

static void deliver_error(struct request *r, enum error_code code, uint32_t column,
                          const char *message, const char *hint)
{
    finish(r);
    if (request_is_control(r))
        error_line(r, code, message, hint);
    else if (request_is_config(r))
        config_error(r, code, column, hint, message);
    else
        console_print("%s: %s%s%s%s\n", error_catalogue[code].name, message, hint[0] ? " (" : "",
                      hint, hint[0] ? ")" : "");
}

void answer_error(struct request *r, enum error_code code, const struct value *at, const char *hint,
                  const char *fmt, ...)
{
    char message[320];
    va_list args;

    va_start(args, fmt);
    format_v(message, sizeof(message), fmt, args);
    va_end(args);
    deliver_error(r, code, at && at->is_set ? at->column : 1, message, hint);
}

void answer_none(struct request *r)
{
    finish(r);
    if (request_is_control(r))
        error_line(r, ERROR_UNSUPPORTED, "this command is for the console only", "");
}

/* ---- running ---- */

static void run(struct request *r)
{
    struct grammar_error e;
    unsigned flags = request_is_console(r) ? GRAMMAR_ABBREVIATE : 0;

    r->state = REQUEST_EXECUTING;
    r->service = SERVICE_COUNT;
    if (!grammar_parse(r->line, r->line_n, flags, &parsed, &e)) {
        char message[220];

        format(message, sizeof(message), request_is_control(r) ? "%s (column %u)" : "%s", e.message,
               e.column);
        deliver_error(r, ERROR_USAGE, e.column, message, e.accepted);
        return;
    }
    if (parsed.command)
        commands_run(r, &parsed);
    else if (request_is_control(r))
        deliver_error(r, ERROR_USAGE, 1, "there is no command", "help");
    else
        finish(r);
}

void request_execute(struct request *r, const char *line, size_t n)
{
    n = min(n, sizeof(r->line)); /* a longer one is refused by its length */
    memcpy(r->line, line, n);
    r->line_n = (uint32_t)n;
    r->order = ++table->order;
    memset(&r->stream, 0, sizeof(r->stream));
    r->service = SERVICE_COUNT;
    run(r);
}

const struct command_line *request_command(const struct request *r)
{
    struct grammar_error e;
    unsigned flags = request_is_console(r) ? GRAMMAR_ABBREVIATE : 0;

    return grammar_parse(r->line, r->line_n, flags, &parsed, &e) && parsed.command ? &parsed : NULL;
}

void request_defer(struct request *r, const char *vm_name)
{
    r->state = REQUEST_DEFERRED;
    string_copy(r->stream.vm, sizeof(r->stream.vm), vm_name);
}

void request_defer_service(struct request *r, const struct vm *vm, uint32_t service)
{
    request_defer(r, vm->name);
    r->service = service;
}

bool request_has_deferred(const char *vm_name, const struct request *before)
{
    for (unsigned i = 0; i < REQUEST_COUNT; i++) {
        const struct request *r = &table->requests[i];

        if (r->state == REQUEST_DEFERRED && r->service == SERVICE_COUNT &&
            r->order < before->order && strcmp(r->stream.vm, vm_name) == 0)
            return true;
    }
    return false;
}

static struct request *oldest_deferred_after(uint64_t order)
{
    struct request *oldest = NULL;

    for (unsigned i = 0; i < REQUEST_COUNT; i++) {
        struct request *r = &table->requests[i];

        if (r->state == REQUEST_DEFERRED && r->order > order &&
            (!oldest || r->order < oldest->order))
            oldest = r;
    }
    return oldest;
}

static bool must_still_wait(const struct request *r)
{
    const struct vm *vm = vm_find(r->stream.vm);

    if (vm && r->service != SERVICE_COUNT && request_has_asked(vm, r->service))
        return true;
    return vm && vm->machine.operation != OPERATION_NONE;
}

static void take_deadline(struct request *r)
{
    const struct vm *vm = vm_find_generation(r->vm_slot, r->vm_generation);
    char hint[PROGRAM_NAME_BYTES + 16];

    format(hint, sizeof(hint), "vm poweroff %s", vm ? vm->name : "");
    if (r->waits_for == WAIT_VMM_END || r->waits_for == WAIT_PROGRAM_END)
        answer_error(r, ERROR_TIMED_OUT, NULL, "", "the program has not ended in time");
    else if (r->query == QUERY_SHUTDOWN)
        answer_error(r, ERROR_TIMED_OUT, NULL, hint, "the guest has not shut down in time; %s",
                     vm && vm_is_live(vm) ? "it still runs" : "it is being stopped");
    else
        answer_error(r, ERROR_TIMED_OUT, NULL, "services list --explain",
                     "the guest has not answered in time");
}

static bool has_deadline(const struct request *r)
{
    return r->state == REQUEST_WAITING &&
           (r->waits_for == WAIT_VMM_END || r->waits_for == WAIT_PROGRAM_END ||
            r->waits_for == WAIT_REPLY || r->waits_for == WAIT_GUEST_END);
}

uint64_t request_pump(uint64_t now)
{
    uint64_t order = 0, next = DEADLINE_NEVER;
    struct request *r;

    while ((r = oldest_deferred_after(order)) != NULL) {
        order = r->order;
        if (!must_still_wait(r))
            run(r);
    }
    for (unsigned i = 0; i < REQUEST_COUNT; i++) {
        r = &table->requests[i];
        if (has_deadline(r) && r->deadline_ns <= now)
            take_deadline(r);
        if (has_deadline(r))
            next = min(next, r->deadline_ns);
    }
    return next;
}

struct request *request_streaming(bool is_console)
{
    for (unsigned i = 0; i < REQUEST_COUNT; i++) {
        struct request *r = &table->requests[i];

        if (r->state == REQUEST_STREAMING && request_is_console(r) == is_console)
            return r;
    }
    return NULL;
}

/* ---- after a restart ---- */

static void adopt_executing(struct request *r)
{
    if (r->is_fault_of_manager) {
        struct json *j = answer_begin(r);

        json_object_begin(j);
        json_field_string(j, "ended", "manager");
        json_object_end(j);
        answer_end(r);
        return;
    }
    answer_error(r, ERROR_FAILED, NULL, "event list",
                 "the manager ended while it did this and was started again");
}

/* What waits for an operation that is no longer in progress waits for nothing. */
static bool is_orphan(const struct request *r)
{
    const struct vm *vm = vm_find_generation(r->vm_slot, r->vm_generation);

    switch (r->waits_for) {
    case WAIT_OPERATION: return !vm || vm->machine.operation != r->operation;
    case WAIT_REPLY: return !vm || vm->machine.phase != VMM_UP || r->query >= QUERY_KIND_COUNT;
    case WAIT_GUEST_END:
    case WAIT_VMM_END: return !vm;
    default: return r->waits_for != WAIT_SHUTDOWN && r->waits_for != WAIT_PROGRAM_END;
    }
}

unsigned request_adopt(void)
{
    unsigned broken = 0;

    for (unsigned i = 0; i < REQUEST_COUNT; i++) {
        struct request *r = &table->requests[i];

        if (r->state >= REQUEST_STATE_END || r->line_n > sizeof(r->line) ||
            r->stream.vm[sizeof(r->stream.vm) - 1]) {
            memset(r, 0, sizeof(*r));
            broken++;
        } else if (r->state == REQUEST_EXECUTING || (r->state == REQUEST_WAITING && is_orphan(r))) {
            adopt_executing(r);
        }
    }
    return broken;
}
