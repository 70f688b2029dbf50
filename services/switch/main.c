/* The virtual switch: takes up the board, tells the manager that it runs, then serves the manager and
 * the ports on one thread. */
#include "lib/x86/asm.h"
#include "services/rt/clock.h"
#include "services/rt/log.h"
#include "services/rt/startup.h"
#include "services/rt/sys.h"
#include "services/switch/control.h"

void program_main(void);

static struct core core;
static struct control control;

static enum err open_board(handle_t signal)
{
    const struct startup_grant *g = startup_grant(SWITCH_GRANT_BOARD);
    void *board;
    enum err err = g ? sys_region_map(g->handle, 0, sizeof(struct switch_board),
                                      PROT_READ | PROT_WRITE, &board)
                     : ERR_NOT_FOUND;

    if (!err)
        core_init(&core, board, startup_handle(SWITCH_GRANT_BUDGET), signal, rdtsc());
    return err;
}

static enum err open_control(handle_t signal)
{
    handle_t channel = startup_handle(SWITCH_GRANT_CONTROL);
    void *mapped;
    enum err err = sys_channel_map(channel, &mapped);

    if (!err)
        err = control_open(&control, channel, mapped, SWITCH_CONTROL_DATA_BYTES);
    if (!err)
        err = sys_bind(channel, BIND_CHANNEL, signal, WAKE_CONTROL);
    return err;
}

static NORETURN void serve_forever(handle_t signal)
{
    uint64_t bits = 1ull << WAKE_CONTROL;

    for (;;) {
        uint64_t deadline;

        if (bits & 1ull << WAKE_CONTROL) {
            core_begin(&core, clock_now());
            control_serve(&control, &core);
            core_end(&core);
        }
        deadline = core_round(&core, bits, clock_now());
        sys_signal_wait(signal, deadline, &bits);
    }
}

void program_main(void)
{
    handle_t signal;
    enum err err;

    clock_open();
    err = sys_signal_create(startup_handle(SWITCH_GRANT_BUDGET), &signal);

    if (!err)
        err = open_board(signal);
    if (!err)
        err = open_control(signal);
    if (err) {
        log_line("cannot start: %s", err_name(err));
        sys_exit(1);
    }
    control_send(&control, SWITCH_READY, 0);
    serve_forever(signal);
}
