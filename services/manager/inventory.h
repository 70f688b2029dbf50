/* What runs in a guest, and what that is worth to who runs it: from what was negotiated to a verdict,
 * and from a change of verdicts to what is to be told. Pure: no handles, no clock.
 *
 * A channel without a driver or a daemon behind it looks the same in a guest that is still coming up
 * and in one that lacks it: only what stays so for INVENTORY_GRACE_NS is held against the guest. */
#pragma once
#include "lib/abi/vm_control.h"
#include "services/rt/service_name.h"

/* The better first: a VM's verdict is the greatest of its services'. `absent` is best, since it is
 * nothing to wait for and nothing to do; `unknown-yet` stands before what is known to be bad. */
enum verdict {
    VERDICT_ABSENT,
    VERDICT_CURRENT,
    VERDICT_OLDER,
    VERDICT_UNKNOWN,
    VERDICT_OUTDATED,
    VERDICT_MISSING,
    VERDICT_COUNT,
};

/* What a service's channel looks like from here. */
enum service_condition {
    CONDITION_UNSEEN, /* the vmm has not said anything yet */
    CONDITION_OFF,
    CONDITION_NO_VMBUS,
    CONDITION_READY,
    /* bad, once they last: */
    CONDITION_NOT_OPENED,
    CONDITION_NO_DAEMON,
    CONDITION_SILENT,
    CONDITION_LOST, /* heartbeats stopped */
    CONDITION_LEFT, /* was in use, and the guest left VMBus */
    CONDITION_NO_VERSION,
    CONDITION_BROKEN,
    CONDITION_COUNT,
};

#define INVENTORY_GRACE_NS (30 * NS_PER_SECOND)
#define HEARTBEAT_GONE_NS  (6 * NS_PER_SECOND) /* three beats */

/* ---- the table: docs/services.md is generated from it ---- */

#define SERVICE_VERSIONS_MAX 5u

struct version_rule {
    struct ic_version version;
    enum verdict verdict;
    const char *lost; /* VERDICT_OUTDATED: by not having a newer one */
};

struct service_rule {
    const char *function;
    const char *loses;  /* what the administrator loses without it */
    const char *daemon; /* in a Linux guest; NULL: the driver does it alone */
    struct version_rule versions[SERVICE_VERSIONS_MAX]; /* the newest first; 0.0 ends */
};

struct verdict_rule {
    const char *name;
    const char *meaning;
};

struct condition_rule {
    const char *reason;
    const char *remedy;
};

extern const struct service_rule service_rules[SERVICE_COUNT];
extern const struct verdict_rule verdict_rules[VERDICT_COUNT];
extern const struct condition_rule condition_rules[CONDITION_COUNT];

/* ---- one guest ---- */

enum service_told { TOLD_NOTHING, TOLD_OUTDATED, TOLD_MISSING, TOLD_LOST };

struct service_watch {
    uint32_t condition; /* enum service_condition */
    uint32_t was_ready; /* since the VM started */
    uint32_t told;      /* enum service_told */
    uint32_t told_condition;
    uint64_t since_ns; /* of the condition */
};

/* In the estate; all zero when a vmm starts. */
struct guest_state {
    struct vmm_inventory inventory; /* the guest's and the vmm's word, made safe to read */
    struct service_watch watches[SERVICE_COUNT];
    uint64_t os_id;   /* what the guest wrote to the guest OS id MSR; 0: nothing */
    uint64_t next_ns; /* when inventory_watch() is due */
    uint32_t has_inventory;
    uint32_t was_running; /* at the last inventory_watch() */
    uint32_t told_thaws;
    uint32_t reserved;
};

/* Takes what the vmm says: texts end within their room, states are known ones. */
void inventory_take(struct guest_state *g, const struct vmm_inventory *in);

/* Looks at @g, whose VM runs or does not, and sets g->next_ns. */
void inventory_watch(struct guest_state *g, bool is_running, uint64_t now);

/* What is there to be told since the last time: a bit for each service; thaws by the limit. */
struct inventory_news {
    uint32_t outdated, missing, lost, back;
    uint32_t thaws;
};

/* After inventory_watch(). What is returned counts as told. */
struct inventory_news inventory_news(struct guest_state *g, bool is_running, uint64_t now);

struct finding {
    enum verdict verdict;
    const char *reason; /* "" where there is nothing to say */
    const char *loses;
    const char *remedy;
};

/* As of the last inventory_watch(); for a VM that runs or does not. */
struct finding inventory_find(const struct guest_state *g, enum vm_service service, bool is_running,
                              uint64_t now);
enum verdict inventory_verdict(const struct guest_state *g, bool is_running, uint64_t now);

/* "ok", "late", "lost"; NULL: there is no heartbeat to speak of. */
const char *inventory_heartbeat(const struct guest_state *g, bool is_running, uint64_t now);

/* What the guest OS id says: "Linux 6.1.90", "Windows 10.0 build 20348", "" for 0. */
void inventory_os_of_id(uint64_t os_id, char *out, size_t capacity);

bool inventory_is_good(const struct guest_state *g);

const char *service_state_name(uint32_t state);
