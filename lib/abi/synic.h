/* Messages and event flags between partitions. Source: TLFS, "Inter-Partition Communication". */
#pragma once
#include "lib/types.h"

#define SINT_COUNT            16u
#define SYNIC_PAYLOAD_BYTES   240u
#define SYNIC_FLAGS_PER_SINT  2048u
#define SYNIC_MESSAGE_PENDING 1u /* flags: another one waits */

#define SYNIC_MESSAGE_TIMER 0x80000010u

/* A slot of the message page; type 0: free. */
struct synic_message {
    uint32_t type;
    uint8_t payload_bytes;
    uint8_t flags;
    uint16_t reserved;
    uint64_t sender;
    uint64_t payload[SYNIC_PAYLOAD_BYTES / 8];
};
static_assert(sizeof(struct synic_message) == 256, "16 slots fill a page");

struct synic_timer_payload {
    uint32_t index, reserved;
    uint64_t expiry, delivery; /* reference time */
};

/* Input of HvCallPostMessage, and what a message port's queue holds. */
struct hv_post_message {
    uint32_t connection, reserved, type, payload_bytes;
    uint64_t payload[SYNIC_PAYLOAD_BYTES / 8];
};
static_assert(sizeof(struct hv_post_message) == 256, "as the TLFS has it");
