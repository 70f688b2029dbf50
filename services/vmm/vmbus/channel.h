/* A channel: the two rings that join a guest's driver and one of our services, and the few things
 * that a service does with them. Knows nothing of where rings lie or how the guest is signalled, so
 * that services run in host tests. */
#pragma once
#include "lib/abi/vmbus.h"
#include "lib/ring.h"

struct channel;
struct device;

/* How a service is told. @signalled: the guest has written, or made room. */
struct device_ops {
    void (*opened)(struct device *d, struct channel *c);
    void (*closed)(struct device *d, struct channel *c);
    void (*signalled)(struct device *d, struct channel *c);
    /* Pages that the guest handed over on a channel of @d go; NULL: it uses none but for rings. */
    void (*gpadl_gone)(struct device *d, uint32_t gpadl);
};

/* What is offered to a guest: the constant part is the service's, the rest the server's. */
struct device {
    const struct device_ops *ops;
    struct guid class_id, instance_id;
    uint16_t flags; /* VMBUS_OFFER_* */
    bool is_enabled;
    bool is_broken;          /* the guest broke a ring: not offered until the next connection */
    struct channel *channel; /* the primary one, while there is one */
    struct device *next;     /* of the server's list, in the order of their first offers */
};

enum channel_state {
    CHANNEL_FREE,
    CHANNEL_WAITING, /* to be offered */
    CHANNEL_OFFERED,
    CHANNEL_OPEN,
    CHANNEL_REVOKED, /* until the guest releases its id */
};

struct channel {
    uint32_t id;
    uint32_t state; /* enum channel_state */
    struct device *device;
    uint16_t subchannel;
    bool needs_rescind; /* REVOKED, and the guest has not been told */
    uint32_t target_vp; /* whom we signal */
    uint32_t gpadl, downstream_page, open_id;
    /* while OPEN: */
    bool is_announced; /* the guest has its answer, and the device knows */
    struct ring in, out;
    void (*signal)(struct channel *c); /* tells the guest */
    void *mapping, *mapping_ctx;       /* of whoever mapped the rings */
    uint32_t view;
    bool is_broken; /* a packet or an index was wrong: no byte is read or written any more */
    bool has_more;  /* the turn is over, and packets are left */
    uint32_t turn;  /* packets that may still be taken in it */
    uint64_t signals_in, signals_out, packets_in, packets_out, bytes_in, bytes_out;
};

/* Writes one packet, which the guest sees after channel_flush(). ERR_FULL: no room; @signalled comes
 * when there is. ERR_ARGUMENT: too long for the ring. ERR_GUEST: the ring is broken. */
enum err channel_put(struct channel *c, uint16_t type, uint16_t flags, uint64_t transaction,
                     const struct ring_part *parts, unsigned count) MUST_CHECK;
/* The same for a packet of one piece, of which the first bytes may belong to its header (ring_put()). */
static inline enum err channel_put_flat(struct channel *c, const struct ring_packet *h,
                                        const void *bytes, uint32_t n) MUST_CHECK;
static inline enum err channel_put_one(struct channel *c, uint16_t type, uint64_t transaction,
                                       const void *bytes, uint32_t n) MUST_CHECK;

/* Shows the guest what was put, and signals it if it wants that. */
void channel_flush(struct channel *c);

/* Both at once. */
enum err channel_send(struct channel *c, uint16_t type, uint16_t flags, uint64_t transaction,
                      const struct ring_part *parts, unsigned count) MUST_CHECK;

/* Whether an answer of @payload_bytes can be sent now. ERR_FULL: no; @signalled comes when it can.
 * ERR_GUEST: the ring is broken. */
static inline enum err channel_reserve(struct channel *c, uint32_t payload_bytes) MUST_CHECK;

/* The header of the next packet. ERR_EMPTY: none. ERR_GUEST: the ring is broken. */
static inline enum err channel_next(struct channel *c, struct ring_packet *h) MUST_CHECK;

/* Takes the packet of @h, from channel_next(): up to @capacity bytes of its payload go to @to, *@n is
 * its whole length. Until channel_done() the guest sees nothing of it. */
static inline void channel_take(struct channel *c, const struct ring_packet *h, void *to,
                                uint32_t capacity, uint32_t *n);

static inline void channel_skip(struct channel *c, const struct ring_packet *h);

/* channel_next() and channel_take() at once. */
enum err channel_receive(struct channel *c, struct ring_packet *h, void *to, uint32_t capacity,
                         uint32_t *n) MUST_CHECK;

/* Before the packets of one signal are read (the guest is asked not to signal meanwhile), and behind
 * the last: gives their room back. False: more has come meanwhile, go on. A turn ends after
 * CHANNEL_TURN_MAX packets, however many there are: a guest cannot keep its vmm from other work. */
#define CHANNEL_TURN_MAX 256u
void channel_begin(struct channel *c);
bool channel_done(struct channel *c) MUST_CHECK;

/* Gives back the room of what was taken, as channel_done(), but still asks the guest not to signal: who
 * calls it looks again, and lets the guest signal with channel_rest() when there is nothing for long.
 * That is true when there is more. */
void channel_pause(struct channel *c);
bool channel_rest(struct channel *c) MUST_CHECK;

static inline enum err channel_note(struct channel *c, enum err err)
{
    if (unlikely(err == ERR_GUEST))
        c->is_broken = true;
    return err;
}

static inline enum err channel_reserve(struct channel *c, uint32_t payload_bytes)
{
    return c->is_broken ? ERR_GUEST : channel_note(c, ring_reserve(&c->out, payload_bytes));
}

static inline enum err channel_next(struct channel *c, struct ring_packet *h)
{
    if (unlikely(c->is_broken || !c->turn))
        return c->is_broken ? ERR_GUEST : ERR_EMPTY;
    return channel_note(c, ring_peek(&c->in, h));
}

static inline void channel_take(struct channel *c, const struct ring_packet *h, void *to,
                                uint32_t capacity, uint32_t *n)
{
    *n = ring_payload_bytes(h);
    (void)!ring_read(&c->in, h, ring_payload_offset(h), to, min(*n, capacity)); /* it fits */
    channel_skip(c, h);
}

static inline void channel_skip(struct channel *c, const struct ring_packet *h)
{
    c->turn--;
    c->packets_in++;
    c->bytes_in += ring_payload_bytes(h);
    ring_advance(&c->in, h);
}

static inline enum err channel_put_flat(struct channel *c, const struct ring_packet *h,
                                        const void *bytes, uint32_t n)
{
    enum err err = channel_note(c, ring_put_one(&c->out, h, bytes, n));

    if (err)
        return err;
    c->packets_out++;
    c->bytes_out += n;
    return OK;
}

static inline enum err channel_put_one(struct channel *c, uint16_t type, uint64_t transaction,
                                       const void *bytes, uint32_t n)
{
    struct ring_packet h = { .type = type, .transaction = transaction };

    return channel_put_flat(c, &h, bytes, n);
}
