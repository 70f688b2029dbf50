/* A command line from where it arrives to its answer. Lines of the control port, the console and
 * bulkhead.conf are the same here; only the answer takes another form. All of it lives in the
 * estate: a manager that was restarted answers what its predecessor had begun. */
#pragma once
#include "services/manager/event_catalogue.h"
#include "services/manager/grammar.h"
#include "services/manager/json.h"
#include "services/manager/vm.h"

#define REQUEST_CONTROL_COUNT 16u
#define REQUEST_COUNT         (REQUEST_CONTROL_COUNT + 2u) /* the console's and bulkhead.conf's */
#define REQUEST_CONSOLE       REQUEST_CONTROL_COUNT
#define REQUEST_GUESTS_MAX    (REQUEST_CONTROL_COUNT - 4u)
#define REQUEST_CONFIG        (REQUEST_CONTROL_COUNT + 1u)

enum request_state {
    REQUEST_FREE,
    REQUEST_EXECUTING, /* found so at a restart: the manager ended over it */
    REQUEST_DEFERRED,  /* waits until its VM is no longer busy, then runs */
    REQUEST_WAITING,   /* for what waits_for says */
    REQUEST_STREAMING, /* a long answer is on its way, piece by piece */
    REQUEST_STATE_END,
};

enum request_wait {
    WAIT_OPERATION = 1, /* of the VM */
    WAIT_VMM_END,       /* debug fault */
    WAIT_SHUTDOWN,
    WAIT_REPLY,       /* VMM_REPLY */
    WAIT_PROGRAM_END, /* debug fault switch */
    WAIT_GUEST_END,   /* vm shutdown, once the guest has agreed */
    WAIT_END,
};

enum guest_end { GUEST_END_OFF, GUEST_END_RESTART, GUEST_END_HIBERNATE };

enum stream_kind { STREAM_VM_LOG = 1, STREAM_EVENTS, STREAM_KERNEL_LOG };

struct stream {
    uint32_t kind; /* enum stream_kind */
    uint32_t is_begun, is_body_done;
    uint32_t severity;
    uint64_t cursor, end, lost;
    uint64_t count; /* elements sent */
    char vm[PROGRAM_NAME_BYTES];
};

struct request {
    uint32_t state;     /* enum request_state */
    uint32_t waits_for; /* enum request_wait */
    uint32_t id;        /* of the control port */
    uint32_t config_line;
    uint64_t order; /* of arrival */
    uint32_t vm_slot, vm_generation;
    uint32_t operation; /* enum vm_operation that it waits for */
    uint32_t is_fault_of_manager;
    uint64_t deadline_ns; /* WAIT_VMM_END, WAIT_REPLY, WAIT_GUEST_END */
    uint32_t sequence;    /* WAIT_REPLY: of the question */
    uint32_t query;       /* enum vmm_query_kind */
    uint32_t
        service;   /* enum vm_service that is asked or, deferred, waited for; else SERVICE_COUNT */
    uint32_t mode; /* WAIT_GUEST_END: how it is to end */
    struct stream stream;
    uint32_t line_n;
    char line[LINE_BYTES_MAX + 4];
};

struct request_table {
    uint64_t order;
    struct request requests[REQUEST_COUNT];
};

void request_init(struct request_table *table);

/* At a restart: answers what was being executed. Returns how many requests were found broken. */
unsigned request_adopt(void);

struct request *request_at(unsigned index); /* below REQUEST_COUNT */

/* A free request of the control port, or NULL; the console's or bulkhead.conf's, or NULL when it
 * is still in use. */
struct request *request_allocate_control(void);
struct request *request_allocate(unsigned index);

/* Runs the @n bytes of @line as @r's command. */
void request_execute(struct request *r, const char *line, size_t n);

/* Runs again what waited for a VM or a service that is no longer busy; deadlines of waits. Returns
 * the next of these. */
uint64_t request_pump(uint64_t now);

bool request_is_console(const struct request *r);
bool request_is_config(const struct request *r);
bool request_is_control(const struct request *r);

/* ---- for command handlers ---- */

/* The answer's result is written between begin and end; then the request is free. */
struct json *answer_begin(struct request *r);
void answer_end(struct request *r);

/* Between the two: the answer says that something needs attention (exit code 8). */
void answer_attention(void);

/* @at: the value that is wrong, or NULL. @hint: what to do; may be empty. */
void answer_error(struct request *r, enum error_code code, const struct value *at, const char *hint,
                  const char *fmt, ...) PRINTF_LIKE(5, 6);

/* The request is over without an answer to show (vm console). */
void answer_none(struct request *r);

void request_wait_operation(struct request *r, const struct vm *vm, enum vm_operation operation);
void request_wait_vmm_end(struct request *r, const struct vm *vm, uint64_t deadline_ns);
void request_wait_program_end(struct request *r, uint64_t deadline_ns);
void request_wait_shutdown(struct request *r);

/* The command line of @r, read again, for an answer that needs it; until the next command runs. */
const struct command_line *request_command(const struct request *r);

/* @r waits for the answer to its question @sequence to @service (SERVICE_COUNT: to none). */
void request_wait_reply(struct request *r, const struct vm *vm, uint32_t sequence,
                        enum vmm_query_kind query, uint32_t service, uint64_t deadline_ns);
struct request *request_of_reply(const struct vm *vm, uint32_t sequence); /* or NULL */

/* Somebody's question to @service is not answered yet. */
bool request_has_asked(const struct vm *vm, uint32_t service);

/* How many wait for guests: these leave some requests to the others (REQUEST_GUESTS_MAX). */
unsigned request_guest_count(void);

/* After the answer to QUERY_SHUTDOWN: waits on, for the VM itself. */
void request_wait_guest_end(struct request *r);

void request_defer(struct request *r, const char *vm_name);
void request_defer_service(struct request *r, const struct vm *vm, uint32_t service);
bool request_has_deferred(const char *vm_name, const struct request *before);

/* ---- called by those who bring about what is waited for ---- */

enum operation_outcome { OUTCOME_OK, OUTCOME_FAILED, OUTCOME_SUPERSEDED };
void request_operation_done(struct vm *vm, enum operation_outcome outcome);
void request_vmm_ended(const struct vm *vm);
void request_shutdown_done(void);
void request_program_ended(void); /* the switch */

/* The VM stopped, started from the beginning or crashed, as ACT_EVENT_* say. */
void request_guest_ended(const struct vm *vm, uint32_t actions);

/* The request whose stream is on its way to @is_console's port, or NULL. */
struct request *request_streaming(bool is_console);
