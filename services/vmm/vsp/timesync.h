/* Time synchronisation: the guest's clock is set once where it may be wrong (at the start, after a
 * pause, a restore), and afterwards only offered samples, so that it never fights NTP.
 * Source: Linux drivers/hv/hv_util.c, timesync_onchannelcallback() and adj_guesttime(). */
#pragma once
#include "services/vmm/vsp/ic.h"

struct timesync {
    struct ic ic;
    bool must_set; /* the next message sets the guest's clock */
};

void timesync_init(struct timesync *t, const struct ic_host *host);

/* The guest's clock may be wrong by now. */
void timesync_set(struct timesync *t);
