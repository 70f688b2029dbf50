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

/* Only what can be answered is taken: a guest that does not read its answers stops itself. */
static enum err answer(struct channel *c)
{
    static uint8_t bytes[ECHO_BYTES_MAX]; /* one service thread */
    struct ring_packet h;
    uint32_t n;
    enum err err = channel_next(c, &h);

    if (!err)
        err = channel_reserve(c, min(ring_payload_bytes(&h), ECHO_BYTES_MAX));
    if (!err)
        err = channel_take(c, &h, bytes, sizeof(bytes), &n);
    if (err)
        return err;
    struct ring_part part = { bytes, min(n, ECHO_BYTES_MAX) };
    return channel_send(c, RING_COMPLETION, 0, h.transaction, &part, 1);
}

static void signalled(struct device *d, struct channel *c)
{
    enum err err;

    (void)d;
    do {
        channel_begin(c);
        while ((err = answer(c)) == OK)
            ;
    } while (!channel_done(c) && err != ERR_FULL);
}

static const struct device_ops ops = { opened, closed, signalled };

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
