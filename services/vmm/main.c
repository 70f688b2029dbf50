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

void program_main(void);

static struct machine machine;
static struct control control;

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

static void serve_forever(void)
{
    uint64_t bits;

    for (;;) {
        control_serve(&control, &machine);
        sys_signal_wait(machine.wake, DEADLINE_NEVER, &bits);
        bench_port_woken(&machine, bits);
    }
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
    err = machine_build(&machine, &why);
    if (!err)
        err = bench_port_open(&machine);
    if (err)
        report_failure(err, &why);
    else
        control_send(&control, VMM_READY, 0, NULL, 0);
    serve_forever();
}
