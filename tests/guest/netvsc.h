/* A network driver for payloads, over vmbuslib: one NIC, polled. What it sends it lays into sections of
 * its send buffer, where a payload may spoil it before nic_push(). */
#pragma once
#include "lib/abi/network.h"
#include "lib/abi/nvsp.h"
#include "lib/abi/rndis.h"
#include "tests/guest/vmbus.h"

#define NIC_CLASS         0xf8615163u
#define NIC_RING_PAGES    16u
#define NIC_RECEIVE_PAGES 64u
#define NIC_SEND_PAGES    16u
#define NIC_SECTIONS      10u
#define NIC_SECTION_BYTES 6144u
#define NIC_RECEIVE_GPADL 2u
#define NIC_SEND_GPADL    3u
#define NIC_FRAME_AT      112u /* in a section: four per-packet informations fit before it */
#define NIC_RANGES        256u

#define PACKET_INBAND     6u
#define PACKET_GPA_DIRECT 9u
#define PACKET_COMPLETION 11u
#define PACKET_WANTS      1u /* flag: a completion is wanted */

/* A packet that came. */
struct nic_packet {
    uint32_t type;
    uint64_t transaction;
    uint32_t range_count;
    struct xfer_range ranges[NIC_RANGES];
    struct nvsp_message nvsp;
};

struct nic {
    struct vmbus_channel channel;
    uint8_t *receive, *send;
    uint32_t slot_bytes, slot_count;
    uint8_t mac[6];
    bool keeps; /* what comes is not given back; kept says which packet came last */
    uint64_t kept;
    void (*frame)(struct nic *n, uint8_t *frame, uint32_t bytes); /* NULL: only counted */
    uint64_t frames, pushed, completed;
    uint64_t transaction;     /* of the last request */
    uint64_t done;            /* of the last completion, and what that said */
    struct nvsp_message said; /* by the completion */
    uint32_t answers, answer_bytes;
    uint32_t answer[64]; /* the last RNDIS message that is no frame */
};

/* The parts of nic_up(), after which frames come that @filter (FILTER_*) says. */
bool nic_connect(void); /* the VMBus connection, anew, and its offers: there is a NIC */
bool nic_open(struct nic *n);
bool nic_lend(struct nic *n); /* NVSP 6.1 and both buffers */
bool nic_start(struct nic *n, uint32_t filter);
bool nic_up(struct nic *n, uint32_t filter);

/* Puts an NVSP message; its answer comes as n->said. False: no room. */
bool nic_put(struct nic *n, const struct nvsp_message *m, uint64_t transaction);
/* And waits for the completion. */
bool nic_ask(struct nic *n, const struct nvsp_message *m);
/* A packet whose head is these words, behind the first 16 bytes, and whose payload is @m. */
bool nic_put_pages(struct nic *n, uint16_t type, const uint64_t *head, uint32_t words,
                   const struct nvsp_message *m);
/* Sends an RNDIS control message of @bytes and waits for its completion, and for an answer if that is
 * wanted: the message's status, 0xffffffff when nothing comes. */
uint32_t nic_control(struct nic *n, const void *message, uint32_t bytes, bool has_answer);
/* QUERY or SET of an OID. */
uint32_t nic_oid(struct nic *n, uint32_t type, uint32_t oid, const void *data, uint32_t bytes);

/* The RNDIS message in section @s, for a frame of @bytes, which is returned to be filled in. */
uint8_t *nic_frame(struct nic *n, uint32_t s, uint32_t bytes);
struct rndis_head *nic_head(struct nic *n, uint32_t s);
struct rndis_packet *nic_message(struct nic *n, uint32_t s);
void nic_add_info(struct nic *n, uint32_t s, uint32_t type, uint32_t value);
/* The addresses and the type at the begin of a frame; NULL as source: the NIC's own. */
void nic_address(const struct nic *n, uint8_t *frame, const uint8_t *to, const uint8_t *from,
                 uint16_t ethertype);
/* Sends section @s, as long as its message says; waits for room in the ring. */
bool nic_push(struct nic *n, uint32_t s);
bool nic_push_part(struct nic *n, uint32_t s, uint32_t bytes); /* so many of it */
/* Waits until all that was pushed is completed. */
bool nic_drain(struct nic *n);
/* A section that is free, after waiting for one; NIC_SECTIONS: none becomes free. */
uint32_t nic_section(struct nic *n);

/* Takes what is there; false: nothing. */
bool nic_serve(struct nic *n);
bool nic_take(struct nic *n, struct nic_packet *p);
/* A completion of the host's packet. */
bool nic_return(struct nic *n, uint64_t transaction);
/* The host has closed the NIC: its rescind comes, the id is released. */
bool nic_is_closed(struct nic *n);
