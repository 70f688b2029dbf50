#include "services/vmm/services.h"
#include "lib/string.h"
#include "services/rt/log.h"
#include "services/rt/sys.h"
#include "services/vmm/machine.h"
#include "services/vmm/service_answers.h"

#define TELL_NS (100 * NS_PER_MS) /* between two inventories */

struct ic *services_ic(struct services *s, enum vm_service service)
{
    struct ic *const ics[SERVICE_COUNT] = {
        [SERVICE_HEARTBEAT] = &s->heartbeat.ic,
        [SERVICE_SHUTDOWN] = &s->shutdown.ic,
        [SERVICE_TIMESYNC] = &s->timesync.ic,
        [SERVICE_KVP] = &s->kvp.ic,
        [SERVICE_VSS] = &s->vss.ic,
        [SERVICE_FCOPY] = &s->fcopy.ic,
    };

    return ics[service];
}

/* ---- what the services ask for ---- */

static uint64_t now(void *ctx)
{
    (void)ctx;
    return sys_clock();
}

static struct ic_time time_of(void *ctx)
{
    const struct services *s = ctx;
    struct partition_info info = { 0 };

    if (sys_partition_info(s->machine->partition, &info))
        log_line("the kernel does not tell the guest's time");
    return (struct ic_time){ s->utc_base_ns + info.clock_ns, info.reference_time };
}

static void changed(void *ctx)
{
    struct services *s = ctx;

    s->is_dirty = s->needs_plan = true;
}

static void wake(void *ctx)
{
    struct services *s = ctx;

    s->needs_plan = true;
}

static void add_subchannels(void *ctx)
{
    struct services *s = ctx;

    for (uint32_t i = 1; i < s->machine->config->echo_count; i++)
        if (server_add_subchannel(&s->vmbus->server, &s->echo.device, (uint16_t)i))
            return;
}

enum err services_init(struct services *s, struct machine *m, struct vmbus *v, struct control *c)
{
    struct kvp_asker asker = { service_answers_item, service_answers_kvp, s };
    struct server *server = &v->server;

    s->machine = m;
    s->vmbus = v;
    s->control = c;
    s->utc_base_ns = m->config->utc_base_ns;
    s->host = (struct ic_host){ now, time_of, changed, wake, s };
    heartbeat_init(&s->heartbeat, &s->host);
    shutdown_init(&s->shutdown, &s->host, service_answers_shutdown, s);
    timesync_init(&s->timesync, &s->host);
    kvp_init(&s->kvp, &s->host, &asker);
    vss_init(&s->vss, &s->host, service_answers_vss, s);
    fcopy_init(&s->fcopy, &s->host, service_answers_fcopy, s);
    for (unsigned i = 0; i < SERVICE_COUNT; i++) {
        services_ic(s, (enum vm_service)i)->device.is_enabled = m->config->services & 1u << i;
        server_add(server, &services_ic(s, (enum vm_service)i)->device);
    }
    echo_init(&s->echo, add_subchannels, s);
    s->echo.device.is_enabled = m->config->echo_count;
    server_add(server, &s->echo.device);
    s->is_dirty = true;
    return nics_init(&s->nics, m, v, c);
}

/* ---- the inventory ---- */

static uint32_t state_of(const struct ic *ic)
{
    static const uint8_t states[] = { [IC_CLOSED] = SERVICE_OFFERED,
                                      [IC_NEGOTIATING] = SERVICE_NEGOTIATING,
                                      [IC_READY] = SERVICE_READY,
                                      [IC_UNUSABLE] = SERVICE_UNUSABLE };

    if (!ic->device.is_enabled)
        return SERVICE_OFF;
    return ic->device.is_broken ? SERVICE_BROKEN : states[ic->state];
}

static uint32_t flags_of(struct services *s, unsigned service)
{
    const struct ic *ic = services_ic(s, (enum vm_service)service);
    enum heartbeat_state beat = heartbeat_state(&s->heartbeat);
    uint32_t flags =
        (ic->is_silent ? SERVICE_IS_SILENT : 0) | (ic->was_refused ? SERVICE_WAS_REFUSED : 0);

    if (service == SERVICE_HEARTBEAT)
        flags |= beat == HEARTBEAT_LATE   ? SERVICE_IS_LATE
                 : beat == HEARTBEAT_LOST ? SERVICE_IS_LOST
                                          : 0;
    if (service == SERVICE_VSS && (s->vss.state == VSS_FROZEN || s->vss.state == VSS_THAWING))
        flags |= SERVICE_IS_FROZEN;
    return flags;
}

static uint32_t open_channels(const struct server *s)
{
    uint32_t n = 0;

    for (uint32_t id = 1; id < s->channel_limit; id++) {
        const struct channel *c = server_channel(s, id);

        n += c && c->state == CHANNEL_OPEN;
    }
    return n;
}

static void fill(struct services *s, struct vmm_inventory *out)
{
    char *const texts[KVP_FACT_COUNT] = { [KVP_FACT_NAME] = out->name,
                                          [KVP_FACT_OS] = out->os,
                                          [KVP_FACT_OS_VERSION] = out->os_version,
                                          [KVP_FACT_OS_BUILD] = out->os_build,
                                          [KVP_FACT_SERVICES_VERSION] = out->services_version };

    *out = (struct vmm_inventory){ .vmbus_version = s->vmbus->server.version,
                                   .channel_count = open_channels(&s->vmbus->server),
                                   .thaw_count = s->thaw_count };
    for (unsigned i = 0; i < SERVICE_COUNT; i++) {
        const struct ic *ic = services_ic(s, (enum vm_service)i);

        out->services[i].state = state_of(ic);
        out->services[i].flags = flags_of(s, i);
        out->services[i].since_ns = ic->since_ns;
        out->services[i].framework = ic->framework;
        out->services[i].version = ic->version;
        out->services[i].newest_framework =
            ic_newest(ic->kind->frameworks, array_count(ic->kind->frameworks));
        out->services[i].newest_version =
            ic_newest(ic->kind->versions, array_count(ic->kind->versions));
    }
    static_assert(INVENTORY_TEXT_BYTES == KVP_FACT_BYTES, "facts fit");
    for (unsigned i = 0; i < KVP_FACT_COUNT; i++)
        string_copy(texts[i], INVENTORY_TEXT_BYTES, s->kvp.facts[i]);
}

static void tell(struct services *s, uint64_t at)
{
    static struct vmm_inventory inventory;

    fill(s, &inventory);
    control_send(s->control, VMM_INVENTORY, 0, &inventory, sizeof(inventory));
    s->told_ns = at;
    s->is_dirty = false;
}

/* ---- time ---- */

/* Also what a service did on its own may have met a broken ring. */
static uint64_t tick(struct services *s, uint64_t at)
{
    uint64_t next = DEADLINE_NEVER;

    for (unsigned i = 0; i < SERVICE_COUNT; i++) {
        struct ic *ic = services_ic(s, (enum vm_service)i);

        if (ic->device.channel && ic->device.channel->is_broken)
            server_check(&s->vmbus->server, &ic->device);
        if (ic_next(ic) <= at)
            ic_tick(ic, at);
        next = min(next, ic_next(ic));
    }
    return next;
}

uint64_t services_serve(struct services *s)
{
    uint64_t at = sys_clock(), next = DEADLINE_NEVER;

    s->needs_plan = false;
    nics_tell(&s->nics);
    if (__atomic_load_n(&s->machine->state, __ATOMIC_ACQUIRE) == MACHINE_RUNNING)
        next = tick(s, at);
    if (s->is_dirty && at - s->told_ns >= TELL_NS)
        tell(s, at);
    return s->is_dirty ? min(next, s->told_ns + TELL_NS) : next;
}

void services_resumed(struct services *s)
{
    uint64_t at = sys_clock();

    for (unsigned i = 0; i < SERVICE_COUNT; i++)
        ic_resumed(services_ic(s, (enum vm_service)i), at);
    timesync_set(&s->timesync);
    vmbus_resumed(s->vmbus);
}

/* ---- the manager ---- */

void services_enable(struct services *s, const struct vmm_services *m)
{
    for (unsigned i = 0; i < SERVICE_COUNT; i++) {
        struct ic *ic = services_ic(s, (enum vm_service)i);
        bool is_enabled = m->enabled & 1u << i;

        if (ic->device.is_enabled != is_enabled || ic->device.is_broken)
            server_enable(&s->vmbus->server, &ic->device, is_enabled);
    }
    s->is_dirty = true;
    vmbus_serve(s->vmbus, 1ull << WAKE_SLOT);
}

void services_set_time(struct services *s, const struct vmm_time *m)
{
    s->utc_base_ns = m->utc_base_ns;
    timesync_set(&s->timesync);
}

/* ---- records ---- */

void services_save(struct services *s, struct image_writer *w)
{
    struct record_ic r;

    for (unsigned i = 0; i < SERVICE_COUNT; i++) {
        ic_save(services_ic(s, (enum vm_service)i), &r);
        image_put_parts(w, RECORD_SERVICE, i, &r, sizeof(r), NULL, 0);
    }
    nics_save(&s->nics, w);
}

enum err services_restore(struct services *s, const struct record *r, const void *payload)
{
    struct record_ic saved;

    if (r->type == RECORD_NETVSP)
        return nics_restore(&s->nics, r, payload);
    if (r->type != RECORD_SERVICE || r->instance >= SERVICE_COUNT || r->bytes != sizeof(saved))
        return ERR_FORMAT;
    memcpy(&saved, payload, sizeof(saved));
    return ic_restore(services_ic(s, (enum vm_service)r->instance), &saved);
}
