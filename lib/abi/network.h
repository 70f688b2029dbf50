/* What the manager, the switch and the vmms all call the parts of the virtual network.
 *
 * A port joins one NIC of one VM to one switch. Untagged frames have VLAN id 0 inside the switch. */
#pragma once
#include "lib/abi/syscall.h"

#define SWITCHES_MAX    8u
#define PORTS_MAX       256u
#define PORT_NAME_BYTES 48u /* "web/nic0" */
#define VLAN_ID_MAX     4094u
#define VLAN_IDS        4096u

#define ETHERNET_HEADER_BYTES 14u
#define VLAN_TAG_BYTES        4u
#define MTU_MIN               68u
#define MTU_USUAL             1500u
#define MTU_MAX               9000u
#define LSO_BYTES_MAX         (62u * 1024u) /* a frame that is still to be cut */

/* Tag control information, as in a tag: priority << 13 | CFI << 12 | VLAN id. */
#define TCI_VLAN_ID 0x0fffu

struct mac_address {
    uint8_t bytes[6];
};

enum vlan_mode {
    VLAN_UNTAGGED, /* untagged frames only */
    VLAN_ACCESS,   /* untagged outside, VLAN @id inside */
    VLAN_TRUNK, /* tagged with an id in @allowed; untagged frames are of VLAN @id, if that is not 0 */
    VLAN_MODE_END,
};

struct vlan_policy {
    uint16_t mode; /* enum vlan_mode */
    uint16_t id;   /* of access: 1 to VLAN_ID_MAX; of a trunk: the native one, or 0 */
    uint8_t allowed[VLAN_IDS / 8]; /* of a trunk: bit n % 8 of byte n / 8 stands for VLAN n */
};

#define PORT_IS_ISOLATED 1u /* reaches only ports that are not isolated */
#define PORT_MAY_SPOOF   2u /* may send from, and so learn, other addresses than its own */
#define PORT_IS_UP       4u /* its link */

/* Which way a frame from a guest went; every frame counts under one of them, or as dropped. */
enum frame_path { PATH_SWITCH, PATH_VMQ, PATH_VF, PATH_COUNT };

enum drop_reason {
    DROP_RUNT,        /* shorter than an Ethernet header, or its length is not what it says */
    DROP_TOO_LONG,    /* longer than the MTU of the sender */
    DROP_SPOOFED,     /* its source is not the port's address, or is a group */
    DROP_VLAN,        /* its tag is not of the port's VLAN, or there are two */
    DROP_OFFLOAD,     /* what it asks for (checksum, segmentation) does not fit its headers */
    DROP_FLOOD_LIMIT, /* the sender's budget of copies is used up */
    DROP_ISOLATED,    /* sender and receiver are isolated */
    DROP_NO_RECEIVER, /* nobody has the address, or there is no other port */
    DROP_LINK_DOWN,   /* the sender's or the receiver's link is down, or its guest not ready */
    DROP_FILTERED,    /* the receiver's guest did not ask for such frames */
    DROP_NO_BUFFER,   /* the receiver's guest has taken none of its buffers back */
    DROP_RING_FULL,   /* the receiver's vmm is behind */
    DROP_TOO_LARGE,   /* longer than the receiver's buffers */
    DROP_REASON_COUNT,
};
