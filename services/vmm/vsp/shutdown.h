/* Orderly shutdown: the guest acknowledges that it was asked; that it did it is seen when its VM
 * ends. Source: Linux drivers/hv/hv_util.c, shutdown_onchannelcallback(). */
#pragma once
#include "services/vmm/vsp/ic.h"

enum shutdown_mode { SHUTDOWN_OFF, SHUTDOWN_RESTART, SHUTDOWN_HIBERNATE };

struct shutdown {
    struct ic ic;
    /* OK: the guest has taken it. ERR_UNSUPPORTED: it refused. ERR_GONE: its driver has gone.
     * ERR_TIMED_OUT: it does not answer. */
    void (*done)(void *ctx, enum err err);
    void *ctx;
};

void shutdown_init(struct shutdown *s, const struct ic_host *host,
                   void (*done)(void *ctx, enum err err), void *ctx);

/* ERR_STATE: the guest's driver is not there, or has not answered the last request;
 * ERR_UNSUPPORTED: it is too old for that mode. */
enum err shutdown_request(struct shutdown *s, enum shutdown_mode mode) MUST_CHECK;
