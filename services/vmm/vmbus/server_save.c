#include "services/vmm/vmbus/server_save.h"
#include "lib/string.h"

/* ---- saving ---- */

static uint32_t place_of(const struct server *s, const struct device *d)
{
    uint32_t n = 0;

    for (const struct device *i = s->devices; i != d; i = i->next)
        n++;
    return n;
}

static void put_channel(const struct server *s, const struct channel *c, struct image_writer *w)
{
    struct record_channel r = {
        .id = c->id,
        .state = c->state,
        .device = place_of(s, c->device),
        .subchannel = c->subchannel,
        .needs_rescind = c->needs_rescind,
        .target_vp = c->target_vp,
        .gpadl = c->gpadl,
        .downstream_page = c->downstream_page,
        .open_id = c->open_id,
        .is_broken = c->is_broken,
        .is_announced = c->is_announced,
        .signals_in = c->signals_in,
        .signals_out = c->signals_out,
        .packets_in = c->packets_in,
        .packets_out = c->packets_out,
        .bytes_in = c->bytes_in,
        .bytes_out = c->bytes_out,
    };

    image_put(w, RECORD_CHANNEL, &r, sizeof(r));
}

static void put_gpadl(const struct gpadl *g, struct image_writer *w)
{
    struct record_gpadl r = { g->id, g->channel, g->byte_count, g->byte_offset, g->received, 0 };

    image_put_parts(w, RECORD_GPADL, 0, &r, sizeof(r), g->pages, g->received * sizeof(uint64_t));
}

static void put_message(const struct server_message *m, struct image_writer *w)
{
    struct record_vmbus_message r = { .is_to_guest = 1, .bytes = m->bytes, .vp = m->vp };

    memcpy(r.payload, m->payload, sizeof(r.payload));
    image_put(w, RECORD_VMBUS_MESSAGE, &r, sizeof(r));
}

void server_save(const struct server *s, struct image_writer *w)
{
    struct record_vmbus r = { s->version, s->target_vp, s->has_requested_offers,
                              s->has_delivered_offers, s->refused_count };

    image_put(w, RECORD_VMBUS, &r, sizeof(r));
    for (const struct gpadl *g = s->gpadls.first; g; g = g->next)
        put_gpadl(g, w);
    for (uint32_t id = 1; id < s->channel_limit; id++)
        if (server_channel(s, id))
            put_channel(s, server_channel(s, id), w);
    for (uint32_t i = 0; i < s->count; i++)
        put_message(&s->queue[(s->head + i) % SERVER_QUEUE_MAX], w);
}

/* ---- restoring ---- */

static enum err restore_connection(struct server *s, const struct record_vmbus *r)
{
    if (r->target_vp >= s->vcpu_count || r->has_requested_offers > 1 ||
        r->has_delivered_offers > 1 || s->version)
        return ERR_FORMAT;
    s->version = r->version;
    s->target_vp = r->target_vp;
    s->has_requested_offers = r->has_requested_offers;
    s->has_delivered_offers = r->has_delivered_offers;
    s->refused_count = r->refused_count;
    return OK;
}

static enum err restore_gpadl(struct server *s, const struct record *head, const uint8_t *payload)
{
    struct record_gpadl r;
    struct gpadl *g;

    if (head->bytes < sizeof(r))
        return ERR_FORMAT;
    memcpy(&r, payload, sizeof(r));
    if (head->bytes != sizeof(r) + r.received * sizeof(uint64_t))
        return ERR_FORMAT;
    enum err err = gpadl_create(&s->gpadls, r.id, r.channel, r.byte_count, r.byte_offset, &g);
    if (!err)
        err = gpadl_append(&s->gpadls, g, (const void *)(payload + sizeof(r)), r.received);
    return err == ERR_MEMORY || !err ? err : ERR_FORMAT;
}

static struct device *device_at(const struct server *s, uint32_t place)
{
    struct device *d = s->devices;

    while (d && place--)
        d = d->next;
    return d;
}

static enum err restore_ring(struct server *s, struct channel *c)
{
    struct gpadl *g = gpadl_find(&s->gpadls, c->gpadl);

    if (!g || !gpadl_is_complete(g) || g->channel != c->id || g->is_ring ||
        c->downstream_page < 2 || c->downstream_page + 2 > g->page_count)
        return ERR_FORMAT;
    enum err err = s->ops->map(s->ctx, c, g);
    if (err == ERR_GUEST) { /* it was about to be found broken */
        c->is_broken = true;
        err = OK;
    }
    if (!err)
        g->is_ring = 1;
    return err;
}

static enum err restore_channel(struct server *s, const struct record_channel *r)
{
    struct device *d = device_at(s, r->device);
    struct channel *c;

    if (!d || r->state < CHANNEL_WAITING || r->state > CHANNEL_REVOKED || r->needs_rescind > 1 ||
        r->is_broken > 1 || r->is_announced > 1 || r->reserved || r->subchannel > UINT16_MAX ||
        r->target_vp >= s->vcpu_count || (!r->subchannel && d->channel))
        return ERR_FORMAT;
    c = server_restore_channel(s, r->id);
    if (!c)
        return ERR_FORMAT;
    c->device = d;
    c->subchannel = (uint16_t)r->subchannel;
    c->needs_rescind = r->needs_rescind;
    c->target_vp = r->target_vp;
    c->gpadl = r->gpadl;
    c->downstream_page = r->downstream_page;
    c->open_id = r->open_id;
    c->is_broken = r->is_broken;
    c->is_announced = r->is_announced;
    c->signals_in = r->signals_in;
    c->signals_out = r->signals_out;
    c->packets_in = r->packets_in;
    c->packets_out = r->packets_out;
    c->bytes_in = r->bytes_in;
    c->bytes_out = r->bytes_out;
    c->state = r->state;
    if (!c->subchannel)
        d->channel = c;
    return c->state == CHANNEL_OPEN ? restore_ring(s, c) : OK;
}

static enum err restore_message(struct server *s, const struct record_vmbus_message *r)
{
    struct server_message *m = &s->queue[(s->head + s->count) % SERVER_QUEUE_MAX];

    if (s->count == SERVER_QUEUE_MAX || r->bytes > sizeof(m->payload) || r->vp >= s->vcpu_count)
        return ERR_FORMAT;
    *m = (struct server_message){ .bytes = r->bytes, .vp = r->vp };
    memcpy(m->payload, r->payload, sizeof(m->payload));
    s->count++;
    return OK;
}

enum err server_restore(struct server *s, const struct record *r, const void *payload)
{
    union {
        struct record_vmbus vmbus;
        struct record_channel channel;
        struct record_vmbus_message message;
    } u;

    if (r->type == RECORD_GPADL)
        return restore_gpadl(s, r, payload);
    memcpy(&u, payload, min((size_t)r->bytes, sizeof(u)));
    if (r->type == RECORD_VMBUS)
        return r->bytes == sizeof(u.vmbus) ? restore_connection(s, &u.vmbus) : ERR_FORMAT;
    if (r->type == RECORD_CHANNEL)
        return r->bytes == sizeof(u.channel) ? restore_channel(s, &u.channel) : ERR_FORMAT;
    if (r->type == RECORD_VMBUS_MESSAGE)
        return r->bytes == sizeof(u.message) ? restore_message(s, &u.message) : ERR_FORMAT;
    return ERR_UNSUPPORTED;
}
