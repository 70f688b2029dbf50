/* The integration services: their order in every list, and the frame of their messages.
 * Source: Linux drivers/hv/hv_util.c, channel_mgmt.c (vmbus_prep_negotiate_resp) and
 * include/linux/hyperv.h (struct icmsg_hdr). */
#pragma once
#include "lib/types.h"

enum vm_service {
    SERVICE_HEARTBEAT,
    SERVICE_SHUTDOWN,
    SERVICE_TIMESYNC,
    SERVICE_KVP,
    SERVICE_VSS,
    SERVICE_FCOPY,
    SERVICE_COUNT,
};
#define SERVICES_ALL ((1u << SERVICE_COUNT) - 1)

struct ic_version {
    uint16_t major, minor;
};

#define IC_NEGOTIATE 0u /* message type; the others are the services' */

#define IC_FLAG_TRANSACTION 1u
#define IC_FLAG_REQUEST     2u
#define IC_FLAG_RESPONSE    4u

#define IC_PIPE_DATA 1u

/* Begins every packet of an integration service, both ways. */
struct ic_header {
    uint32_t pipe_type;  /* IC_PIPE_DATA */
    uint32_t pipe_bytes; /* that follow */
    struct ic_version framework;
    uint16_t type;
    struct ic_version version;
    uint16_t bytes; /* of the body */
    uint32_t status;
    uint8_t transaction;
    uint8_t flags;
    uint16_t reserved;
} PACKED;
static_assert(sizeof(struct ic_header) == 28, "as hv_util.c reads it");

struct ic_negotiate { /* versions follow: the framework's, then the service's */
    uint16_t framework_count, version_count;
    uint32_t reserved;
} PACKED;

/* Statuses of a guest. */
#define IC_STATUS_OK        0u
#define IC_STATUS_FAILED    0x80004005u
#define IC_STATUS_NO_MORE   0x80070103u /* KVP: an index beyond the last */
#define IC_STATUS_NO_DEVICE 0x80041002u /* KVP: no such adapter */
