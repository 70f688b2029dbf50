/* The echo service: returns every packet as a completion with the same payload. It is no Hyper-V
 * device; it measures and tests channels. Its primary channel may have sub-channels. */
#pragma once
#include "services/vmm/vmbus/channel.h"

#define ECHO_BYTES_MAX 4096u /* longer packets come back cut */

struct echo {
    struct device device;
    /* Asks for the sub-channels, when the primary is open. */
    void (*wants_subchannels)(void *ctx);
    void *ctx;
};

void echo_init(struct echo *e, void (*wants_subchannels)(void *ctx), void *ctx);
