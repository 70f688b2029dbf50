/* Both neighbours of a netvsp for host tests: a guest's driver at the channels, a switch at the link.
 * Each signals the other side when the ring says so, and never else, so that a lost wake-up shows. */
#pragma once
#include "services/vmm/vsp/netvsp.h"

#define FAKE_RING_BYTES    (8 * 4096u)
#define FAKE_RECEIVE_BYTES (128 * 4096u)
#define FAKE_SEND_BYTES    (16 * 4096u)
#define FAKE_GUEST_PAGES   72u
#define FAKE_SENDS_MAX     2048u
#define FAKE_SLOTS_MAX     1024u

/* GPADLs that the fake machine knows; others are none. */
#define FAKE_GPADL_RECEIVE 10u
#define FAKE_GPADL_SEND    11u
#define FAKE_GPADL_TINY    12u /* one page */

struct fake_packet {
    struct ring_packet h;
    uint8_t bytes[8192]; /* behind the header */
    uint32_t n;
    struct nvsp_message m; /* what of it is NVSP */
};

struct fake_rings {
    uint8_t from_guest[4096 + FAKE_RING_BYTES], to_guest[4096 + FAKE_RING_BYTES];
} ALIGNED(4096);

struct fake_nic {
    struct netvsp n;
    struct vmm_nic config;
    /* the machine: */
    uint8_t receive[FAKE_RECEIVE_BYTES] ALIGNED(4096);
    uint8_t send[FAKE_SEND_BYTES] ALIGNED(4096);
    uint8_t memory[FAKE_GUEST_PAGES][4096] ALIGNED(4096);
    uint8_t arena[NETVSP_ARENA_BYTES];
    bool is_lent[NETVSP_BUFFERS], refuses_memory, refuses_views;
    uint32_t allocations, changes, hand_overs;
    uint32_t channels_offered, channels_refused; /* so many are not offered */
    /* the guest: */
    struct fake_rings rings[NIC_CHANNELS_MAX];
    struct channel channels[NIC_CHANNELS_MAX];
    struct ring out[NIC_CHANNELS_MAX], in[NIC_CHANNELS_MAX];
    uint32_t signals[NIC_CHANNELS_MAX]; /* that it got */
    uint64_t transaction;               /* of its last packet */
    /* the switch: */
    uint8_t link[2 * (4096 + PORT_LINK_DATA_BYTES)] ALIGNED(4096);
    struct ring link_in, link_out;
    uint32_t epoch, switch_signals;
    struct port_connect connect;
    uint32_t connects, disconnects, generation, takes;
    struct port_send sends[FAKE_SENDS_MAX];
    uint32_t send_count, sent_count; /* that came, that were said to be done */
    bool has_slot[FAKE_SLOTS_MAX];
    uint32_t slots;
    bool must_serve; /* netvsp_serve() was asked for */
    bool is_wrong;   /* netvsp said what it must not */
};

/* A NIC that is offered, up to @queue_max channels. */
void fake_nic_init(struct fake_nic *f, uint32_t queue_max);
/* Closes all; what is left over aborts. */
void fake_nic_end(struct fake_nic *f);
/* Each slot is in one place, and counts agree; aborts otherwise. */
void fake_nic_check(const struct fake_nic *f);

/* A NIC of a machine into which @from's guest was copied; @open: its channels as netvsp_restore() takes
 * them, which are not opened. */
void fake_nic_copy(struct fake_nic *f, const struct fake_nic *from,
                   struct channel *open[NIC_CHANNELS_MAX]);

/* ---- the guest ---- */
void fake_nic_open(struct fake_nic *f, unsigned channel);
void fake_nic_close(struct fake_nic *f, unsigned channel);
/* One packet of @parts as it is, with the next transaction. False: the ring is full. */
bool fake_nic_put(struct fake_nic *f, unsigned channel, uint16_t type, uint16_t flags,
                  uint64_t transaction, const struct ring_part *parts, unsigned count,
                  uint16_t offset8);
void fake_nic_signal(struct fake_nic *f, unsigned channel);
/* The next packet to the guest; gives its room back. False: none. */
bool fake_nic_take(struct fake_nic *f, unsigned channel, struct fake_packet *out);
/* Sends NVSP message @m, and waits for its completion. False: there was none. */
bool fake_nic_ask(struct fake_nic *f, const struct nvsp_message *m, struct nvsp_message *answer);
void fake_nic_tell(struct fake_nic *f, const struct nvsp_message *m); /* without an answer */
/* The sequence of a Linux guest up to READY, and its RNDIS INITIALIZE. False: something failed. */
bool fake_nic_negotiate(struct fake_nic *f, uint32_t version, uint32_t mtu);
/* All of it, linked: a NIC with which frames can go. */
void fake_nic_ready(struct fake_nic *f, uint32_t queue_max, uint32_t mtu);
/* An RNDIS control message; the answer goes to @answer of RNDIS_ANSWER_BYTES_MAX, its length is
 * returned; 0: none. */
uint32_t fake_nic_rndis(struct fake_nic *f, uint32_t type, const void *body, uint32_t n,
                        uint8_t *answer);
uint32_t fake_nic_set(struct fake_nic *f, uint32_t oid, const void *data, uint32_t n); /* status */
/* A data packet: @bytes of section @section (NVSP_NO_SECTION: none), then the @pages bytes at
 * page @page; 0: none. */
bool fake_nic_send(struct fake_nic *f, unsigned channel, uint32_t section, uint32_t bytes,
                   uint32_t page, uint32_t offset, uint32_t pages);
/* Writes an RNDIS message with a frame of @bytes, each @fill, at @at; returns its length. */
uint32_t fake_nic_frame(void *at, uint32_t bytes, uint8_t fill);
/* Completes the receive packet @transaction. */
bool fake_nic_return(struct fake_nic *f, unsigned channel, uint64_t transaction);

/* ---- the switch ---- */
void fake_nic_serve(struct fake_nic *f); /* the signal of one that wrote by other means */
void fake_nic_link(struct fake_nic *f);
/* Reads what netvsp said. */
void fake_nic_read_link(struct fake_nic *f);
/* Says that @count more sends are done. */
void fake_nic_sent(struct fake_nic *f, uint32_t count);
/* Hands over one frame of @bytes in slots it has, cut at @part bytes; false: no slot, or no room.
 * @flags: PORT_RECEIVED_*. */
bool fake_nic_receive(struct fake_nic *f, const void *frame, uint32_t bytes, uint32_t part,
                      uint16_t flags);
bool fake_nic_say(struct fake_nic *f, uint16_t type, uint32_t generation, const void *payload,
                  uint32_t bytes, uint16_t count);
