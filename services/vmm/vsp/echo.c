#include "services/vmm/vsp/echo.h"

static void opened(struct device *d, struct channel *c)
{
    struct echo *e = container_of(d, struct echo, device);

    if (!c->subchannel)
        e->wants_subchannels(e->ctx);
}

static void closed(struct device *d, struct channel *c)
{
    (void)d;
    (void)c;
}

/* What goes round the end of the ring is brought into one piece first. */
static NOINLINE enum err answer_copy(struct channel *c, const struct ring_packet *h, uint32_t n)
{
    static uint8_t bytes[ECHO_BYTES_MAX]; /* one service thread */
    enum err err = ring_read(&c->in, h, ring_payload_offset(h), bytes, n);

    return err ? err : channel_put_one(c, RING_COMPLETION, h->transaction, bytes, n);
}

/* Only what can be answered is taken: a guest that does not read its answers stops itself. The bytes
 * mean nothing here, so they go from ring to ring. */
static inline enum err answer(struct channel *c)
{
    struct ring_packet h;
    enum err err = channel_next(c, &h);

    if (err)
        return err;
    uint32_t n = min(ring_payload_bytes(&h), ECHO_BYTES_MAX);
    const void *at = ring_straight(&c->in, ring_payload_offset(&h), n);
    err = likely(at) ? channel_put_one(c, RING_COMPLETION, h.transaction, at, n)
                     : answer_copy(c, &h, n);
    if (likely(!err))
        channel_skip(c, &h);
    return err;
}

static void signalled(struct device *d, struct channel *c)
{
    enum err err;

    (void)d;
    do {
        channel_begin(c);
        do
            err = answer(c);
        while (!err);
        channel_flush(c);
    } while (!channel_done(c) && err != ERR_FULL);
}

static const struct device_ops ops = { opened, closed, signalled, NULL };

void echo_init(struct echo *e, void (*wants_subchannels)(void *ctx), void *ctx)
{
    *e = (struct echo){
        .device = { .ops = &ops,
                    .class_id = { 0xb1d0ec40,
                                  0x6b68,
                                  0x4c1e,
                                  { 0x9a, 0x00, 0x62, 0x75, 0x6c, 0x6b, 0x68, 0x64 } },
                    .instance_id = { 0xb1d0ec40,
                                     0x6b68,
                                     0x4c1e,
                                     { 0x9a, 0x10, 0x62, 0x75, 0x6c, 0x6b, 0x68, 0x64 } } },
        .wants_subchannels = wants_subchannels,
        .ctx = ctx,
    };
}
