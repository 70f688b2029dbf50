/* One RNDIS data message of a guest, as far as its head says where the frame is and what is to be done
 * with it. Pure: bytes in, verdict out.
 * Source: Linux drivers/net/hyperv/netvsc_drv.c (netvsc_xmit); NDIS's per-packet information. */
#pragma once
#include "lib/abi/port_link.h"
#include "lib/abi/rndis.h"
#include "lib/err.h"

/* What of a message is copied and looked at: its head, and per-packet information behind that. */
#define RNDIS_SEND_HEAD_MAX 256u

struct rndis_send {
    uint32_t message_bytes;
    uint32_t data_offset, data_bytes; /* of the frame, from the message's begin */
    uint16_t flags;                   /* PORT_SEND_*, without _FROM_ARENA */
    uint16_t mss, l4_offset, tci;
};

/* @head: a private copy of the first min(@room, RNDIS_SEND_HEAD_MAX) bytes; @room: bytes from the
 * message's begin to the end of what was sent. ERR_GUEST: it is no such message; *@out then has at
 * most message_bytes (0: not even that is known), so that the next message can be found. */
enum err rndis_send_parse(const uint8_t *head, uint32_t room, struct rndis_send *out) MUST_CHECK;
