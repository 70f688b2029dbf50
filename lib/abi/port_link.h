/* What a vmm and the switch say to each other about one NIC over a channel that the manager made.
 * Each message is one ring packet of type RING_DATA_INBAND whose payload starts with struct
 * port_message; behind it are @count elements. Both sides treat the other's bytes as foreign.
 *
 * The vmm lends two buffers of its guest as views: the send buffer (the switch may read it) and the
 * receive buffer (it may write it), and shares its arena, memory of its own with frames that lay
 * elsewhere in the guest. The receive buffer is cut into slots of equal size; a slot belongs to the
 * switch from PORT_RETURN until it names it in PORT_RECEIVED.
 *
 * Sends are done in their order, so their completion is a count. When buffers go, the vmm revokes the
 * views (which needs nobody's consent), then sends PORT_DISCONNECT; what carries an older generation
 * is ignored by both. When the switch dies, the manager hands over a new channel to a new one. */
#pragma once
#include "lib/abi/network.h"

#define PORT_LINK_DATA_BYTES KIB(64) /* each way */

enum port_message_type {
    /* vmm -> switch */
    PORT_CONNECT = 1, /* struct port_connect; before it the handles were sent: the view of the send
                         buffer, that of the receive buffer, the region of the arena */
    PORT_DISCONNECT,  /* views are revoked; the switch unmaps and closes them */
    PORT_FILTER,      /* struct port_filter */
    PORT_SEND,        /* struct port_send[] */
    PORT_RETURN,      /* struct port_slots[] */
    /* switch -> vmm */
    PORT_SENT = 0x100, /* struct port_sent */
    PORT_RECEIVED,     /* struct port_received[] */
};

struct port_message {
    uint16_t type; /* enum port_message_type */
    uint16_t count;
    uint32_t generation; /* of the connection; PORT_CONNECT begins a new one, never 0 */
};

struct port_connect {
    uint64_t send_bytes, receive_bytes,
        arena_bytes;       /* of the views and the region; multiples of 4 KiB */
    uint32_t slot_bytes;   /* of the receive buffer's slots; slot n begins at n * slot_bytes */
    uint32_t slot_count;   /* slot_bytes * slot_count <= receive_bytes */
    uint32_t frame_offset; /* where in a slot the frame goes; before it the vmm writes */
    uint32_t mtu;
};

#define PORT_TAKES_DIRECTED  1u /* the port's own address */
#define PORT_TAKES_MULTICAST 2u /* all */
#define PORT_TAKES_BROADCAST 4u
#define PORT_TAKES_PROMISCUOUS \
    8u /* whatever the switch has for it, with floods of unknown unicast */
#define PORT_TAKES_LSO_IPV4 0x10u /* frames that would have to be cut, whole, in several slots */
#define PORT_TAKES_LSO_IPV6 0x20u

struct port_filter {
    uint32_t takes; /* PORT_TAKES_* */
    uint32_t reserved;
};

#define PORT_SEND_FROM_ARENA 1u /* offset is into the arena, else into the send buffer */
#define PORT_SEND_TCP        2u /* finish the TCP checksum; the field holds the pseudo header's sum */
#define PORT_SEND_UDP        4u
#define PORT_SEND_IPV4       8u /* with _TCP, _UDP, _LSO: which IP it is */
#define PORT_SEND_IPV6       0x10u
#define PORT_SEND_IP_HEADER  0x20u /* finish the IPv4 header's checksum */
#define PORT_SEND_LSO        0x40u /* cut it: TCP, @mss bytes of payload each */
#define PORT_SEND_HAS_TAG    0x80u /* @tci was given beside the frame */

struct port_send {
    uint32_t offset;
    uint32_t bytes; /* of the frame from its Ethernet header on */
    uint16_t flags; /* PORT_SEND_* */
    uint16_t mss;
    uint16_t l4_offset; /* of the TCP header, from the frame's begin; 0: not said */
    uint16_t tci;
    uint16_t queue; /* the guest's channel that it came from */
    uint16_t reserved[3];
};
static_assert(sizeof(struct port_send) == 24, "port_send is ABI");

struct port_slots {
    uint32_t first, count;
};

struct port_sent {
    uint32_t count; /* so many more sends are done, delivered or dropped */
    uint32_t reserved;
};

/* One slot. A frame is in one, or, cut nowhere, in several with PORT_RECEIVED_MORE but for the last. */
#define PORT_RECEIVED_MORE 1u
#define PORT_RECEIVED_TCP_OK \
    2u /* the checksum is right, or is as good as that: it never left here */
#define PORT_RECEIVED_UDP_OK  4u
#define PORT_RECEIVED_IP_OK   8u
#define PORT_RECEIVED_HAS_TAG 0x10u
#define PORT_RECEIVED_LSO     0x20u /* handed up whole: longer than the MTU */

struct port_received {
    uint32_t slot;
    uint32_t bytes; /* of the frame in it, from frame_offset on */
    uint16_t flags; /* PORT_RECEIVED_* */
    uint16_t tci;
    uint32_t reserved;
};
static_assert(sizeof(struct port_received) == 16, "port_received is ABI");
