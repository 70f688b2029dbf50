/* What the integration services have in common: the frame of their messages, the negotiation of
 * versions, and one request at a time. A service is pure: it is told the time, sends through its
 * channel, and remembers what it must. */
#pragma once
#include "lib/abi/record.h"
#include "lib/abi/services.h"
#include "services/vmm/vmbus/channel.h"

#define IC_BODY_MAX     8192u /* the longest: KVP's adapter record */
#define IC_VERSIONS_MAX 4u
#define IC_NEVER        UINT64_MAX
/* An answer is looked at so much after its signal. Linux signals before it is ready for the next
 * request (hv_fcopy.c, fcopy_on_msg(): state, then hv_poll_channel()); one that comes at once, while
 * that processor stands still, makes it lose the daemon's next answer. */
#define IC_PACE_NS (10 * NS_PER_MS)

struct ic;

enum ic_state {
    IC_CLOSED,      /* the guest has not opened the channel */
    IC_NEGOTIATING, /* it has not said which version it speaks */
    IC_READY,
    IC_UNUSABLE, /* it speaks none of ours */
};

struct ic_time {
    uint64_t utc_ns;    /* since 1970 */
    uint64_t reference; /* the guest's, in 100 ns, at that instant */
};

/* What a service asks of its surroundings. */
struct ic_host {
    uint64_t (*now)(void *ctx); /* ns */
    struct ic_time (*time)(void *ctx);
    void (*changed)(void *ctx); /* what the inventory says of a service */
    void (*wake)(void *ctx);    /* ic_next() may be earlier than it was */
    void *ctx;
};

struct ic_kind {
    enum vm_service service;
    uint16_t type; /* of its messages */
    struct guid class_id, instance_id;
    struct ic_version frameworks[2], versions[IC_VERSIONS_MAX]; /* the oldest first; 0.0 ends */
    void (*ready)(struct ic *ic);
    void (*answered)(struct ic *ic, uint32_t status, const uint8_t *body, uint32_t n);
    void (*tick)(struct ic *ic, uint64_t now); /* at ic->next_ns, which it sets again */
    void (*silent)(struct ic *ic); /* the answer is overdue; may still come. May be NULL, as: */
    void (*closed)(struct ic *ic);
    /* What of the service is saved beside the frame; restore: false, if it cannot be. */
    void (*save)(const struct ic *ic, uint64_t own[2]);
    bool (*restore)(struct ic *ic, const uint64_t own[2]);
};

struct ic {
    struct device device;
    const struct ic_kind *kind;
    const struct ic_host *host;
    uint32_t state; /* enum ic_state */
    struct ic_version framework, version;
    uint8_t transaction; /* of the last request */
    bool is_waiting;     /* for its answer */
    bool is_silent;      /* has been for too long */
    bool was_refused;    /* the guest's driver answers, but nobody behind it */
    uint64_t silent_after_ns;
    uint64_t since_ns; /* the state's */
    uint64_t sent_ns;
    uint64_t next_ns;       /* when the service wants to be called; IC_NEVER */
    uint64_t read_ns;       /* when to read what was signalled; IC_NEVER */
    uint64_t strange_count; /* messages that answer nothing, or are broken */
};

static inline uint64_t ic_now(const struct ic *ic)
{
    return ic->host->now(ic->host->ctx);
}

static inline void ic_changed(const struct ic *ic)
{
    ic->host->changed(ic->host->ctx);
}

/* Notes whether the guest's driver refuses for want of a daemon. */
void ic_set_refused(struct ic *ic, bool was_refused);

void ic_init(struct ic *ic, const struct ic_kind *kind, const struct ic_host *host);

/* Sends one request. ERR_STATE: not ready, or the last one is not answered; ERR_FULL: the ring is.
 * The @count parts are the body. */
enum err ic_request(struct ic *ic, const struct ring_part *parts, unsigned count) MUST_CHECK;

/* To be called when ic_next() has passed. */
void ic_tick(struct ic *ic, uint64_t now);
uint64_t ic_next(const struct ic *ic);

/* Time has stood still for the guest since its last answer: waiting begins anew. */
void ic_resumed(struct ic *ic, uint64_t now);

bool ic_has_version(const struct ic *ic, unsigned major, unsigned minor); /* or a later one */

/* The newest that we speak. */
struct ic_version ic_newest(const struct ic_version *list, unsigned capacity);

void ic_save(const struct ic *ic, struct record_ic *out);
/* ERR_FORMAT: no state that a service can have. The channel has been restored before. */
enum err ic_restore(struct ic *ic, const struct record_ic *in) MUST_CHECK;
