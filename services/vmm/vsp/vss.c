/* Whether the daemon is there is asked every so often by announcing a backup, which it only
 * acknowledges; without it the guest's driver says that it failed. */
#include "services/vmm/vsp/vss.h"
#include "lib/field.h"

#define PROBE_NS       (30 * NS_PER_SECOND)
#define PROBE_AGAIN_NS (5 * NS_PER_SECOND) /* while it is not there */
#define RETRY_NS       (100 * NS_PER_MS)

enum operation { VSS_HOT_BACKUP = 2, VSS_BACKUP_COMPLETE = 4, VSS_FREEZE = 5, VSS_THAW = 6 };

struct body {
    uint8_t operation, reserved[7];
    uint32_t flags;
} PACKED;
static_assert(sizeof(struct body) == 12, "struct hv_vss_msg");

static struct vss *vss_of(struct ic *ic)
{
    return container_of(ic, struct vss, ic);
}

static enum err send(struct vss *v, enum operation operation)
{
    struct body b = { .operation = (uint8_t)operation };
    struct ring_part part = { &b, sizeof(b) };
    enum err err = ic_request(&v->ic, &part, 1);

    if (!err)
        v->sent = operation;
    return err;
}

static void enter(struct vss *v, enum vss_state state)
{
    v->state = state;
    ic_changed(&v->ic);
}

/* Each question is answered once; what goes on behind it is nobody's. */
static void finish(struct vss *v, enum err err)
{
    bool was_asked = v->is_asked;

    v->is_asked = false;
    if (was_asked)
        v->done(v->ctx, err);
}

enum err vss_freeze(struct vss *v, uint64_t limit_ns)
{
    if (v->ic.state != IC_READY || v->state != VSS_THAWED)
        return ERR_STATE;
    enum err err = send(v, VSS_HOT_BACKUP);
    if (err)
        return err;
    v->is_asked = true;
    v->limit_ns = limit_ns;
    v->wants_thaw = v->is_by_limit = false;
    enter(v, VSS_FREEZING);
    return OK;
}

/* While the freeze is under way the thaw follows it. */
static void thaw(struct vss *v)
{
    v->wants_thaw = true;
    if (v->state == VSS_FROZEN && send(v, VSS_THAW) == OK)
        enter(v, VSS_THAWING);
    v->ic.next_ns = ic_now(&v->ic) + RETRY_NS;
}

enum err vss_thaw(struct vss *v)
{
    if (v->ic.was_refused && (v->state == VSS_FROZEN || v->state == VSS_THAWING))
        return ERR_UNSUPPORTED;
    if (v->state != VSS_FROZEN || v->wants_thaw)
        return ERR_STATE;
    v->is_asked = true;
    thaw(v);
    return OK;
}

static void announced(struct vss *v, bool is_ok)
{
    ic_set_refused(&v->ic, !is_ok);
    v->ic.next_ns = ic_now(&v->ic) + (is_ok ? PROBE_NS : PROBE_AGAIN_NS);
    if (v->state != VSS_FREEZING)
        return;
    if (is_ok && send(v, VSS_FREEZE) == OK)
        return;
    enter(v, VSS_THAWED);
    finish(v, is_ok ? ERR_IO : ERR_UNSUPPORTED);
}

static void froze(struct vss *v, bool is_ok)
{
    enter(v, is_ok ? VSS_FROZEN : VSS_THAWED);
    v->thaw_ns = v->ic.next_ns = ic_now(&v->ic) + (is_ok ? v->limit_ns : PROBE_NS);
    finish(v, is_ok ? OK : ERR_IO);
}

/* A thaw that failed is tried again, since nothing else lets the guest go on: its daemon died. Who
 * asked hears of it at once. */
static void thaw_failed(struct vss *v)
{
    bool is_news = !v->ic.was_refused;

    enter(v, VSS_FROZEN);
    v->ic.next_ns = ic_now(&v->ic) + RETRY_NS;
    ic_set_refused(&v->ic, true);
    if (is_news && !v->is_by_limit)
        finish(v, ERR_UNSUPPORTED);
}

static void thawed(struct vss *v, bool is_ok)
{
    if (!is_ok) {
        thaw_failed(v);
        return;
    }
    ic_set_refused(&v->ic, false);
    bool is_by_limit = v->is_by_limit;

    v->wants_thaw = v->is_by_limit = false;
    enter(v, VSS_THAWED);
    if (is_by_limit)
        v->done(v->ctx, ERR_TIMED_OUT);
    finish(v, OK);
    if (send(v, VSS_BACKUP_COMPLETE))
        v->ic.next_ns = ic_now(&v->ic) + PROBE_NS;
}

static void answered(struct ic *ic, uint32_t status, const uint8_t *body, uint32_t n)
{
    struct vss *v = vss_of(ic);
    bool is_ok = status == IC_STATUS_OK;

    (void)body;
    (void)n;
    switch (v->sent) {
    case VSS_HOT_BACKUP: announced(v, is_ok); break;
    case VSS_FREEZE: froze(v, is_ok); break;
    case VSS_THAW: thawed(v, is_ok); break;
    default: ic->next_ns = ic_now(&v->ic) + PROBE_NS;
    }
}

static void tick(struct ic *ic, uint64_t now)
{
    struct vss *v = vss_of(ic);

    ic->next_ns = now + PROBE_NS;
    if (v->state == VSS_FROZEN && (v->wants_thaw || now >= v->thaw_ns)) {
        v->is_by_limit |= !v->wants_thaw;
        thaw(v);
    } else if (v->state == VSS_FROZEN) {
        ic->next_ns = v->thaw_ns;
    } else if (v->state == VSS_THAWED && send(v, VSS_HOT_BACKUP)) {
        ic->next_ns = now + PROBE_AGAIN_NS;
    }
}

static void ready(struct ic *ic)
{
    ic->next_ns = ic_now(ic);
}

/* A guest whose driver went thaws itself. */
static void closed(struct ic *ic)
{
    struct vss *v = vss_of(ic);
    bool was_busy = v->state == VSS_FREEZING || v->state == VSS_THAWING;

    v->wants_thaw = v->is_by_limit = false;
    v->state = VSS_THAWED;
    if (was_busy)
        finish(v, ERR_GONE);
}

#define OWN_STATE    0xffull
#define OWN_SENT     0xff00ull
#define OWN_WANTS    (1ull << 16)
#define OWN_BY_LIMIT (1ull << 17)

/* The limit is saved as what is left of it. */
static void save(const struct ic *ic, uint64_t own[2])
{
    const struct vss *v = container_of(ic, struct vss, ic);
    uint64_t now = ic_now(&v->ic);

    own[0] = v->state | (uint64_t)v->sent << 8 | (v->wants_thaw ? OWN_WANTS : 0) |
             (v->is_by_limit ? OWN_BY_LIMIT : 0);
    own[1] = v->state == VSS_FREEZING ? v->limit_ns : v->thaw_ns > now ? v->thaw_ns - now : 0;
}

static bool restore(struct ic *ic, const uint64_t own[2])
{
    struct vss *v = vss_of(ic);

    v->state = own[0] & OWN_STATE;
    v->sent = (uint32_t)field_get(own[0], OWN_SENT);
    v->wants_thaw = own[0] & OWN_WANTS;
    v->is_by_limit = own[0] & OWN_BY_LIMIT;
    v->limit_ns = own[1];
    v->thaw_ns = ic_now(&v->ic) + own[1];
    return v->state <= VSS_THAWING && !(own[0] >> 18) && own[1] < UINT64_MAX / 4;
}

static const struct ic_kind kind = {
    .service = SERVICE_VSS,
    .type = 5,
    .class_id = { 0x35fa2e29, 0xea23, 0x4236, { 0x96, 0xae, 0x3a, 0x6e, 0xba, 0xcb, 0xa4, 0x40 } },
    .instance_id = { 0xb1d00005,
                     0x6b68,
                     0x4c1e,
                     { 0x9a, 0x05, 0x62, 0x75, 0x6c, 0x6b, 0x68, 0x64 } },
    .frameworks = { { 1, 0 }, { 3, 0 } },
    .versions = { { 5, 0 } },
    .ready = ready,
    .answered = answered,
    .tick = tick,
    .closed = closed,
    .save = save,
    .restore = restore,
};

void vss_init(struct vss *v, const struct ic_host *host, void (*done)(void *ctx, enum err err),
              void *ctx)
{
    *v = (struct vss){ .done = done, .ctx = ctx };
    ic_init(&v->ic, &kind, host);
    v->ic.silent_after_ns = 60 * NS_PER_SECOND; /* freezing a busy file system takes its time */
}
