#include "services/vmm/vsp/timesync.h"

#define PERIOD_NS     (5 * NS_PER_SECOND)
#define RETRY_NS      (100 * NS_PER_MS)
#define FLAG_SET      1u
#define FLAG_SAMPLE   2u
#define EPOCH_SECONDS 11644473600ull /* from 1601, where Windows' time begins, to 1970 */
#define UNITS         10000000ull    /* of 100 ns in a second */

struct body_4 {
    uint64_t parent_time, reference_time;
    uint8_t flags;
    int8_t leap;
    uint8_t stratum, reserved[3];
} PACKED;
static_assert(sizeof(struct body_4) == 22, "struct ictimesync_ref_data");

struct body_1 {
    uint64_t parent_time, child_time, round_trip;
    uint8_t flags;
} PACKED;

static struct timesync *timesync_of(struct ic *ic)
{
    return container_of(ic, struct timesync, ic);
}

static enum err send(struct timesync *t, uint8_t flags)
{
    const struct ic_host *host = t->ic.host;
    struct ic_time now = host->time(host->ctx);
    uint64_t parent = now.utc_ns / 100 + EPOCH_SECONDS * UNITS;
    struct body_4 body_4 = { .parent_time = parent,
                             .reference_time = now.reference,
                             .flags = flags };
    struct body_1 body_1 = { .parent_time = parent, .flags = flags };
    struct ring_part part = { &body_1, sizeof(body_1) };

    if (ic_has_version(&t->ic, 4, 0))
        part = (struct ring_part){ &body_4, sizeof(body_4) };
    return ic_request(&t->ic, &part, 1);
}

static void tick(struct ic *ic, uint64_t now)
{
    struct timesync *t = timesync_of(ic);

    if (send(t, t->must_set ? FLAG_SET : FLAG_SAMPLE) == OK) {
        t->must_set = false;
        ic->next_ns = now + PERIOD_NS;
    } else {
        ic->next_ns = now + (t->must_set ? RETRY_NS : PERIOD_NS);
    }
}

void timesync_set(struct timesync *t)
{
    t->must_set = true;
    if (t->ic.state == IC_READY)
        t->ic.next_ns = ic_now(&t->ic);
}

static void ready(struct ic *ic)
{
    timesync_set(timesync_of(ic));
}

static void answered(struct ic *ic, uint32_t status, const uint8_t *body, uint32_t n)
{
    struct timesync *t = timesync_of(ic);

    (void)status;
    (void)body;
    (void)n;
    if (t->must_set)
        timesync_set(t);
}

/* Whoever is restored has a wrong clock. */
static bool restore(struct ic *ic, const uint64_t own[2])
{
    (void)own;
    timesync_of(ic)->must_set = true;
    return true;
}

static const struct ic_kind kind = {
    .service = SERVICE_TIMESYNC,
    .type = 4,
    .class_id = { 0x9527e630, 0xd0ae, 0x497b, { 0xad, 0xce, 0xe8, 0x0a, 0xb0, 0x17, 0x5c, 0xaf } },
    .instance_id = { 0xb1d00003,
                     0x6b68,
                     0x4c1e,
                     { 0x9a, 0x03, 0x62, 0x75, 0x6c, 0x6b, 0x68, 0x64 } },
    .frameworks = { { 1, 0 }, { 3, 0 } },
    .versions = { { 1, 0 }, { 3, 0 }, { 4, 0 } },
    .ready = ready,
    .answered = answered,
    .tick = tick,
    .restore = restore,
};

void timesync_init(struct timesync *t, const struct ic_host *host)
{
    *t = (struct timesync){ .must_set = true };
    ic_init(&t->ic, &kind, host);
}
