/* VMBus: the messages between a guest and its host by which channels are offered, opened and closed.
 * Everything is little endian and packed. Source: Linux include/linux/hyperv.h and
 * drivers/hv/{connection,channel,channel_mgmt}.c; OpenVMM vmbus_core/src/protocol.rs. */
#pragma once
#include "lib/abi/guid.h"
#include "lib/abi/synic.h"

#define VMBUS_CONNECTION_OLD 1u /* where a guest posts to: up to version 4.1, */
#define VMBUS_CONNECTION     4u /* and from 5.0 on */
#define VMBUS_SINT           2u
#define VMBUS_MESSAGE_TYPE   1u /* of the SynIC's messages, both ways */

#define VMBUS_VERSION(major, minor) ((uint32_t)(major) << 16 | (minor))
#define VMBUS_VERSION_5_3           VMBUS_VERSION(5, 3)

/* Channel ids are bits of the event page; bit 0 is none. */
#define VMBUS_CHANNELS_MAX 2047u

enum vmbus_message {
    VMBUS_OFFER = 1,
    VMBUS_RESCIND,
    VMBUS_REQUEST_OFFERS,
    VMBUS_ALL_OFFERS_DELIVERED,
    VMBUS_OPEN,
    VMBUS_OPEN_RESULT,
    VMBUS_CLOSE,
    VMBUS_GPADL_HEADER,
    VMBUS_GPADL_BODY,
    VMBUS_GPADL_CREATED,
    VMBUS_GPADL_TEARDOWN,
    VMBUS_GPADL_TORNDOWN,
    VMBUS_RELID_RELEASED,
    VMBUS_INITIATE_CONTACT,
    VMBUS_VERSION_RESPONSE,
    VMBUS_UNLOAD,
    VMBUS_UNLOAD_RESPONSE,
    VMBUS_TL_CONNECT_REQUEST = 21,
    VMBUS_MODIFY_CHANNEL,
    VMBUS_TL_CONNECT_RESULT,
    VMBUS_MODIFY_CHANNEL_RESPONSE,
};

/* Statuses of answers: 0, or one of Windows' that a log of the guest shows. */
#define VMBUS_STATUS_OK                     0u
#define VMBUS_STATUS_UNSUCCESSFUL           0xc0000001u
#define VMBUS_STATUS_INVALID_PARAMETER      0xc000000du
#define VMBUS_STATUS_INSUFFICIENT_RESOURCES 0xc000009au

struct vmbus_header {
    uint32_t type; /* enum vmbus_message */
    uint32_t padding;
};

#define VMBUS_OFFER_USER_BYTES 120u

#define VMBUS_OFFER_ENUMERATE 0x1u
#define VMBUS_OFFER_PIPE      0x10u
#define VMBUS_PIPE_MODE       4u /* messages: the first word of a pipe offer's user bytes */

struct vmbus_offer {
    struct vmbus_header header;
    struct guid class_id, instance_id;
    uint64_t reserved[2];
    uint16_t flags; /* VMBUS_OFFER_* */
    uint16_t mmio_megabytes;
    uint8_t user[VMBUS_OFFER_USER_BYTES];
    uint16_t subchannel; /* 0: the primary one */
    uint16_t reserved2;
    uint32_t channel;
    uint8_t monitor, monitor_is_allocated;
    uint16_t has_own_interrupt; /* 1: the guest signals by hypercall alone */
    uint32_t connection;        /* of HvCallSignalEvent */
} PACKED;
static_assert(sizeof(struct vmbus_offer) == 196, "the size that guests check");
static_assert(offsetof(struct vmbus_offer, channel) == 184, "VMBus offer layout");

struct vmbus_rescind { /* VMBUS_RELID_RELEASED and VMBUS_CLOSE as well */
    struct vmbus_header header;
    uint32_t channel;
} PACKED;

struct vmbus_open {
    struct vmbus_header header;
    uint32_t channel;
    uint32_t open_id;
    uint32_t gpadl;
    uint32_t target_vp;
    uint32_t downstream_page; /* where the ring to the guest begins */
    uint8_t user[VMBUS_OFFER_USER_BYTES];
} PACKED;
static_assert(sizeof(struct vmbus_open) == 148, "VMBus open layout");

struct vmbus_open_result {
    struct vmbus_header header;
    uint32_t channel;
    uint32_t open_id;
    uint32_t status;
} PACKED;

struct vmbus_gpadl_header { /* page numbers follow, up to 26 */
    struct vmbus_header header;
    uint32_t channel;
    uint32_t gpadl;
    uint16_t range_bytes; /* wraps: the byte count decides */
    uint16_t range_count; /* 1 */
    uint32_t byte_count;
    uint32_t byte_offset;
} PACKED;
static_assert(sizeof(struct vmbus_gpadl_header) == 28, "VMBus GPADL layout");

struct vmbus_gpadl_body { /* page numbers follow, up to 28 */
    struct vmbus_header header;
    uint32_t number; /* Linux leaves it 0 */
    uint32_t gpadl;
} PACKED;

struct vmbus_gpadl_created {
    struct vmbus_header header;
    uint32_t channel;
    uint32_t gpadl;
    uint32_t status;
} PACKED;

struct vmbus_gpadl_teardown {
    struct vmbus_header header;
    uint32_t channel;
    uint32_t gpadl;
} PACKED;

struct vmbus_gpadl_torndown {
    struct vmbus_header header;
    uint32_t gpadl;
} PACKED;

struct vmbus_initiate_contact {
    struct vmbus_header header;
    uint32_t version;
    uint32_t target_vp;
    union {
        uint64_t interrupt_page; /* before 5.0 */
        uint8_t sint;
    };
    uint64_t monitor_pages[2];
} PACKED;
static_assert(sizeof(struct vmbus_initiate_contact) == 40, "VMBus contact layout");

struct vmbus_version_response {
    struct vmbus_header header;
    uint8_t is_supported;
    uint8_t state; /* 0: the connection stands */
    uint16_t padding;
    uint32_t connection; /* where to post from now on */
} PACKED;

struct vmbus_modify_channel {
    struct vmbus_header header;
    uint32_t channel;
    uint32_t target_vp;
} PACKED;

struct vmbus_modify_response {
    struct vmbus_header header;
    uint32_t channel;
    uint32_t status;
} PACKED;
