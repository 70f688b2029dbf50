/* NVSP: what a guest's network driver and its host say to each other in VMBus packets. The guest sends
 * 40 bytes for each message and reads as many.
 * Source: Linux drivers/net/hyperv/hyperv_net.h; OpenVMM vm/devices/net/netvsp. */
#pragma once
#include "lib/types.h"

#define NVSP_VERSION_1   2u
#define NVSP_VERSION_2   0x30002u
#define NVSP_VERSION_4   0x40000u
#define NVSP_VERSION_5   0x50000u
#define NVSP_VERSION_6   0x60000u
#define NVSP_VERSION_6_1 0x60001u

#define NVSP_MESSAGE_BYTES 40u

enum nvsp_message_type {
    NVSP_INIT = 1,
    NVSP_INIT_COMPLETE,
    NVSP_SEND_NDIS_VERSION = 100,
    NVSP_SEND_RECEIVE_BUFFER,
    NVSP_RECEIVE_BUFFER_COMPLETE,
    NVSP_REVOKE_RECEIVE_BUFFER,
    NVSP_SEND_SEND_BUFFER,
    NVSP_SEND_BUFFER_COMPLETE,
    NVSP_REVOKE_SEND_BUFFER,
    NVSP_SEND_RNDIS_PACKET,
    NVSP_RNDIS_PACKET_COMPLETE,
    NVSP_SEND_NDIS_CONFIG = 125,
    NVSP_SEND_VF_ASSOCIATION = 128,
    NVSP_SWITCH_DATA_PATH,
    NVSP_SUBCHANNEL = 133,
    NVSP_SEND_INDIRECTION_TABLE,
};

enum nvsp_status { NVSP_STATUS_NONE, NVSP_STATUS_SUCCESS, NVSP_STATUS_FAIL };

#define NVSP_RECEIVE_BUFFER_ID   0xcafeu
#define NVSP_SEND_BUFFER_ID      0u
#define NVSP_CHANNEL_DATA        0u
#define NVSP_CHANNEL_CONTROL     1u
#define NVSP_NO_SECTION          0xffffffffu
#define NVSP_SUBCHANNEL_ALLOCATE 1u
#define NVSP_TABLE_ENTRIES       16u
#define NVSP_TABLE_OFFSET        40u /* what Linux takes for it when it cannot tell */

#define NVSP_MAX_MDL_CHAIN 34u

struct nvsp_message {
    uint32_t type; /* enum nvsp_message_type */
    union {
        struct {
            uint32_t min_version, max_version;
        } init;
        struct {
            uint32_t version, max_mdl_chain, status;
        } init_complete;
        struct {
            uint32_t major, minor;
        } ndis_version;
        struct {
            uint32_t gpadl;
            uint16_t id;
        } buffer; /* NVSP_SEND_RECEIVE_BUFFER, _SEND_BUFFER */
        struct {
            uint32_t status, section_count;
            uint32_t offset, section_bytes, sections, end_offset; /* of the only one */
        } receive_buffer_complete;
        struct {
            uint32_t status, section_bytes;
        } send_buffer_complete;
        struct {
            uint16_t id;
        } revoke;
        struct {
            uint32_t channel_type, section, section_bytes;
        } rndis;
        struct {
            uint32_t status;
        } rndis_complete;
        struct {
            uint32_t mtu, reserved;
            uint32_t capabilities[2]; /* unaligned as 64 bits: NVSP_CAN_* in the first */
        } ndis_config;
        struct {
            uint32_t operation_or_status, count;
        } subchannel;
        struct {
            uint32_t count, offset;
        } table;
        uint32_t words[9];
    };
};
static_assert(sizeof(struct nvsp_message) == NVSP_MESSAGE_BYTES, "NVSP message layout");

#define NVSP_CAN_VLAN 8u

/* ---- VMBus packets that carry it ---- */

#define RING_XFER_PAGES 7u

/* Behind struct ring_packet of type RING_XFER_PAGES: where in the receive buffer the messages are. */
struct xfer_pages {
    uint16_t page_set; /* NVSP_RECEIVE_BUFFER_ID */
    uint8_t sender_owns, reserved;
    uint32_t count; /* of struct xfer_range that follow */
};

struct xfer_range {
    uint32_t bytes, offset;
};

/* Behind struct ring_packet of type RING_DATA_GPA_DIRECT. */
struct gpa_direct {
    uint32_t reserved;
    uint32_t count; /* of struct gpa_range, each followed by its page numbers */
};

struct gpa_range {
    uint32_t bytes, offset; /* in the first page */
};
