/* The integration services of a VM: they run on the service thread, between the guest's channels and
 * the manager's questions, and tell the manager what is known of the guest. */
#pragma once
#include "services/vmm/control.h"
#include "services/vmm/nics.h"
#include "services/vmm/vmbus/vmbus.h"
#include "services/vmm/vsp/echo.h"
#include "services/vmm/vsp/fcopy.h"
#include "services/vmm/vsp/heartbeat.h"
#include "services/vmm/vsp/kvp.h"
#include "services/vmm/vsp/shutdown.h"
#include "services/vmm/vsp/timesync.h"
#include "services/vmm/vsp/vss.h"

struct reply_items { /* of the answer that is being collected */
    uint8_t *at;     /* NULL: none yet */
    handle_t region;
    uint64_t used;
    uint32_t count;
    bool is_full;
};

struct services {
    struct machine *machine;
    struct vmbus *vmbus;
    struct control *control;
    struct ic_host host;
    uint64_t utc_base_ns;
    struct heartbeat heartbeat;
    struct shutdown shutdown;
    struct timesync timesync;
    struct kvp kvp;
    struct vss vss;
    struct fcopy fcopy;
    struct echo echo;
    struct nics nics;
    uint32_t asked[SERVICE_COUNT]; /* the sequence number of the manager's question; 0: none */
    struct reply_items items;      /* of KVP */
    void *copied;                  /* the file that is copied, mapped */
    uint32_t thaw_count;
    bool is_dirty;   /* the manager has not seen the inventory as it is */
    bool needs_plan; /* services_serve() is to be called: something may be due earlier */
    uint64_t told_ns, next_ns;
};

enum err services_init(struct services *s, struct machine *m, struct vmbus *v, struct control *c)
    MUST_CHECK;

struct ic *services_ic(struct services *s, enum vm_service service);

/* Does what time or the guest have made due; returns when to call again at the latest. */
uint64_t services_serve(struct services *s);

/* The guest goes on, after a pause or from an image. */
void services_resumed(struct services *s);

/* ---- the manager's messages ---- */
void services_enable(struct services *s, const struct vmm_services *m);
void services_set_time(struct services *s, const struct vmm_time *m);
/* @region: what was sent with it, or HANDLE_NONE; the callee's. */
void services_ask(struct services *s, uint32_t sequence, const struct vmm_query *q,
                  handle_t region);

void services_save(struct services *s, struct image_writer *w);
/* ERR_FORMAT: it cannot be. */
enum err services_restore(struct services *s, const struct record *r, const void *payload)
    MUST_CHECK;
