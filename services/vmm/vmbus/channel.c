#include "services/vmm/vmbus/channel.h"

enum err channel_send(struct channel *c, uint16_t type, uint16_t flags, uint64_t transaction,
                      const struct ring_part *parts, unsigned count)
{
    struct ring_packet h = { .type = type, .flags = flags, .transaction = transaction };
    bool wants_signal;
    enum err err = c->is_broken || c->state != CHANNEL_OPEN
                       ? ERR_GUEST
                       : ring_write(&c->out, &h, parts, count, &wants_signal);

    if (err == ERR_GUEST)
        c->is_broken = true;
    if (err)
        return err;
    c->packets_out++;
    for (unsigned i = 0; i < count; i++)
        c->bytes_out += parts[i].n;
    if (wants_signal) {
        c->signals_out++;
        c->signal(c);
    }
    return OK;
}

void channel_begin(struct channel *c)
{
    ring_mask(&c->in, 1);
}

enum err channel_reserve(struct channel *c, uint32_t payload_bytes)
{
    enum err err = c->is_broken ? ERR_GUEST : ring_reserve(&c->out, payload_bytes);

    if (err == ERR_GUEST)
        c->is_broken = true;
    return err;
}

enum err channel_next(struct channel *c, struct ring_packet *h)
{
    enum err err = c->is_broken ? ERR_GUEST : ring_peek(&c->in, h);

    if (err == ERR_GUEST)
        c->is_broken = true;
    return err;
}

enum err channel_take(struct channel *c, const struct ring_packet *h, void *to, uint32_t capacity,
                      uint32_t *n)
{
    *n = ring_payload_bytes(h);
    enum err err = ring_read(&c->in, h, ring_payload_offset(h), to, min(*n, capacity));

    if (err) /* no packet that ring_peek() let through */
        return err;
    c->packets_in++;
    c->bytes_in += *n;
    ring_advance(&c->in, h);
    return OK;
}

enum err channel_receive(struct channel *c, struct ring_packet *h, void *to, uint32_t capacity,
                         uint32_t *n)
{
    enum err err = channel_next(c, h);

    return err ? err : channel_take(c, h, to, capacity, n);
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
    return ring_peek(&c->in, &h) == ERR_EMPTY; /* a broken one is seen by the next receive */
}
