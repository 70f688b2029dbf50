/* Backup (VSS): the guest's file systems stand still while a copy is taken of them. A freeze ends by
 * itself. Source: Linux drivers/hv/hv_snapshot.c, tools/hv/hv_vss_daemon.c. */
#pragma once
#include "services/vmm/vsp/ic.h"

enum vss_state { VSS_THAWED, VSS_FREEZING, VSS_FROZEN, VSS_THAWING };

struct vss {
    struct ic ic;
    uint32_t state; /* enum vss_state */
    uint32_t sent;  /* the operation under way */
    uint64_t limit_ns, thaw_ns;
    bool wants_thaw, is_by_limit;
    bool is_asked; /* somebody waits for the end of a freeze or thaw */
    /* The end of a freeze or of a thaw. ERR_UNSUPPORTED: the daemon is not there; ERR_IO: the guest
     * could not; ERR_GONE: its driver went; ERR_TIMED_OUT: (a thaw) the limit thawed it. */
    void (*done)(void *ctx, enum err err);
    void *ctx;
};

void vss_init(struct vss *v, const struct ic_host *host, void (*done)(void *ctx, enum err err),
              void *ctx);

/* ERR_STATE: the driver is not there or busy, or the guest is frozen already (or: is not).
 * ERR_UNSUPPORTED: the guest refuses to thaw; it is tried until it does. */
enum err vss_freeze(struct vss *v, uint64_t limit_ns) MUST_CHECK;
enum err vss_thaw(struct vss *v) MUST_CHECK;
