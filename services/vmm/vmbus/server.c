/* What is offered follows from what the devices want: each step of the offering looks at the table
 * of channels, so that a guest cannot make a queue of ours grow. Only answers are queued, and a
 * message is not taken before there is room for its answers. */
#include "services/vmm/vmbus/server.h"
#include "lib/string.h"

static_assert(CHANNELS_PER_CHUNK * sizeof(struct channel) <= PAGE_BYTES, "a chunk is a page");

void server_init(struct server *s, const struct server_ops *ops, void *ctx, uint32_t vcpu_count)
{
    *s = (struct server){ .ops = ops, .ctx = ctx, .vcpu_count = vcpu_count, .channel_limit = 1 };
    s->gpadls = (struct gpadl_table){ .ops = &ops->memory, .ctx = ctx };
}

static void refuse(struct server *s, const char *what)
{
    s->refused_count++;
    s->ops->complain(s->ctx, what);
}

/* ---- the queue to the guest ---- */

bool server_has_room(const struct server *s)
{
    return SERVER_QUEUE_MAX - s->count >= SERVER_ANSWERS_MAX;
}

static void send_to(struct server *s, uint32_t vp, enum vmbus_message type, void *message,
                    uint32_t bytes)
{
    struct server_message *m = &s->queue[(s->head + s->count++) % SERVER_QUEUE_MAX];

    *(struct vmbus_header *)message = (struct vmbus_header){ .type = type };
    *m = (struct server_message){ .bytes = bytes, .vp = vp };
    memcpy(m->payload, message, bytes);
}

#define send(s, type, message) send_to(s, (s)->target_vp, type, message, sizeof(*(message)))

/* ---- channels ---- */

struct channel *server_channel(const struct server *s, uint32_t id)
{
    struct channel *chunk = id < s->channel_limit ? s->chunks[id / CHANNELS_PER_CHUNK] : NULL;

    if (!chunk || chunk[id % CHANNELS_PER_CHUNK].state == CHANNEL_FREE)
        return NULL;
    return &chunk[id % CHANNELS_PER_CHUNK];
}

/* The slot of @id, whose chunk is made if need be. */
static struct channel *slot(struct server *s, uint32_t id)
{
    struct channel **chunk = &s->chunks[id / CHANNELS_PER_CHUNK];

    if (!*chunk)
        *chunk = s->ops->memory.allocate(s->ctx, CHANNELS_PER_CHUNK * sizeof(struct channel));
    return *chunk ? &(*chunk)[id % CHANNELS_PER_CHUNK] : NULL;
}

struct channel *server_restore_channel(struct server *s, uint32_t id)
{
    struct channel *c = id && id <= VMBUS_CHANNELS_MAX ? slot(s, id) : NULL;

    if (!c || c->state != CHANNEL_FREE)
        return NULL;
    s->channel_limit = max(s->channel_limit, id + 1);
    *c = (struct channel){ .id = id };
    return c;
}

static struct channel *create(struct server *s, struct device *d, uint16_t subchannel)
{
    uint32_t id = 1;

    while (id < s->channel_limit && server_channel(s, id))
        id++;
    struct channel *c = server_restore_channel(s, id);
    if (!c)
        return NULL;
    c->state = CHANNEL_WAITING;
    c->device = d;
    c->subchannel = subchannel;
    if (!subchannel)
        d->channel = c;
    s->next_work = min(s->next_work, id);
    return c;
}

static void destroy(struct channel *c)
{
    if (c->device->channel == c)
        c->device->channel = NULL;
    c->state = CHANNEL_FREE;
}

/* Takes the rings away before their pages may be given back. */
static void shut(struct server *s, struct channel *c, enum channel_state then)
{
    struct gpadl *g = gpadl_find(&s->gpadls, c->gpadl);

    if (c->state == CHANNEL_OPEN) {
        c->state = then;
        if (c->is_announced)
            c->device->ops->closed(c->device, c);
        s->ops->unmap(s->ctx, c);
        if (g)
            g->is_ring = 0;
    }
    c->state = then;
    c->is_broken = false;
}

/* The guest is told, and says when it has done with it. */
static void revoke(struct server *s, struct channel *c)
{
    if (c->state == CHANNEL_WAITING) {
        destroy(c);
        return;
    }
    if (c->state == CHANNEL_REVOKED)
        return;
    shut(s, c, CHANNEL_REVOKED);
    c->needs_rescind = true;
    s->next_work = min(s->next_work, c->id);
}

static void revoke_subchannels(struct server *s, const struct device *d)
{
    for (uint32_t id = 1; id < s->channel_limit; id++) {
        struct channel *c = server_channel(s, id);

        if (c && c->device == d && c->subchannel)
            revoke(s, c);
    }
}

/* A device that wants to be offered gets a channel as soon as its old one is gone. Without a guest
 * that listens there is none. */
static void renew(struct server *s, struct device *d)
{
    if (s->version && d->is_enabled && !d->is_broken && !d->channel && !create(s, d, 0))
        s->ops->complain(s->ctx, "there is no room for another channel");
}

void server_add(struct server *s, struct device *d)
{
    struct device **link = &s->devices;

    while (*link)
        link = &(*link)->next;
    *link = d;
    renew(s, d);
}

void server_enable(struct server *s, struct device *d, bool is_enabled)
{
    d->is_enabled = is_enabled;
    d->is_broken = false;
    if (!is_enabled) {
        revoke_subchannels(s, d); /* they go first */
        if (d->channel)
            revoke(s, d->channel);
    }
    renew(s, d);
}

enum err server_add_subchannel(struct server *s, struct device *d, uint16_t index)
{
    if (!index || !d->channel || d->channel->state != CHANNEL_OPEN)
        return ERR_STATE;
    return create(s, d, index) ? OK : ERR_FULL;
}

static void break_channel(struct server *s, struct channel *c)
{
    struct device *d = c->device;

    refuse(s, "broke a ring; its channel is closed");
    d->is_broken = true;
    revoke_subchannels(s, d);
    if (d->channel)
        revoke(s, d->channel);
}

void server_check(struct server *s, struct device *d)
{
    for (uint32_t id = 1; id < s->channel_limit; id++) {
        struct channel *c = server_channel(s, id);

        if (c && c->device == d && c->state == CHANNEL_OPEN && c->is_broken) {
            break_channel(s, c);
            return;
        }
    }
}

bool server_signalled(struct server *s, uint32_t id)
{
    struct channel *c = server_channel(s, id);

    if (!c || c->state != CHANNEL_OPEN || !c->is_announced)
        return false; /* it may have closed meanwhile */
    c->signals_in++;
    c->turn = CHANNEL_TURN_MAX;
    c->has_more = false;
    c->device->ops->signalled(c->device, c);
    if (likely(!c->is_broken || c->state != CHANNEL_OPEN))
        return c->has_more;
    break_channel(s, c);
    return false;
}

void server_reset(struct server *s)
{
    for (uint32_t id = 1; id < s->channel_limit; id++) {
        struct channel *c = server_channel(s, id);

        if (!c)
            continue;
        shut(s, c, CHANNEL_WAITING);
        destroy(c);
    }
    gpadl_destroy_all(&s->gpadls);
    s->channel_limit = 1;
    s->next_work = 1;
    s->version = 0;
    s->has_requested_offers = s->has_delivered_offers = false;
    s->head = s->count = 0;
    for (struct device *d = s->devices; d; d = d->next)
        d->is_broken = false;
}

/* ---- offers and rescinds, as there is room ---- */

static void offer(struct server *s, struct channel *c)
{
    struct vmbus_offer m = {
        .class_id = c->device->class_id,
        .instance_id = c->device->instance_id,
        .flags = c->device->flags,
        .subchannel = c->subchannel,
        .channel = c->id,
        .has_own_interrupt = 1,
        .connection = SERVER_EVENT_CONNECTION + c->id,
    };
    const uint32_t mode = VMBUS_PIPE_MODE;

    if (c->device->flags & VMBUS_OFFER_PIPE)
        memcpy(m.user, &mode, sizeof(mode));
    send(s, VMBUS_OFFER, &m);
    c->state = CHANNEL_OFFERED;
}

static void rescind(struct server *s, struct channel *c)
{
    struct vmbus_rescind m = { .channel = c->id };

    send(s, VMBUS_RESCIND, &m);
    c->needs_rescind = false;
}

/* One step: true when it has sent something. */
static bool work(struct server *s)
{
    for (; s->next_work < s->channel_limit; s->next_work++) {
        struct channel *c = server_channel(s, s->next_work);

        if (c && c->state == CHANNEL_WAITING)
            offer(s, c);
        else if (c && c->needs_rescind)
            rescind(s, c);
        else
            continue;
        return true;
    }
    if (s->has_delivered_offers)
        return false;
    struct vmbus_header m;
    send(s, VMBUS_ALL_OFFERS_DELIVERED, &m);
    s->has_delivered_offers = true;
    return true;
}

const struct server_message *server_next(struct server *s)
{
    bool is_idle = !s->has_requested_offers;

    while (!is_idle && SERVER_QUEUE_MAX - s->count > SERVER_ANSWERS_MAX)
        is_idle = !work(s);
    return s->count ? &s->queue[s->head] : NULL;
}

static void announce(struct server *s, const struct vmbus_open_result *m)
{
    struct channel *c = server_channel(s, m->channel);

    if (m->status || !c || c->state != CHANNEL_OPEN || c->is_announced)
        return;
    c->is_announced = true;
    c->device->ops->opened(c->device, c);
}

void server_sent(struct server *s)
{
    struct vmbus_open_result m;

    memcpy(&m, s->queue[s->head].payload, sizeof(m));
    s->head = (s->head + 1) % SERVER_QUEUE_MAX;
    s->count--;
    if (m.header.type == VMBUS_OPEN_RESULT)
        announce(s, &m);
}

/* ---- the guest's messages ---- */

struct message {
    const uint8_t *bytes;
    uint32_t n;
};

/* Copies what begins the message; false: it is too short for that. */
static bool take(const struct message *m, void *to, uint32_t bytes)
{
    if (m->n < bytes)
        return false;
    memcpy(to, m->bytes, bytes);
    return true;
}

static bool is_known_version(uint32_t version)
{
    static const uint32_t known[] = {
        VMBUS_VERSION(5, 3), VMBUS_VERSION(5, 2), VMBUS_VERSION(5, 1), VMBUS_VERSION(5, 0),
        VMBUS_VERSION(4, 1), VMBUS_VERSION(4, 0), VMBUS_VERSION(3, 0), VMBUS_VERSION(2, 4),
    };

    for (unsigned i = 0; i < array_count(known); i++)
        if (version == known[i])
            return true;
    return false;
}

/* Not used here, as no offer asks for it; but what is named must be the guest's memory. */
static bool is_page_or_none(const struct server *s, uint64_t gpa)
{
    return !gpa || (!(gpa & PAGE_MASK) && s->ops->memory.has_page(s->ctx, gpa >> PAGE_SHIFT));
}

static const char *fault_of_contact(const struct server *s, const struct vmbus_initiate_contact *m)
{
    if (m->target_vp >= s->vcpu_count)
        return "asked for VMBus on a processor that it has not";
    if (m->version >= VMBUS_VERSION(5, 0) && m->sint != VMBUS_SINT)
        return "asked for VMBus on another SINT than 2";
    if (m->version < VMBUS_VERSION(5, 0) && !is_page_or_none(s, m->interrupt_page))
        return "named an interrupt page for VMBus that it has not";
    for (unsigned i = 0; i < 2; i++)
        if (!is_page_or_none(s, m->monitor_pages[i]))
            return "named a monitor page for VMBus that it has not";
    if (m->monitor_pages[0] && m->monitor_pages[0] == m->monitor_pages[1])
        return "named one page for both monitor pages of VMBus";
    return NULL;
}

/* Versions that we do not speak are no fault: the guest tries the next one. */
static void initiate_contact(struct server *s, const struct message *in)
{
    struct vmbus_version_response out = { .connection = VMBUS_CONNECTION };
    struct vmbus_initiate_contact m;
    const char *fault;

    if (!take(in, &m, sizeof(m))) {
        refuse(s, "sent a VMBus contact that is too short");
        return;
    }
    fault = fault_of_contact(s, &m);
    if (fault)
        refuse(s, fault);
    server_reset(s); /* a kernel that was started by kexec begins anew */
    s->target_vp = m.target_vp < s->vcpu_count ? m.target_vp : 0;
    out.is_supported = !fault && is_known_version(m.version);
    if (out.is_supported)
        s->version = m.version;
    for (struct device *d = s->devices; d; d = d->next)
        renew(s, d);
    send(s, VMBUS_VERSION_RESPONSE, &out);
}

static void request_offers(struct server *s)
{
    if (s->has_requested_offers)
        refuse(s, "asked for the VMBus offers twice");
    s->has_requested_offers = true;
}

static void unload(struct server *s)
{
    struct vmbus_header out;

    server_reset(s);
    send(s, VMBUS_UNLOAD_RESPONSE, &out);
}

static enum err open_channel(struct server *s, struct channel *c, const struct vmbus_open *m)
{
    struct gpadl *g = gpadl_find(&s->gpadls, m->gpadl);

    if (!c || c->state != CHANNEL_OFFERED || !g || !gpadl_is_complete(g) || g->channel != c->id ||
        g->is_ring || g->byte_offset || g->byte_count & PAGE_MASK ||
        m->target_vp >= s->vcpu_count || m->downstream_page < 2 ||
        m->downstream_page > g->page_count || g->page_count - m->downstream_page < 2)
        return ERR_ARGUMENT;
    c->gpadl = m->gpadl;
    c->downstream_page = m->downstream_page;
    c->open_id = m->open_id;
    c->target_vp = m->target_vp;
    c->signals_in = c->signals_out = c->packets_in = c->packets_out = 0;
    c->bytes_in = c->bytes_out = 0;
    enum err err = s->ops->map(s->ctx, c, g);
    if (!err) {
        g->is_ring = 1;
        c->is_announced = false;
        c->state = CHANNEL_OPEN;
    }
    return err;
}

/* The device hears of it when the answer has gone out: before, the guest hears no signal. */
static void open(struct server *s, const struct message *in)
{
    struct vmbus_open m;

    if (!take(in, &m, sizeof(m))) {
        refuse(s, "sent a VMBus open that is too short");
        return;
    }
    struct channel *c = server_channel(s, m.channel);
    if (c && c->state == CHANNEL_REVOKED)
        return; /* it will see the rescind */
    enum err err = open_channel(s, c, &m);
    struct vmbus_open_result out = { .channel = m.channel, .open_id = m.open_id };
    if (err) {
        refuse(s, "could not open a VMBus channel");
        out.status = err == ERR_MEMORY ? VMBUS_STATUS_INSUFFICIENT_RESOURCES
                                       : VMBUS_STATUS_INVALID_PARAMETER;
    }
    send(s, VMBUS_OPEN_RESULT, &out);
}

static void close(struct server *s, const struct message *in)
{
    struct vmbus_rescind m;
    struct channel *c = take(in, &m, sizeof(m)) ? server_channel(s, m.channel) : NULL;

    if (c && c->state == CHANNEL_REVOKED)
        return; /* both at once */
    if (!c || c->state != CHANNEL_OPEN) {
        refuse(s, "closed a VMBus channel that is not open");
        return;
    }
    shut(s, c, CHANNEL_OFFERED);
    if (!c->subchannel)
        revoke_subchannels(s, c->device);
}

static void gpadl_answer(struct server *s, uint32_t channel, uint32_t gpadl, enum err err)
{
    struct vmbus_gpadl_created out = { .channel = channel, .gpadl = gpadl };

    if (err) {
        refuse(s, "handed over pages to VMBus that it may not");
        out.status = err == ERR_MEMORY || err == ERR_FULL ? VMBUS_STATUS_INSUFFICIENT_RESOURCES
                                                          : VMBUS_STATUS_INVALID_PARAMETER;
    }
    send(s, VMBUS_GPADL_CREATED, &out);
}

static void gpadl_header(struct server *s, const struct message *in)
{
    struct vmbus_gpadl_header m;
    struct gpadl *g = NULL;

    if (!take(in, &m, sizeof(m))) {
        refuse(s, "sent a GPADL header that is too short");
        return;
    }
    struct channel *c = server_channel(s, m.channel);
    bool is_known = c && c->state != CHANNEL_WAITING;
    enum err err = is_known ? gpadl_begin(&s->gpadls, &m, (const void *)(in->bytes + sizeof(m)),
                                          (in->n - (uint32_t)sizeof(m)) / 8, &g)
                            : ERR_ARGUMENT;
    if (err || gpadl_is_complete(g))
        gpadl_answer(s, m.channel, m.gpadl, err);
}

static void gpadl_body(struct server *s, const struct message *in)
{
    struct vmbus_gpadl_body m;
    struct gpadl *g = take(in, &m, sizeof(m)) ? gpadl_find(&s->gpadls, m.gpadl) : NULL;

    if (!g || gpadl_is_complete(g)) {
        refuse(s, "sent a GPADL body that belongs to nothing");
        return;
    }
    uint32_t channel = g->channel;
    enum err err = gpadl_append(&s->gpadls, g, (const void *)(in->bytes + sizeof(m)),
                                (in->n - (uint32_t)sizeof(m)) / 8);
    if (err || gpadl_is_complete(g))
        gpadl_answer(s, channel, m.gpadl, err);
}

/* Of a ring in use: first the channel is closed, then the pages go, then the guest hears it. */
static void gpadl_teardown(struct server *s, const struct message *in)
{
    struct vmbus_gpadl_torndown out = { 0 };
    struct vmbus_gpadl_teardown m;
    struct gpadl *g = take(in, &m, sizeof(m)) ? gpadl_find(&s->gpadls, m.gpadl) : NULL;

    if (!g || g->channel != m.channel) {
        refuse(s, "tore down a GPADL that it has not");
        return;
    }
    struct channel *c = server_channel(s, g->channel);
    if (g->is_ring && c) {
        refuse(s, "tore down the ring of an open channel, which is closed");
        shut(s, c, CHANNEL_OFFERED);
        if (!c->subchannel)
            revoke_subchannels(s, c->device);
    }
    if (c && c->state == CHANNEL_OPEN && c->device->ops->gpadl_gone)
        c->device->ops->gpadl_gone(c->device, m.gpadl);
    gpadl_destroy(&s->gpadls, g);
    out.gpadl = m.gpadl;
    send(s, VMBUS_GPADL_TORNDOWN, &out);
}

static void relid_released(struct server *s, const struct message *in)
{
    struct vmbus_rescind m;
    struct channel *c = take(in, &m, sizeof(m)) ? server_channel(s, m.channel) : NULL;

    if (!c || c->state != CHANNEL_REVOKED || c->needs_rescind) {
        refuse(s, "released a VMBus channel that was not rescinded");
        return;
    }
    gpadl_destroy_of(&s->gpadls, c->id);
    struct device *d = c->device;
    destroy(c);
    renew(s, d);
}

static void modify_channel(struct server *s, const struct message *in)
{
    struct vmbus_modify_channel m;

    if (!take(in, &m, sizeof(m))) {
        refuse(s, "sent a VMBus modification that is too short");
        return;
    }
    struct channel *c = server_channel(s, m.channel);
    bool is_good = c && c->state == CHANNEL_OPEN && m.target_vp < s->vcpu_count;
    struct vmbus_modify_response out = { .channel = m.channel };

    if (is_good) {
        c->target_vp = m.target_vp;
        c->signal(c); /* what the old processor may not have seen */
    } else {
        refuse(s, "moved a VMBus channel that is not open, or to no processor");
        out.status = VMBUS_STATUS_INVALID_PARAMETER;
    }
    if (s->version >= VMBUS_VERSION(5, 3))
        send(s, VMBUS_MODIFY_CHANNEL_RESPONSE, &out);
}

static void connected_message(struct server *s, uint32_t type, const struct message *in)
{
    switch (type) {
    case VMBUS_REQUEST_OFFERS: request_offers(s); break;
    case VMBUS_OPEN: open(s, in); break;
    case VMBUS_CLOSE: close(s, in); break;
    case VMBUS_GPADL_HEADER: gpadl_header(s, in); break;
    case VMBUS_GPADL_BODY: gpadl_body(s, in); break;
    case VMBUS_GPADL_TEARDOWN: gpadl_teardown(s, in); break;
    case VMBUS_RELID_RELEASED: relid_released(s, in); break;
    case VMBUS_MODIFY_CHANNEL: modify_channel(s, in); break;
    default: refuse(s, "sent a VMBus message that means nothing here");
    }
}

void server_message(struct server *s, const void *message, uint32_t n)
{
    struct message in = { message, n };
    struct vmbus_header h;

    if (!take(&in, &h, sizeof(h)))
        refuse(s, "sent a VMBus message that is too short");
    else if (h.type == VMBUS_INITIATE_CONTACT)
        initiate_contact(s, &in);
    else if (h.type == VMBUS_UNLOAD)
        unload(s); /* also of one that never connected: it waits for the answer */
    else if (!s->version && h.type == VMBUS_RELID_RELEASED)
        return; /* Linux frees its channels after UNLOAD */
    else if (!s->version)
        refuse(s, "sent a VMBus message before it was connected");
    else
        connected_message(s, h.type, &in);
}
