/* Inventories come in, are looked at when they change and when a grace has passed, and go out as
 * events and as JSON. What is right and what is wrong is decided in inventory.c. */
#include "services/manager/guest.h"
#include "lib/format.h"
#include "lib/string.h"
#include "services/manager/event.h"
#include "services/manager/host.h"
#include "services/manager/network.h"
#include "services/manager/vmm.h"
#include "services/rt/log.h"
#include "services/rt/sys.h"

/* ---- events ---- */

static void list_services(const struct vm *vm, uint32_t services, uint64_t now, struct json *j)
{
    json_object_begin(j);
    json_key(j, "services");
    json_list_begin(j);
    for (unsigned i = 0; i < SERVICE_COUNT; i++) {
        if (!(services & 1u << i))
            continue;
        json_object_begin(j);
        json_field_string(j, "service", service_name(i));
        json_field_string(j, "reason",
                          inventory_find(&vm->guest, (enum vm_service)i, true, now).reason);
        json_object_end(j);
    }
    json_list_end(j);
    json_object_end(j);
}

/* "kvp, vss: daemon not running ...; heartbeat: ...": services with one reason stand together. */
static void describe(const struct vm *vm, uint32_t services, uint64_t now, char *out,
                     size_t capacity)
{
    size_t used = 0;

    out[0] = 0;
    while (services) {
        unsigned first = (unsigned)__builtin_ctz(services);
        const char *reason = inventory_find(&vm->guest, (enum vm_service)first, true, now).reason;
        const char *between = used ? "; " : "";

        for (unsigned i = first; i < SERVICE_COUNT; i++) {
            struct finding f = inventory_find(&vm->guest, (enum vm_service)i, true, now);

            if (!(services & 1u << i) || strcmp(f.reason, reason) != 0)
                continue;
            used += format(out + used, capacity - used, "%s%s", between, service_name(i));
            services &= ~(1u << i);
            between = ", ";
        }
        if (reason[0])
            used += format(out + used, capacity - used, ": %s", reason);
    }
}

static void emit(const struct vm *vm, enum event_id id, uint32_t services, uint64_t now)
{
    char buffer[EVENT_FIELDS_BYTES], text[EVENT_TEXT_BYTES];
    struct json j;

    if (!services)
        return;
    json_init(&j, buffer, sizeof(buffer));
    list_services(vm, services, now, &j);
    describe(vm, services, now, text, sizeof(text));
    event_emit(id, vm->name, &j, "%s", text);
}

static void look(struct vm *vm, uint64_t now)
{
    bool is_running = vm_is_running(vm);

    inventory_watch(&vm->guest, is_running, now);
    struct inventory_news news = inventory_news(&vm->guest, is_running, now);
    emit(vm, EVENT_SERVICE_BACK, news.back, now);
    emit(vm, EVENT_SERVICE_LOST, news.lost, now);
    emit(vm, EVENT_SERVICES_MISSING, news.missing, now);
    emit(vm, EVENT_SERVICES_OUTDATED, news.outdated, now);
    if (news.thaws)
        event_emit(EVENT_VM_THAWED_BY_LIMIT, vm->name, NULL,
                   "the guest's file systems were frozen for too long and go on");
}

static void ask_os_id(struct vm *vm)
{
    struct partition_info info = { 0 };

    if (vm->partition != HANDLE_NONE && sys_partition_info(vm->partition, &info) == OK)
        vm->guest.os_id = info.guest_os_id;
}

void guest_take_inventory(struct vm *vm, const struct vmm_inventory *inventory)
{
    ask_os_id(vm);
    inventory_take(&vm->guest, inventory);
    look(vm, sys_clock());
}

uint64_t guests_pump(uint64_t now)
{
    uint64_t next = DEADLINE_NEVER;

    for (unsigned i = 0; i < VM_COUNT_MAX; i++) {
        struct vm *vm = vm_at(i);

        if (!vm || !vm->guest.has_inventory)
            continue;
        if (vm->guest.next_ns <= now || vm->guest.was_running != vm_is_running(vm))
            look(vm, now);
        next = min(next, vm->guest.next_ns);
    }
    return next;
}

/* ---- as JSON ---- */

static void version(struct json *j, const char *key, struct ic_version v)
{
    char text[16];

    json_key(j, key);
    if (!v.major && !v.minor) {
        json_null(j);
        return;
    }
    format(text, sizeof(text), "%u.%u", v.major, v.minor);
    json_string(j, text);
}

/* All that is offered, the oldest first. */
static void offered(struct json *j, unsigned service)
{
    const struct version_rule *rules = service_rules[service].versions;
    char text[16];

    json_key(j, "offered");
    json_list_begin(j);
    for (unsigned i = SERVICE_VERSIONS_MAX; i--;) {
        if (!rules[i].version.major)
            continue;
        format(text, sizeof(text), "%u.%u", rules[i].version.major, rules[i].version.minor);
        json_string(j, text);
    }
    json_list_end(j);
}

static void state_and_versions(struct json *j, const struct vm *vm, unsigned service)
{
    const struct vmm_inventory *i = &vm->guest.inventory;
    bool is_known = vm->guest.has_inventory && vm_is_live(vm);
    bool is_ready = is_known && i->services[service].state == SERVICE_READY;
    struct ic_version none = { 0, 0 }, newest = service_rules[service].versions[0].version;

    if (is_known)
        json_field_string(j, "state", service_state_name(i->services[service].state));
    else
        json_field_null(j, "state");
    offered(j, service);
    version(j, "newest", is_known ? i->services[service].newest_version : newest);
    version(j, "accepted", is_ready ? i->services[service].version : none);
    version(j, "framework", is_ready ? i->services[service].framework : none);
}

static void service_row(struct json *j, const struct vm *vm, unsigned service, uint64_t now)
{
    bool is_running = vm_is_running(vm);
    struct finding f = inventory_find(&vm->guest, (enum vm_service)service, is_running, now);
    const char *beat =
        service == SERVICE_HEARTBEAT ? inventory_heartbeat(&vm->guest, is_running, now) : NULL;

    json_field_string(j, "service", service_name(service));
    json_field_bool(j, "enabled", !(vm->settings.services_off & 1u << service));
    state_and_versions(j, vm, service);
    if (beat)
        json_field_string(j, "heartbeat", beat);
    else
        json_field_null(j, "heartbeat");
    json_field_string(j, "verdict", verdict_rules[f.verdict].name);
    json_field_string(j, "reason", f.reason);
    json_field_string(j, "remedy", f.remedy);
}

static void explain(struct json *j, const struct vm *vm, unsigned service, uint64_t now)
{
    struct finding f = inventory_find(&vm->guest, (enum vm_service)service, vm_is_running(vm), now);

    json_field_string(j, "function", service_rules[service].function);
    json_field_string(j, "loses", f.loses);
    json_field_string(j, "meaning", verdict_rules[f.verdict].meaning);
}

void guest_services(struct json *j, const struct vm *vm, bool is_explained)
{
    uint64_t now = sys_clock();

    for (unsigned i = 0; i < SERVICE_COUNT; i++) {
        json_object_begin(j);
        json_field_string(j, "vm", vm->name);
        service_row(j, vm, i, now);
        if (is_explained)
            explain(j, vm, i, now);
        json_object_end(j);
    }
}

/* What the guest says of itself by KVP, else what it told the processor. */
static void os(struct json *j, const struct vm *vm)
{
    const struct vmm_inventory *i = &vm->guest.inventory;
    char text[2 * INVENTORY_TEXT_BYTES + 2];

    if (i->os[0])
        format(text, sizeof(text), "%s%s%s", i->os, i->os_version[0] ? " " : "", i->os_version);
    else
        inventory_os_of_id(vm->guest.os_id, text, sizeof(text));
    if (text[0])
        json_field_string(j, "os", text);
    else
        json_field_null(j, "os");
    if (text[0])
        json_field_string(j, "os_source", i->os[0] ? "kvp" : "os-id");
    else
        json_field_null(j, "os_source");
}

static void text_or_null(struct json *j, const char *key, const char *text)
{
    if (text[0])
        json_field_string(j, key, text);
    else
        json_field_null(j, key);
}

static uint32_t services_with(const struct vm *vm, enum verdict verdict, uint64_t now)
{
    uint32_t services = 0;

    for (unsigned i = 0; i < SERVICE_COUNT; i++)
        if (inventory_find(&vm->guest, (enum vm_service)i, vm_is_running(vm), now).verdict ==
            verdict)
            services |= 1u << i;
    return services;
}

bool guest_status(struct json *j, const struct vm *vm)
{
    const struct vmm_inventory *i = &vm->guest.inventory;
    uint64_t now = sys_clock();
    enum verdict verdict = inventory_verdict(&vm->guest, vm_is_running(vm), now);
    uint32_t bus = vm_is_live(vm) ? i->vmbus_version : 0;
    char reason[EVENT_TEXT_BYTES] = "";

    if (verdict >= VERDICT_OUTDATED)
        describe(vm, services_with(vm, verdict, now), now, reason, sizeof(reason));
    json_object_begin(j);
    json_field_string(j, "name", vm->name);
    json_field_string(j, "state", vm_state_name(vm->machine.state));
    json_field_string(j, "verdict", verdict_rules[verdict].name);
    os(j, vm);
    text_or_null(j, "guest_name", i->name);
    text_or_null(j, "build", i->os_build);
    text_or_null(j, "services_version", i->services_version);
    version(j, "vmbus", (struct ic_version){ (uint16_t)(bus >> 16), (uint16_t)bus });
    json_field_string(j, "reason", reason);
    json_key(j, "services");
    json_list_begin(j);
    for (unsigned k = 0; k < SERVICE_COUNT; k++) {
        json_object_begin(j);
        service_row(j, vm, k, now);
        json_object_end(j);
    }
    json_list_end(j);
    json_object_end(j);
    return verdict >= VERDICT_OUTDATED;
}

/* ---- telling the vmms ---- */

enum err guest_send_services(const struct vm *vm)
{
    struct vmm_services m = { .enabled = SERVICES_ALL & ~vm->settings.services_off };

    if (vm->machine.phase != VMM_UP)
        return OK; /* the next one learns it from its configuration */
    return vmm_tell(vm, VMM_SERVICES, 0, &m, sizeof(m));
}

void guests_send_time(void)
{
    struct vmm_time m = { .utc_base_ns = host_utc_base_ns() };

    network_send_time();

    for (unsigned i = 0; i < VM_COUNT_MAX; i++) {
        const struct vm *vm = vm_at(i);

        if (vm && vm->machine.phase == VMM_UP && vmm_tell(vm, VMM_TIME, 0, &m, sizeof(m)))
            log_line("%s is not told of the new time: its vmm's channel is full", vm->name);
    }
}
