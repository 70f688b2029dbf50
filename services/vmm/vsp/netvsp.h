/* One synthetic NIC: NVSP on the guest's channels at one side, the link to the switch (lib/abi/
 * port_link.h) at the other. Pure: rings, buffers and arena are memory; what it asks of the machine is in
 * struct netvsp_ops.
 *
 * Slots of the receive buffer: the first NETVSP_CONTROL_SLOTS are for our own messages; each other one
 * is here, at the switch, or at the guest, and netvsp_slots.where says which. Sends are in flight in the
 * order in which they were taken from the guest, and end in that order.
 *
 * Source: Linux drivers/net/hyperv/netvsc.c; OpenVMM vm/devices/net/netvsp. */
#pragma once
#include "lib/abi/nvsp.h"
#include "lib/abi/port_link.h"
#include "lib/abi/record.h"
#include "lib/abi/vm_control.h"
#include "services/vmm/vmbus/channel.h"
#include "services/vmm/vsp/flow.h"
#include "services/vmm/vsp/rndis.h"

#define NETVSP_SECTION_BYTES  6144u
#define NETVSP_CONTROL_SLOTS  16u
#define NETVSP_FRAME_OFFSET   112u /* RNDIS heads and four per-packet informations before it */
#define NETVSP_SLOT_BYTES_MIN 512u
#define NETVSP_SLOTS_MAX      16384u /* what of a larger buffer is behind them is not used */
#define NETVSP_MESSAGES_MAX   8u     /* in one packet */
#define NETVSP_FLIGHT_MAX     512u
#define NETVSP_SENDS_MAX      64u  /* in one message to the switch */
#define NETVSP_BATCH_MAX      256u /* slots of one packet to the guest, or of one frame */
#define NETVSP_RETURNS_MAX    64u
#define NETVSP_ARENA_BYTES    MIB(1)
#define NETVSP_PAGES_MAX      64u /* of one packet */

enum netvsp_buffer { NETVSP_RECEIVE, NETVSP_SEND, NETVSP_BUFFERS };

struct netvsp;

struct netvsp_ops {
    /* Maps the guest's pages of @gpadl at *@at, and makes the view that is lent. ERR_ARGUMENT: there is
     * no such GPADL; ERR_MEMORY. */
    enum err (*lend)(void *ctx, enum netvsp_buffer which, uint32_t gpadl, uint8_t **at,
                     uint64_t *bytes);
    /* Takes the view back, whoever uses it. */
    void (*revoke)(void *ctx, enum netvsp_buffer which);
    /* Hands the switch the two views and the arena, for a PORT_CONNECT. */
    enum err (*hand_over)(void *ctx);
    void *(*allocate)(void *ctx, uint64_t bytes); /* zeroed, or NULL */
    void (*release)(void *ctx, void *p);
    enum err (*read)(void *ctx, gpa_t gpa, void *to, uint64_t bytes); /* of guest memory */
    /* Offers so many sub-channels; returns how many there are. */
    uint32_t (*add_channels)(void *ctx, uint32_t count);
    void (*signal_switch)(void *ctx);
    void (*serve_later)(void *ctx); /* netvsp_serve() after other work */
    void (*changed)(void *ctx);     /* struct vmm_nic_state */
};

enum slot_place { SLOT_HERE, SLOT_AT_SWITCH, SLOT_IN_BATCH, SLOT_AT_GUEST, SLOT_AT_GUEST_FIRST };

struct netvsp_slots {
    uint32_t count, bytes; /* 0: no buffer */
    uint8_t *place;        /* enum slot_place of each */
    uint32_t *next;        /* of one at the guest: the next of the same packet, or itself */
    bool has_some_here;    /* that the switch was not given */
};

struct netvsp_flight {
    uint64_t transaction;
    struct channel *channel; /* NULL: closed meanwhile */
    uint32_t arena_bytes;    /* to give back, with what was left free before it */
    uint16_t messages;       /* that are not done yet */
    uint16_t wants_completion;
};

struct netvsp {
    const struct netvsp_ops *ops;
    void *ctx;
    struct vmm_nic config;
    struct channel *channels[NIC_CHANNELS_MAX]; /* open ones, by sub-channel */
    uint32_t channel_limit;                     /* offered, the primary one among them */
    enum nic_state state;
    struct rndis rndis;
    struct flow_key flow;
    uint8_t *buffers[NETVSP_BUFFERS]; /* mapped; NULL: none */
    uint64_t buffer_bytes[NETVSP_BUFFERS];
    uint32_t gpadls[NETVSP_BUFFERS];
    struct netvsp_slots slots;
    uint8_t must_tell; /* NETVSP_TELL_*: to the guest, as soon as there is room */
    bool is_stuck;     /* packets wait for the switch or for room */
    bool is_polled;    /* the guest is asked not to signal: see netvsp_poll() */
    uint64_t dropped_sends, strange_count;
    /* the link: */
    struct ring in, out;
    bool has_link;
    bool is_connected;   /* buffers are lent over it */
    uint32_t generation; /* of the connection */
    uint32_t epoch;      /* of the link */
    uint8_t *arena;
    uint32_t arena_head, arena_used;
    /* from the guest: */
    struct netvsp_flight flight[NETVSP_FLIGHT_MAX];
    uint32_t flight_first, flight_count;
    struct {
        struct port_message head;
        struct port_send sends[NETVSP_SENDS_MAX];
    } send_message;
    uint32_t send_count;
    /* to the guest: */
    bool waits_for_guest; /* its ring has no room: the link is read on when it has */
    uint32_t link_at;     /* elements of the link's next message that were taken */
    struct port_received batch[NETVSP_BATCH_MAX];
    uint32_t batch_count;
    bool batch_is_whole; /* it ends with a frame's end */
    struct channel *batch_channel;
    struct {
        struct port_message head;
        struct port_slots slots[NETVSP_RETURNS_MAX];
    } return_message;
    uint32_t return_count, returned_slots; /* elements, and the slots in them */
};

#define NETVSP_TELL_LINK   1u
#define NETVSP_TELL_SPEED  2u
#define NETVSP_TELL_TABLE  4u
#define NETVSP_TELL_FILTER 8u /* the switch */

void netvsp_init(struct netvsp *n, const struct netvsp_ops *ops, void *ctx,
                 const struct vmm_nic *config, uint32_t queue_max);
/* The manager changes the NIC: its link, its speed, what is allowed, its address. */
void netvsp_set(struct netvsp *n, const struct vmm_nic *config);

/* The guest's channels (of struct device_ops). */
void netvsp_opened(struct netvsp *n, struct channel *c);
void netvsp_closed(struct netvsp *n, struct channel *c);
void netvsp_signalled(struct netvsp *n, struct channel *c);
/* The guest takes @gpadl back: if it is a buffer, it is not lent any more. */
void netvsp_gpadl_gone(struct netvsp *n, uint32_t gpadl);

/* A channel to a switch whose rings lie at @at, as SYS_CHANNEL_MAP has them. What was in flight over an
 * older one is dropped. ERR_GUEST: an index in it is wrong; then there is no link. */
enum err netvsp_link(struct netvsp *n, void *at, uint8_t *arena, uint32_t epoch) MUST_CHECK;
void netvsp_unlink(struct netvsp *n);
/* The switch has signalled: takes what came, and goes on with what waited. */
void netvsp_serve(struct netvsp *n);

/* After a signal of the guest, or frames for it, more is likely to come soon: the guest is asked not to
 * signal (is_polled), and these are called until nothing comes any more. netvsp_poll() takes what is
 * there: true, there was something. netvsp_rest() lets the guest signal again: true, there is more. */
bool netvsp_poll(struct netvsp *n);
bool netvsp_rest(struct netvsp *n) MUST_CHECK;

void netvsp_state(const struct netvsp *n, struct vmm_nic_state *out);

/* ---- records: netvsp_save.c ---- */
#define NETVSP_RECORD_BYTES_MAX                                           \
    (sizeof(struct record_netvsp) + NETVSP_SLOTS_MAX * sizeof(uint16_t) + \
     NETVSP_FLIGHT_MAX * sizeof(struct record_netvsp_flight))
/* Writes struct record_netvsp and what follows it to @to, of NETVSP_RECORD_BYTES_MAX bytes; returns how
 * many there are. */
uint32_t netvsp_save(const struct netvsp *n, void *to);
/* Takes the @bytes of one into a NIC that is as after netvsp_init(); @open: its channels that are open
 * and announced, by sub-channel. The buffers are lent again; a link comes later. ERR_FORMAT: it cannot
 * be, and nothing has changed; ERR_MEMORY. */
enum err netvsp_restore(struct netvsp *n, const void *payload, uint32_t bytes,
                        struct channel *const open[NIC_CHANNELS_MAX]) MUST_CHECK;

/* ---- between the files of netvsp ---- */
bool netvsp_knows_version(uint32_t version); /* netvsp.c */
/* Lends buffer @which; makes the slots. ERR_STATE: it is lent, or it is too early; ERR_ARGUMENT; ERR_MEMORY. */
enum err netvsp_lend(struct netvsp *n, enum netvsp_buffer which, uint32_t gpadl) MUST_CHECK;
enum err netvsp_take_data(struct netvsp *n, struct channel *c, const struct ring_packet *h,
                          const struct nvsp_message *m) MUST_CHECK; /* netvsp_send.c */
void netvsp_flush_sends(struct netvsp *n);
void netvsp_sent(struct netvsp *n, uint32_t count);
void netvsp_complete(struct netvsp *n); /* what is done, as far as the guest has room */
void netvsp_drop_flight(struct netvsp *n);
void netvsp_forget_channel(struct netvsp *n, const struct channel *c);

bool netvsp_receive(struct netvsp *n); /* netvsp_receive.c; false: the guest has no room */
void netvsp_drop_batch(struct netvsp *n);
bool netvsp_returned(struct netvsp *n, uint64_t transaction); /* false: there is no such packet */
void netvsp_give_slots(struct netvsp *n);
void netvsp_flush_returns(struct netvsp *n);
/* Our own message of @bytes, on the primary channel. ERR_FULL: no slot, or no room. */
enum err netvsp_tell(struct netvsp *n, const void *message, uint32_t bytes) MUST_CHECK;

/* Bytes of the packet's pieces, copied and checked: first those of the section, then the pages'. */
struct netvsp_stream {
    const uint8_t *section; /* NULL: none */
    uint32_t section_offset, section_bytes;
    uint32_t total, piece_count;
    struct netvsp_piece {
        gpa_t gpa;
        uint32_t bytes;
    } pieces[NETVSP_PAGES_MAX];
};
enum err netvsp_open_stream(struct netvsp *n, struct channel *c, const struct ring_packet *h,
                            const struct nvsp_message *m, struct netvsp_stream *s) MUST_CHECK;
/* ERR_GUEST: it is no memory of the guest's. */
enum err netvsp_read_stream(struct netvsp *n, const struct netvsp_stream *s, uint32_t from,
                            void *to, uint32_t bytes) MUST_CHECK;

/* To the switch: @count elements, @bytes long, behind @head, which is filled in. (netvsp.c) */
enum err netvsp_send_message(struct netvsp *n, uint16_t type, uint32_t count,
                             struct port_message *head, uint32_t bytes) MUST_CHECK;
