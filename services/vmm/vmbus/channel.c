#include "services/vmm/vmbus/channel.h"

enum err channel_put(struct channel *c, uint16_t type, uint16_t flags, uint64_t transaction,
                     const struct ring_part *parts, unsigned count)
{
    struct ring_packet h = { .type = type, .flags = flags, .transaction = transaction };
    enum err err =
        c->is_broken || c->state != CHANNEL_OPEN ? ERR_GUEST : ring_put(&c->out, &h, parts, count);

    if (err == ERR_GUEST)
        c->is_broken = true;
    if (err)
        return err;
    c->packets_out++;
    for (unsigned i = 0; i < count; i++)
        c->bytes_out += parts[i].n;
    return OK;
}

void channel_flush(struct channel *c)
{
    if (c->is_broken || !ring_publish(&c->out))
        return;
    c->signals_out++;
    c->signal(c);
}

enum err channel_send(struct channel *c, uint16_t type, uint16_t flags, uint64_t transaction,
                      const struct ring_part *parts, unsigned count)
{
    enum err err = channel_put(c, type, flags, transaction, parts, count);

    if (!err)
        channel_flush(c);
    return err;
}

void channel_begin(struct channel *c)
{
    ring_mask(&c->in, 1);
}

enum err channel_receive(struct channel *c, struct ring_packet *h, void *to, uint32_t capacity,
                         uint32_t *n)
{
    enum err err = channel_next(c, h);

    if (!err)
        channel_take(c, h, to, capacity, n);
    return err;
}

void channel_pause(struct channel *c)
{
    struct ring_packet h;

    if (c->is_broken)
        return;
    if (ring_commit(&c->in)) {
        c->signals_out++;
        c->signal(c);
    }
    c->has_more = !c->turn && ring_peek(&c->in, &h) != ERR_EMPTY;
}

bool channel_rest(struct channel *c)
{
    struct ring_packet h;

    if (c->is_broken)
        return false;
    ring_mask(&c->in, 0);
    return ring_peek(&c->in, &h) != ERR_EMPTY;
}

bool channel_done(struct channel *c)
{
    struct ring_packet h;

    if (c->is_broken)
        return true;
    if (ring_commit(&c->in)) {
        c->signals_out++;
        c->signal(c);
    }
    ring_mask(&c->in, 0);
    bool is_empty = ring_peek(&c->in, &h) == ERR_EMPTY; /* a broken one is seen by the next turn */
    c->has_more = !c->turn && !is_empty;
    return is_empty || c->has_more;
}
