/* Heartbeat: a number every two seconds, which the guest returns incremented.
 * Source: Linux drivers/hv/hv_util.c, heartbeat_onchannelcallback(). */
#pragma once
#include "services/vmm/vsp/ic.h"

enum heartbeat_state { HEARTBEAT_NONE, HEARTBEAT_OK, HEARTBEAT_LATE, HEARTBEAT_LOST };

struct heartbeat {
    struct ic ic;
    uint64_t sequence; /* the last that was sent */
    uint32_t missed;   /* periods without an answer */
};

void heartbeat_init(struct heartbeat *h, const struct ic_host *host);
enum heartbeat_state heartbeat_state(const struct heartbeat *h);
