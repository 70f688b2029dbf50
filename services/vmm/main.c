/* A vmm: builds its VM from what it was handed, then serves the manager on this thread while the
 * vCPUs run on others. */
#include "lib/string.h"
#include "services/rt/log.h"
#include "services/rt/startup.h"
#include "services/rt/sys.h"
#include "services/vmm/bench_port.h"
#include "services/vmm/control.h"
#include "services/vmm/loader/loader.h"
#include "services/vmm/machine.h"
#include "services/vmm/services.h"

void program_main(void);

static struct machine machine;
static struct control control;
static struct vmbus vmbus;
static struct services services;

static enum err make_signals(struct machine *m)
{
    enum err err = sys_signal_create(m->budget, &m->wake);

    if (!err)
        err = sys_bind(m->control, BIND_CHANNEL, m->wake, WAKE_CONTROL);
    return err;
}

/* What machine_build() could not explain itself. */
static void complete(struct loader_failure *why, enum err err)
{
    if (!why->message[0])
        string_copy(why->message, sizeof(why->message), err_name(err));
    if (!why->hint[0])
        string_copy(why->hint, sizeof(why->hint), "log show");
}

static void report_failure(enum err err, struct loader_failure *why)
{
    struct vmm_failure f = { .err = err };

    complete(why, err);
    string_copy(f.message, sizeof(f.message), why->message);
    string_copy(f.hint, sizeof(f.hint), why->hint);
    control_send(&control, VMM_FAILED, 0, &f, sizeof(f));
}

/* Signals of the guest's channels come first, and cost nothing else; but however many there are, the
 * manager and what is due have their turn. */
#define EVENTS_PER_TURN 64u

static void serve_forever(bool is_built)
{
    const uint64_t nics = WAKE_NICS_MASK | 1ull << WAKE_HALT;
    const uint64_t others = ~0ull >> (64 - WAKE_EVENTS) & ~nics;
    uint64_t bits = others, deadline = DEADLINE_NEVER;
    bool is_polling = false;
    unsigned turn = 0;

    for (;;) {
        bool has_others = bits & others || (!bits && !is_polling) || ++turn == EVENTS_PER_TURN;

        if (is_built)
            vmbus_serve(&vmbus, bits);
        if (is_built && bits & nics)
            nics_serve(&services.nics, bits);
        if (has_others) {
            control_serve(&control, &machine, &services);
            turn = 0;
        }
        if (is_built && (has_others || services.needs_plan || services.nics.is_dirty))
            deadline = services_serve(&services);
        is_polling = is_built && nics_poll(&services.nics, bits);
        if (is_polling)
            sys_signal_wait_halt(machine.wake, NIC_POLL_NS, &bits);
        else
            sys_signal_wait(machine.wake, deadline, &bits);
        bench_port_woken(&machine, bits);
    }
}

/* Server and services exist before the machine is built: an image has their state. */
static enum err build(struct loader_failure *why)
{
    enum err err = machine_open(&machine, why);

    if (!err)
        err = vmbus_open(&vmbus, &machine);
    if (err)
        return err;
    err = services_init(&services, &machine, &vmbus, &control);
    if (!err)
        err = machine_build(&machine, &services, why);
    return err ? err : bench_port_open(&machine);
}

void program_main(void)
{
    struct loader_failure why = { 0 };
    enum err err;

    machine.budget = startup_handle(VMM_GRANT_BUDGET);
    machine.partition = startup_handle(VMM_GRANT_PARTITION);
    machine.control = startup_handle(VMM_GRANT_CONTROL);
    err = control_open(&control);
    if (!err)
        err = make_signals(&machine);
    if (err) {
        log_line("cannot start: %s", err_name(err));
        sys_exit(1);
    }
    err = build(&why);
    if (err)
        report_failure(err, &why);
    else
        control_send(&control, VMM_READY, 0, NULL, 0);
    serve_forever(!err);
}
