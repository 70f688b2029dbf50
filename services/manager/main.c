/* The manager: how it comes up, and the loop around the one signal on which everything that
 * concerns it arrives. It never waits for anything else. */
#include "lib/format.h"
#include "services/manager/estate.h"
#include "services/manager/guest.h"
#include "services/manager/main.h"
#include "services/rt/log.h"
#include "services/rt/startup.h"
#include "services/rt/sys.h"

#define SIGNAL_CONSOLE_BIT 0u
#define SIGNAL_CONTROL_BIT 1u
#define UART_WATCH_NS      (100 * NS_PER_MS) /* while something is to be sent: a lost interrupt */
#define IDLE_WATCH_NS      (2 * NS_PER_SECOND)

#define CONSOLE_PORT 0x3f8
#define CONTROL_PORT 0x2f8

static struct estate *estate;
static struct uart console_uart, control_uart;

static void open_uart(struct uart *u, const char *ports, const char *interrupt, uint16_t base,
                      unsigned bit, bool is_first)
{
    handle_t irq = startup_handle(interrupt);

    uart_init(u, startup_handle(ports), irq, base, is_first);
    if (irq != HANDLE_NONE && sys_bind(irq, BIND_INTERRUPT, estate->signal, bit))
        log_line("%s cannot be bound; the port is polled", interrupt);
    uart_interrupt(u);
}

static enum err open_signal(bool is_first)
{
    uint64_t ignored;

    if (!is_first && sys_signal_wait(estate->signal, 0, &ignored) != ERR_HANDLE)
        return OK;
    return sys_signal_create(startup_handle("budget"), &estate->signal);
}

static void report_empty(bool is_good, const char *what)
{
    if (!is_good)
        event_emit(EVENT_ADOPTION_FAILED, NULL, NULL, "the %s was damaged and starts empty", what);
}

static void report_restart(void)
{
    char buffer[128];
    struct json j;

    json_init(&j, buffer, sizeof(buffer));
    json_object_begin(&j);
    json_field_string(&j, "program", "manager");
    json_field_number(&j, "start_count", startup_info()->start_count);
    json_object_end(&j);
    event_emit(EVENT_PROGRAM_ENDED, NULL, &j, "manager ended by a fault");
    event_emit(EVENT_PROGRAM_STARTED, NULL, &j, "manager was started again");
}

/* Takes over from the predecessor: first the VMs, whose handles decide which are leftovers. */
static void adopt(void)
{
    vm_adopt();
    if (saves_adopt())
        log_line("dropped saves that the predecessor left unfinished");
    report_empty(network_adopt(), "part of the network");
    unsigned leaked = estate_sweep_handles(estate);
    if (leaked)
        log_line("closed %u handles that the predecessor left open", leaked);
    report_restart();
    report_empty(request_adopt() == 0, "list of requests");
}

void manager_come_up(void)
{
    handle_t root = startup_handle("budget");
    bool is_first;
    enum err err = estate_open(startup_handle("estate"), &estate, &is_first);

    if (!err)
        err = open_signal(is_first);
    if (err) {
        log_line("manager: no estate or signal: %s", err_name(err));
        sys_exit(1);
    }
    bool events_are_good = event_init(&estate->events);
    report_empty(events_are_good, "list of events");
    host_set_root(root);
    host_init(&estate->host, startup_handle("rtc-ports"), is_first);
    vm_init(&estate->vms, root, estate->signal);
    saves_init(&estate->saves, root);
    network_init(&estate->network, root, estate->signal);
    request_init(&estate->requests);
    report_empty(control_init(&estate->control, &control_uart), "queue of the control port");
    report_empty(console_init(&estate->console, &console_uart), "queue of the console");
    open_uart(&console_uart, "console-ports", "console-irq", CONSOLE_PORT, SIGNAL_CONSOLE_BIT,
              is_first);
    open_uart(&control_uart, "control-ports", "control-irq", CONTROL_PORT, SIGNAL_CONTROL_BIT,
              is_first);
    if (!is_first) {
        adopt();
    } else {
        control_put_line("\r\n", 2); /* ends what the firmware may have left on the line */
        console_banner(host_name());
    }
    config_init(&estate->config);
}

/* ---- the loop ---- */

static bool serve_uarts(uint64_t bits)
{
    bool has_more = bits & (1ull << SIGNAL_CONSOLE_BIT) ? uart_interrupt(&console_uart)
                                                        : uart_service(&console_uart);

    has_more |= bits & (1ull << SIGNAL_CONTROL_BIT) ? uart_interrupt(&control_uart)
                                                    : uart_service(&control_uart);
    return has_more;
}

/* Returns the bits of VMs that have more to say. */
static uint64_t serve_vms(uint64_t bits)
{
    uint64_t again = 0;

    for (unsigned i = 0; i < VM_COUNT_MAX; i++) {
        uint64_t bit = 1ull << vm_signal_bit(i);

        if (bits & bit && vm_service(i))
            again |= bit;
    }
    return again;
}

static bool is_sending(void)
{
    return byte_queue_used(&console_uart.to_send) || byte_queue_used(&control_uart.to_send);
}

uint64_t manager_turn(uint64_t *bits)
{
    bool has_more = serve_uarts(*bits);
    uint64_t now = sys_clock();

    *bits = serve_vms(*bits);
    uint64_t next = vm_deadlines(now);
    next = min(next, guests_pump(now));
    next = min(next, request_pump(now));
    has_more |= config_pump();
    has_more |= control_pump();
    has_more |= console_pump();
    next = min(next, host_pump(now));
    next = min(next, network_pump(now));
    has_more |= serve_uarts(0);
    if (has_more || *bits)
        return 0;
    next = min(next, now + IDLE_WATCH_NS);
    return is_sending() ? min(next, now + UART_WATCH_NS) : next;
}

void program_main(void)
{
    uint64_t bits = UINT64_MAX, raised;

    manager_come_up();
    for (;;) {
        uint64_t deadline = manager_turn(&bits);

        sys_signal_wait(estate->signal, deadline, &raised);
        bits |= raised;
    }
}
