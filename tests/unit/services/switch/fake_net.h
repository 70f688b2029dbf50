/* The switch's core with fake vmms at its ports: real rings and buffers in memory, and fakes of the
 * few system calls that the core makes. */
#pragma once
#include "services/switch/control.h"
#include "services/switch/core.h"

#define NIC_SEND_BYTES    KIB(256)
#define NIC_ARENA_BYTES   KIB(64)
#define NIC_SLOT_BYTES    2048u
#define NIC_SLOTS         256u
#define NIC_RECEIVE_BYTES (NIC_SLOT_BYTES * NIC_SLOTS)
#define NIC_FRAME_OFFSET  128u
#define NIC_FRAMES_MAX    512u
#define NIC_TAKES_ALL     (PORT_TAKES_DIRECTED | PORT_TAKES_MULTICAST | PORT_TAKES_BROADCAST)

/* What a vmm got: one frame, put together from its slots. */
struct got {
    uint32_t bytes, pieces;
    uint16_t flags, tci;
    uint8_t data[KIB(64)];
};

struct nic {
    uint16_t port;
    handle_t channel;
    struct ring out, in;
    uint32_t generation, next_at, sent, got_count;
    uint8_t *send, *receive, *arena;
    handle_t handles[3]; /* of the buffers, to send */
    bool keeps_slots;
    struct got *got; /* NIC_FRAMES_MAX */
};

extern struct core net;
extern struct switch_board net_board;
extern uint64_t net_now;
extern unsigned net_objects_open; /* handles and mappings of the core's */

/* An object of so many bytes, for handles that a test sends itself. */
handle_t net_object(uint64_t bytes, uint8_t **memory);
void net_send_handle(handle_t channel, handle_t h);
/* A core with switch 0, and no port. */
void net_reset(void);
struct port_config net_config(uint16_t port); /* untagged, up, MAC 02:00:00:00:00:port */
/* Makes the port and connects a NIC whose guest takes what is usual. */
void net_join(struct nic *n, const struct port_config *config);
/* Rounds until nobody has work; the clock stands. */
void net_round(void);
/* The same, and again when what was held back is due. */
void net_settle(void);
/* sum(in) + replicas + segments - lso_sends - sum(out) - drops: 0. */
int64_t net_imbalance(void);

void nic_say(struct nic *n, uint16_t type, uint16_t count, const void *elements, uint32_t bytes);
void nic_connect(struct nic *n, const struct port_connect *m);
struct port_connect nic_usual(void);
void nic_filter(struct nic *n, uint32_t takes);
/* Puts @bytes into the send buffer and sends them with what else @s says. */
void nic_send(struct nic *n, const void *frame, uint32_t bytes, struct port_send s);
/* Takes what has come into got, and gives the slots back. */
void nic_poll(struct nic *n);

/* 60 bytes and more: from port @from to port @to (255: broadcast) of type 0x88b5. */
uint32_t frame_make(uint8_t *frame, uint8_t from, uint8_t to, uint32_t bytes);
/* A TCP or UDP packet in it, with correct lengths and the pseudo header's sum in the checksum's field. */
struct packet_shape {
    uint32_t payload_bytes;
    uint8_t from, to;
    uint16_t flags; /* PORT_SEND_* that are asked for: TCP or UDP, IPV4 or IPV6, LSO */
    uint8_t tcp_flags;
};
uint32_t packet_make(uint8_t *frame, const struct packet_shape *shape);
/* Checks the lengths and all checksums of a frame with TCP or UDP; NULL: all right. */
const char *packet_wrong(const uint8_t *frame, uint32_t bytes);
/* One's complement sum, the slow and plain way. */
uint16_t plain_sum(const uint8_t *data, size_t bytes, uint32_t begin);
