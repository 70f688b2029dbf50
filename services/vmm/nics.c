/* A NIC that the manager takes away stays in the server's list, not offered, with what it had: the guest
 * may not have released it yet. It is used again when the manager adds one of its number. */
#include "services/vmm/nics.h"
#include "lib/string.h"
#include "services/rt/log.h"
#include "services/rt/sys.h"
#include "services/vmm/machine.h"

/* {f8615163-df3e-46c5-913f-f2d2f965ed0e} */
static const struct guid class_id = {
    0xf8615163, 0xdf3e, 0x46c5, { 0x91, 0x3f, 0xf2, 0xd2, 0xf9, 0x65, 0xed, 0x0e }
};

static struct nic *nic_of(struct device *d)
{
    return container_of(d, struct nic, device);
}

static void drop(handle_t *h)
{
    if (*h != HANDLE_NONE)
        sys_handle_close(*h);
    *h = HANDLE_NONE;
}

/* ---- memory ---- */

static void *allocate_from(handle_t budget, uint64_t bytes, handle_t *region)
{
    void *at;

    bytes = round_up(bytes, PAGE_BYTES);
    if (sys_region_create(budget, bytes, region))
        return NULL;
    if (sys_region_map(*region, 0, bytes, PROT_READ | PROT_WRITE, &at)) {
        drop(region);
        return NULL;
    }
    return at;
}

/* The NIC's own budget pays as soon as there is one. */
static void *allocate(void *ctx, uint64_t bytes)
{
    const struct nic *nic = ctx;
    handle_t region, budget = nic->budget ? nic->budget : nic->nics->machine->budget;
    void *at = allocate_from(budget, bytes, &region);

    if (at)
        sys_handle_close(region); /* the mapping holds it */
    return at;
}

static void release(void *ctx, void *p)
{
    (void)ctx;
    sys_unmap(p);
}

static enum err read(void *ctx, gpa_t gpa, void *to, uint64_t bytes)
{
    const struct nic *nic = ctx;

    return guest_read(&nic->nics->machine->memory, gpa, to, bytes);
}

/* ---- buffers ---- */

static void revoke(void *ctx, enum netvsp_buffer which)
{
    struct nic *nic = ctx;

    if (nic->views[which] == HANDLE_NONE)
        return;
    if (sys_view_revoke(nic->views[which]))
        log_line("a view of the guest's memory could not be revoked");
    sys_unmap(nic->views_at[which]);
    drop(&nic->views[which]);
    nic->views_at[which] = NULL;
}

static enum err lend(void *ctx, enum netvsp_buffer which, uint32_t gpadl, uint8_t **at,
                     uint64_t *bytes)
{
    struct nic *nic = ctx;
    const struct gpadl *g = gpadl_find(&nic->nics->vmbus->server.gpadls, gpadl);
    const unsigned prot = PROT_READ | (which == NETVSP_RECEIVE ? PROT_WRITE : 0);
    enum err err;

    if (!g || !gpadl_is_complete(g) || g->is_ring || g->byte_offset || !nic->device.channel ||
        g->channel != nic->device.channel->id)
        return ERR_ARGUMENT;
    err = sys_view_create_list(nic->nics->machine->partition, g->pages, g->page_count, prot,
                               &nic->views[which]);
    if (err)
        return err;
    err = sys_view_map(nic->views[which], &nic->views_at[which]);
    if (err) {
        drop(&nic->views[which]);
        return err;
    }
    *at = nic->views_at[which];
    *bytes = g->page_count * PAGE_BYTES;
    return OK;
}

static enum err hand_over(void *ctx)
{
    const struct nic *nic = ctx;
    enum err err = sys_channel_send_handle(nic->link, nic->views[NETVSP_SEND], RIGHT_READ);

    if (!err)
        err = sys_channel_send_handle(nic->link, nic->views[NETVSP_RECEIVE],
                                      RIGHT_READ | RIGHT_WRITE);
    if (!err)
        err = sys_channel_send_handle(nic->link, nic->arena, RIGHT_READ);
    if (err)
        log_line("NIC %u: its buffers could not be lent: %s", nic->netvsp->config.number,
                 err_name(err));
    return err;
}

/* ---- what else netvsp asks for ---- */

static uint32_t add_channels(void *ctx, uint32_t count)
{
    struct nic *nic = ctx;
    uint32_t i = 0;

    while (i < count &&
           server_add_subchannel(&nic->nics->vmbus->server, &nic->device, (uint16_t)(i + 1)) == OK)
        i++;
    return i;
}

static void signal_switch(void *ctx)
{
    const struct nic *nic = ctx;

    sys_channel_signal(nic->link);
}

static void serve_later(void *ctx)
{
    const struct nic *nic = ctx;

    sys_signal_raise(nic->nics->machine->wake, 1ull << (WAKE_NICS + nic->netvsp->config.number));
}

static void changed(void *ctx)
{
    struct nic *nic = ctx;

    nic->is_dirty = nic->nics->is_dirty = true;
}

static const struct netvsp_ops ops = {
    .lend = lend,
    .revoke = revoke,
    .hand_over = hand_over,
    .allocate = allocate,
    .release = release,
    .read = read,
    .add_channels = add_channels,
    .signal_switch = signal_switch,
    .serve_later = serve_later,
    .changed = changed,
};

/* ---- the VMBus device ---- */

static void opened(struct device *d, struct channel *c)
{
    netvsp_opened(nic_of(d)->netvsp, c);
}

static void closed(struct device *d, struct channel *c)
{
    netvsp_closed(nic_of(d)->netvsp, c);
}

static void signalled(struct device *d, struct channel *c)
{
    netvsp_signalled(nic_of(d)->netvsp, c);
}

static void gpadl_gone(struct device *d, uint32_t gpadl)
{
    netvsp_gpadl_gone(nic_of(d)->netvsp, gpadl);
}

static const struct device_ops device_ops = { opened, closed, signalled, gpadl_gone };

static enum err make(struct nic *nic, const struct vmm_nic *config)
{
    struct nics *ns = nic->nics;
    struct machine *m = ns->machine;
    handle_t region;

    if (!nic->netvsp) {
        nic->netvsp = allocate_from(m->budget, sizeof(*nic->netvsp), &region);
        if (!nic->netvsp)
            return ERR_MEMORY;
        sys_handle_close(region);
        netvsp_init(nic->netvsp, &ops, nic, config, m->vcpu_count);
    } else {
        netvsp_set(nic->netvsp, config);
    }
    nic->device.instance_id = config->instance_id;
    ns->limit = max(ns->limit, config->number + 1);
    nic->is_dirty = ns->is_dirty = true;
    return OK;
}

enum err nics_init(struct nics *ns, struct machine *m, struct vmbus *v, struct control *c)
{
    enum err err = sys_bind(m->partition, BIND_HALT, m->wake, WAKE_HALT);

    *ns = (struct nics){ .machine = m, .vmbus = v, .control = c };
    if (err)
        return err;
    for (uint32_t i = 0; i < VMM_NICS_MAX; i++) {
        struct nic *nic = &ns->nics[i];
        const struct vmm_nic *config = &m->config->nics[i];
        bool is_present = config->flags & NIC_IS_PRESENT && config->number == i;

        nic->nics = ns;
        nic->device.ops = &device_ops;
        nic->device.class_id = class_id;
        err = is_present ? make(nic, config) : OK;
        if (err)
            return err;
        nic->device.is_enabled = is_present;
        server_add(&v->server, &nic->device);
    }
    return OK;
}

void nics_set(struct nics *ns, const struct vmm_nic *config)
{
    struct nic *nic = config->number < VMM_NICS_MAX ? &ns->nics[config->number] : NULL;

    if (!nic || !(config->flags & NIC_IS_PRESENT))
        return;
    if (make(nic, config)) {
        log_line("NIC %u: there is no memory for it", config->number);
        return;
    }
    if (!nic->device.is_enabled)
        server_enable(&ns->vmbus->server, &nic->device, true);
    vmbus_serve(ns->vmbus, 1ull << WAKE_SLOT);
}

static void unlink(struct nic *nic)
{
    if (nic->link == HANDLE_NONE)
        return;
    netvsp_unlink(nic->netvsp);
    sys_unmap(nic->link_at);
    drop(&nic->link);
    nic->link_at = NULL;
}

void nics_remove(struct nics *ns, uint32_t number)
{
    struct nic *nic = number < VMM_NICS_MAX ? &ns->nics[number] : NULL;

    if (!nic || !nic->netvsp)
        return;
    server_enable(&ns->vmbus->server, &nic->device, false);
    unlink(nic);
    if (nic->arena != HANDLE_NONE)
        sys_unmap(nic->arena_at);
    drop(&nic->arena);
    drop(&nic->budget);
    nic->arena_at = NULL;
    vmbus_serve(ns->vmbus, 1ull << WAKE_SLOT);
}

static enum err make_link(struct nic *nic, uint32_t epoch)
{
    enum err err = OK;

    if (nic->arena == HANDLE_NONE) {
        nic->arena_at = allocate_from(nic->budget, NETVSP_ARENA_BYTES, &nic->arena);
        err = nic->arena_at ? OK : ERR_MEMORY;
    }
    if (!err)
        err = sys_channel_map(nic->link, &nic->link_at);
    if (!err)
        err = sys_bind(nic->link, BIND_CHANNEL, nic->nics->machine->wake,
                       WAKE_NICS + nic->netvsp->config.number);
    if (!err)
        err = netvsp_link(nic->netvsp, nic->link_at, nic->arena_at, epoch);
    return err;
}

void nics_link(struct nics *ns, const struct vmm_nic_link *m, handle_t link, handle_t budget)
{
    struct nic *nic = m->number < VMM_NICS_MAX ? &ns->nics[m->number] : NULL;

    if (!nic || !nic->netvsp || link == HANDLE_NONE || budget == HANDLE_NONE) {
        drop(&link);
        drop(&budget);
        return;
    }
    unlink(nic);
    drop(&nic->budget);
    nic->link = link;
    nic->budget = budget;
    enum err err = make_link(nic, m->epoch);
    if (err) {
        log_line("NIC %u has no link to the switch: %s", m->number, err_name(err));
        unlink(nic);
    }
}

/* ---- the loop ---- */

/* The guest is told at once: it may be all that it waits for, and then nothing else wakes us. */
static void check(struct nic *nic)
{
    if (likely(!nic->device.channel || !nic->device.channel->is_broken))
        return;
    server_check(&nic->nics->vmbus->server, &nic->device);
    vmbus_serve(nic->nics->vmbus, 1ull << WAKE_SLOT);
}

void nics_serve(struct nics *ns, uint64_t bits)
{
    for (bits = (bits & WAKE_NICS_MASK) >> WAKE_NICS; bits; bits &= bits - 1) {
        struct nic *nic = &ns->nics[__builtin_ctzll(bits)];

        if (!nic->netvsp)
            continue;
        netvsp_serve(nic->netvsp);
        check(nic);
    }
}

/* A guest that halts has written all that it will for now; one that runs on is looked at again. */
static bool poll(struct nic *nic, uint64_t bits)
{
    struct netvsp *n = nic->netvsp;
    bool has_halted = bits & 1ull << WAKE_HALT, has_some = netvsp_poll(n);

    check(nic);
    if (has_halted || (!bits && !has_some))
        return netvsp_rest(n);
    return n->is_polled;
}

bool nics_poll(struct nics *ns, uint64_t bits)
{
    bool is_polled = false;

    for (uint32_t i = 0; i < ns->limit; i++)
        if (ns->nics[i].netvsp && ns->nics[i].netvsp->is_polled)
            is_polled |= poll(&ns->nics[i], bits);
    return is_polled;
}

void nics_tell(struct nics *ns)
{
    struct vmm_nic_state state;

    ns->is_dirty = false;
    for (uint32_t i = 0; i < VMM_NICS_MAX; i++) {
        struct nic *nic = &ns->nics[i];

        if (!nic->is_dirty || !nic->netvsp)
            continue;
        nic->is_dirty = false;
        netvsp_state(nic->netvsp, &state);
        control_send(ns->control, VMM_NIC_STATE, 0, &state, sizeof(state));
    }
}

/* ---- records ---- */

static void save(struct nic *nic, uint8_t *room, struct image_writer *w)
{
    uint32_t bytes = netvsp_save(nic->netvsp, room);

    ((struct record_netvsp *)(void *)room)->is_broken = nic->device.is_broken;
    image_put_parts(w, RECORD_NETVSP, nic->netvsp->config.number, room, bytes, NULL, 0);
}

void nics_save(struct nics *ns, struct image_writer *w)
{
    handle_t region;
    uint8_t *room = allocate_from(ns->machine->budget, NETVSP_RECORD_BYTES_MAX, &region);

    if (!room) {
        w->err = ERR_MEMORY;
        return;
    }
    for (uint32_t i = 0; i < VMM_NICS_MAX; i++)
        if (ns->nics[i].device.is_enabled)
            save(&ns->nics[i], room, w);
    sys_unmap(room);
    sys_handle_close(region);
}

/* Those that its server has restored. */
static enum err find_open(const struct nic *nic, struct channel *open[NIC_CHANNELS_MAX])
{
    const struct server *s = &nic->nics->vmbus->server;

    for (uint32_t id = 1; id < s->channel_limit; id++) {
        struct channel *c = server_channel(s, id);

        if (!c || c->device != &nic->device || c->state != CHANNEL_OPEN || !c->is_announced)
            continue;
        if (c->subchannel >= NIC_CHANNELS_MAX || open[c->subchannel])
            return ERR_FORMAT;
        open[c->subchannel] = c;
    }
    return OK;
}

enum err nics_restore(struct nics *ns, const struct record *r, const void *payload)
{
    struct nic *nic = r->instance < VMM_NICS_MAX ? &ns->nics[r->instance] : NULL;
    struct channel *open[NIC_CHANNELS_MAX] = { NULL };
    struct record_netvsp saved;
    enum err err;

    if (!nic || !nic->netvsp || !nic->device.is_enabled || r->bytes < sizeof(saved))
        return ERR_FORMAT;
    memcpy(&saved, payload, sizeof(saved));
    err = saved.is_broken > 1 ? ERR_FORMAT : find_open(nic, open);
    if (!err)
        err = netvsp_restore(nic->netvsp, payload, r->bytes, open);
    if (!err)
        nic->device.is_broken = saved.is_broken;
    return err;
}
