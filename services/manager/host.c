#include "lib/format.h"
#include "lib/string.h"
#include "lib/version.h"
#include "services/manager/console.h"
#include "services/manager/control.h"
#include "services/manager/event.h"
#include "services/manager/host.h"
#include "services/manager/utc.h"
#include "services/rt/sys.h"

#define SHUTDOWN_LIMIT_NS (10 * NS_PER_SECOND)
#define FLUSH_LIMIT_NS    (2 * NS_PER_SECOND)
#define FLUSH_POLL_NS     (20 * NS_PER_MS)

#define CMOS_INDEX_PORT 0x70
#define CMOS_DATA_PORT  0x71
#define CMOS_SECONDS    0x00
#define CMOS_MINUTES    0x02
#define CMOS_HOURS      0x04
#define CMOS_DAY        0x07
#define CMOS_MONTH      0x08
#define CMOS_YEAR       0x09
#define CMOS_STATUS_A   0x0a
#define CMOS_A_UPDATING 0x80u
#define CMOS_STATUS_B   0x0b
#define CMOS_CENTURY    0x32 /* where PCs have it; another value than 19 to 21 is ignored */
#define CMOS_TRIES      10000u

enum shutdown_phase { SHUTDOWN_NONE, SHUTDOWN_STOPPING, SHUTDOWN_FLUSHING, SHUTDOWN_DONE };

static struct host_state *state;
static handle_t root;

/* ---- the clock ---- */

static uint8_t cmos_get(handle_t ports, uint8_t index)
{
    uint32_t v = 0;

    sys_ioport_write(ports, CMOS_INDEX_PORT, 1, index);
    if (sys_ioport_read(ports, CMOS_DATA_PORT, 1, &v))
        return 0xff;
    return (uint8_t)v;
}

static void cmos_read(handle_t ports, struct cmos_time *t)
{
    t->second = cmos_get(ports, CMOS_SECONDS);
    t->minute = cmos_get(ports, CMOS_MINUTES);
    t->hour = cmos_get(ports, CMOS_HOURS);
    t->day = cmos_get(ports, CMOS_DAY);
    t->month = cmos_get(ports, CMOS_MONTH);
    t->year = cmos_get(ports, CMOS_YEAR);
    t->century = cmos_get(ports, CMOS_CENTURY);
    t->status_b = cmos_get(ports, CMOS_STATUS_B);
}

/* Two equal readings outside an update are one that no update has torn. */
static enum err cmos_now(handle_t ports, uint64_t *ns)
{
    struct cmos_time a, b;

    for (unsigned i = 0; i < CMOS_TRIES; i++) {
        if (cmos_get(ports, CMOS_STATUS_A) & CMOS_A_UPDATING)
            continue;
        cmos_read(ports, &a);
        cmos_read(ports, &b);
        if (memcmp(&a, &b, sizeof(a)) == 0)
            return utc_from_cmos(&a, ns);
    }
    return ERR_IO;
}

void host_init(struct host_state *s, handle_t rtc_ports, bool is_first)
{
    uint64_t utc;

    state = s;
    if (!is_first && state->name[0] && state->name[sizeof(state->name) - 1] == 0)
        return;
    *state = (struct host_state){ .name = "bulkhead" };
    if (rtc_ports != HANDLE_NONE && cmos_now(rtc_ports, &utc) == OK)
        state->utc_base_ns = utc - sys_clock();
}

void host_set(const char *name, const uint64_t *utc_ns)
{
    if (name)
        string_copy(state->name, sizeof(state->name), name);
    if (utc_ns)
        state->utc_base_ns = *utc_ns - sys_clock();
}

void host_set_root(handle_t budget)
{
    root = budget;
}

const char *host_name(void)
{
    return state->name;
}

uint64_t host_utc_base_ns(void)
{
    return state->utc_base_ns;
}

uint64_t host_free_bytes(void)
{
    static struct host_info info;
    struct budget_info budget;
    uint64_t free_bytes = UINT64_MAX;

    if (sys_host_info(&info) == OK)
        free_bytes = info.memory_free_bytes;
    if (sys_budget_info(root, &budget) == OK && budget.limit_bytes >= budget.used_bytes)
        free_bytes = min(free_bytes, budget.limit_bytes - budget.used_bytes);
    return free_bytes;
}

/* ---- shutdown: VMs first, then what is still to be said, then the power ---- */

bool host_is_shutting_down(void)
{
    return state->shutdown == SHUTDOWN_STOPPING || state->shutdown == SHUTDOWN_FLUSHING;
}

void host_shutdown_begin(void)
{
    state->shutdown = SHUTDOWN_STOPPING;
    state->shutdown_deadline_ns = sys_clock() + SHUTDOWN_LIMIT_NS;
    event_emit(EVENT_HOST_STOPPING, NULL, NULL, "host %s is being shut down", state->name);
}

static unsigned stop_vms(void)
{
    unsigned left = 0;

    for (unsigned i = 0; i < VM_COUNT_MAX; i++) {
        struct vm *vm = vm_at(i);

        if (vm && vm_is_live(vm) && !vm_machine_is_busy(&vm->machine, INPUT_POWEROFF))
            vm_input(vm, INPUT_POWEROFF);
        vm = vm_at(i);
        left += vm && (vm_is_live(vm) || vm->machine.operation != OPERATION_NONE);
    }
    return left;
}

static void power_off(void)
{
    state->shutdown = SHUTDOWN_DONE;
    enum err err = sys_host_poweroff();
    event_emit(EVENT_HOST_STOPPED, NULL, NULL,
               "all VMs have stopped; power may be cut (the machine does not power off: %s)",
               err_name(err));
}

uint64_t host_pump(uint64_t now)
{
    bool is_late = now >= state->shutdown_deadline_ns;

    if (state->shutdown == SHUTDOWN_STOPPING && (stop_vms() == 0 || is_late)) {
        request_shutdown_done();
        state->shutdown = SHUTDOWN_FLUSHING;
        state->shutdown_deadline_ns = now + FLUSH_LIMIT_NS;
        is_late = false;
    }
    if (state->shutdown == SHUTDOWN_FLUSHING &&
        ((control_is_flushed() && console_is_flushed()) || is_late))
        power_off();
    return host_is_shutting_down() ? now + FLUSH_POLL_NS : DEADLINE_NEVER;
}

/* ---- host show ---- */

void host_show(struct json *j)
{
    static struct host_info info;
    char time[UTC_TEXT_BYTES];

    if (sys_host_info(&info))
        memset(&info, 0, sizeof(info));
    json_object_begin(j);
    json_field_string(j, "name", state->name);
    json_field_string(j, "version", BULKHEAD_VERSION);
    json_field_string(j, "build", info.is_debug ? "debug" : "release");
    json_key(j, "cpus");
    json_list_begin(j);
    for (uint32_t i = 0; i < min(info.cpu_count, HOST_CPUS_MAX); i++) {
        json_object_begin(j);
        json_field_number(j, "id", i);
        json_field_number(j, "halted_ns", info.cpus[i].halted_ns);
        json_object_end(j);
    }
    json_list_end(j);
    json_field_number(j, "uptime_ns", info.uptime_ns);
    json_field_number(j, "memory_bytes", info.memory_bytes);
    json_field_number(j, "memory_free_bytes", info.memory_free_bytes);
    json_field_number(j, "handle_count", info.handle_count);
    json_field_string(j, "virt", info.virt == 'v' ? "vmx" : "svm");
    json_field_string(j, "boot", info.boot == 'u' ? "uefi" : "pvh");
    if (state->utc_base_ns) {
        uint64_t utc_ns = state->utc_base_ns + info.uptime_ns;

        utc_format(utc_ns, time);
        json_field_string(j, "time", time);
        json_field_number(j, "time_ns", utc_ns);
    } else {
        json_field_null(j, "time");
        json_field_null(j, "time_ns");
    }
    json_object_end(j);
}
