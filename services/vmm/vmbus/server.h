/* The VMBus server: who is connected, what is offered to whom, and which pages are lent for what. A
 * pure state machine: a message of the guest in; out come messages to the guest (a queue that is
 * drained with server_next()), calls of the devices, and rings to map. Whatever the guest sends is
 * either obeyed, refused with the protocol's status, or ignored and counted.
 *
 * The contract with Linux is in connection.c, channel.c and channel_mgmt.c of its drivers/hv. */
#pragma once
#include "services/vmm/vmbus/channel.h"
#include "services/vmm/vmbus/gpadl.h"

/* Connections of HvCallSignalEvent: the channel's id above this. */
#define SERVER_EVENT_CONNECTION 0x2000u

#define SERVER_QUEUE_MAX 16u /* messages to the guest; offers wait beyond it */
/* Room that a message's answers may take: while there is less, none may be given to the server. */
#define SERVER_ANSWERS_MAX 2u

#define CHANNELS_PER_CHUNK 16u
#define CHANNEL_CHUNKS     ((VMBUS_CHANNELS_MAX + CHANNELS_PER_CHUNK) / CHANNELS_PER_CHUNK)

struct server_ops {
    struct gpadl_ops memory;
    /* Maps the two rings that @g's pages hold and attaches them to @c. ERR_GUEST: an index in them
     * is wrong; ERR_MEMORY. */
    enum err (*map)(void *ctx, struct channel *c, const struct gpadl *g);
    void (*unmap)(void *ctx, struct channel *c);
    /* The guest did what it must not; @what is constant. */
    void (*complain)(void *ctx, const char *what);
};

struct server_message {
    uint32_t bytes;
    uint32_t vp;
    uint8_t payload[SYNIC_PAYLOAD_BYTES];
};

struct server {
    const struct server_ops *ops;
    void *ctx;
    uint32_t vcpu_count;
    /* the connection: */
    uint32_t version; /* 0: none */
    uint32_t target_vp;
    bool has_requested_offers, has_delivered_offers;
    uint64_t refused_count;
    struct device *devices;
    struct channel *chunks[CHANNEL_CHUNKS];
    uint32_t channel_limit; /* no channel has this id or a higher one */
    uint32_t next_work;     /* channels below need neither an offer nor a rescind */
    struct gpadl_table gpadls;
    struct server_message queue[SERVER_QUEUE_MAX];
    uint32_t head, count;
};

void server_init(struct server *s, const struct server_ops *ops, void *ctx, uint32_t vcpu_count);

/* Adds @d, which then belongs to the server's list for good; offered while it is enabled. */
void server_add(struct server *s, struct device *d);
/* Offers @d to the guest, or takes it back. */
void server_enable(struct server *s, struct device *d, bool is_enabled);
/* Another channel of @d, whose primary one is open. ERR_FULL: no id or memory; ERR_STATE. */
enum err server_add_subchannel(struct server *s, struct device *d, uint16_t index) MUST_CHECK;

/* Obeys the @n bytes of one message. May be called only when server_has_room(). */
void server_message(struct server *s, const void *message, uint32_t n);
bool server_has_room(const struct server *s);

/* The next message to the guest, offers and rescinds among them; NULL: none. It stays the next one
 * until server_sent(), which calls the device whose channel this message says is open. */
const struct server_message *server_next(struct server *s);
void server_sent(struct server *s);

/* NULL: there is no such channel. */
struct channel *server_channel(const struct server *s, uint32_t id);
/* The guest signalled channel @id. True: it has had its turn, and there is more: again, after other
 * work. */
bool server_signalled(struct server *s, uint32_t id) MUST_CHECK;
/* After a service has worked on its own: closes the channels of @d whose rings are broken. */
void server_check(struct server *s, struct device *d);

/* Closes all, as if the guest had gone. */
void server_reset(struct server *s);

/* ---- for saving and restoring (server_save.c) ---- */
struct channel *server_restore_channel(struct server *s, uint32_t id);
