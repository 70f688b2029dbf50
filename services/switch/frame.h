/* A frame on its way: its headers in private memory, the rest where its sender has it. */
#pragma once
#include "lib/abi/port_link.h"
#include "services/switch/vlan.h"

#define FRAME_HEAD_MAX  128u /* headers beyond that are not looked at */
#define FRAME_BYTES_MIN 60u  /* without the check sequence; what is shorter is padded */

/* Where the layers begin, in bytes from the frame's begin. */
struct frame_layers {
    uint16_t l3, l4, payload;
    uint16_t is_ipv6;
    uint32_t end; /* of the IP packet; what is behind it is padding */
};

struct frame {
    ALIGNED(8) uint8_t head[FRAME_HEAD_MAX];
    uint32_t bytes, head_bytes; /* of all, and of head; no tag is in it */
    const uint8_t *rest;        /* what is not in head: lent memory, that can change */
    struct vlan_tags tags;      /* that it came with */
    uint16_t vlan;              /* inside the switch */
    uint16_t flags, mss;        /* PORT_SEND_* */
    uint16_t l4_offset;         /* what the sender says of it; 0: nothing */
    uint16_t queue;
    uint16_t received_flags;    /* PORT_RECEIVED_* that its copies get */
    struct frame_layers layers; /* of those that ask for an offload */
};

/* Takes up the frame of @bytes at @at: copies its head, once, and takes a tag out of it. The caller
 * has set flags, l4_offset, and tags to the one beside it. False: too short for its headers. */
bool frame_take(struct frame *f, const uint8_t *at, uint32_t bytes) MUST_CHECK;

static inline bool frame_is_group(const struct frame *f)
{
    return f->head[0] & 1;
}

/* The destination, or source, as a number whose upper 16 bits are 0. */
static inline uint64_t frame_mac(const uint8_t *at)
{
    uint32_t low;
    uint16_t high;

    __builtin_memcpy(&low, at, sizeof(low));
    __builtin_memcpy(&high, at + 4, sizeof(high));
    return low | (uint64_t)high << 32;
}

#define FRAME_BROADCAST 0xffffffffffffull

#define FRAME_PROTOCOL_TCP 6u
#define FRAME_PROTOCOL_UDP 17u

/* Finds the layers of an IPv4 or IPv6 packet (@f->flags says which) that carries @protocol (0: any, and
 * nothing behind the IP header is looked at). False: it is not that, is a fragment, is cut short, or
 * its headers do not lie in the head. The lengths in the IP header are not looked at with
 * PORT_SEND_LSO, where they are still to be set. */
bool frame_find_layers(const struct frame *f, uint32_t protocol, struct frame_layers *out)
    MUST_CHECK;

/* From now on only the first @bytes of the head are private; @bytes is at most head_bytes. */
void frame_shorten_head(struct frame *f, uint32_t bytes);
