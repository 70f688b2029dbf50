#include "services/vmm/vsp/shutdown.h"

#define REASON_PLANNED 0x80000000u
#define SILENT_NS      (5 * NS_PER_SECOND)

/* Below this length Linux does not answer. */
struct body {
    uint32_t reason, timeout_seconds, flags;
    uint8_t message[2048];
} PACKED;

static struct shutdown *shutdown_of(struct ic *ic)
{
    return container_of(ic, struct shutdown, ic);
}

enum err shutdown_request(struct shutdown *s, enum shutdown_mode mode)
{
    static const uint32_t flags[] = {
        [SHUTDOWN_OFF] = 0, [SHUTDOWN_RESTART] = 2, [SHUTDOWN_HIBERNATE] = 4
    };
    static struct body body; /* its message stays empty */
    struct ring_part part = { &body, sizeof(body) };

    if (s->ic.state != IC_READY)
        return ERR_STATE;
    if (!ic_has_version(&s->ic, 3, mode == SHUTDOWN_OFF ? 0 : (unsigned)mode) &&
        mode != SHUTDOWN_OFF)
        return ERR_UNSUPPORTED;
    body = (struct body){ .reason = REASON_PLANNED, .flags = flags[mode] };
    return ic_request(&s->ic, &part, 1);
}

static void ready(struct ic *ic)
{
    ic->silent_after_ns = SILENT_NS;
}

static void answered(struct ic *ic, uint32_t status, const uint8_t *body, uint32_t n)
{
    struct shutdown *s = shutdown_of(ic);

    (void)body;
    (void)n;
    s->done(s->ctx, status == IC_STATUS_OK ? OK : ERR_UNSUPPORTED);
}

/* It may still come, and is nobody's then. */
static void silent(struct ic *ic)
{
    struct shutdown *s = shutdown_of(ic);

    s->done(s->ctx, ERR_TIMED_OUT);
}

static void closed(struct ic *ic)
{
    struct shutdown *s = shutdown_of(ic);

    s->done(s->ctx, ERR_GONE);
}

static const struct ic_kind kind = {
    .service = SERVICE_SHUTDOWN,
    .type = 3,
    .class_id = { 0x0e0b6031, 0x5213, 0x4934, { 0x81, 0x8b, 0x38, 0xd9, 0x0c, 0xed, 0x39, 0xdb } },
    .instance_id = { 0xb1d00002,
                     0x6b68,
                     0x4c1e,
                     { 0x9a, 0x02, 0x62, 0x75, 0x6c, 0x6b, 0x68, 0x64 } },
    .frameworks = { { 1, 0 }, { 3, 0 } },
    .versions = { { 1, 0 }, { 3, 0 }, { 3, 1 }, { 3, 2 } },
    .ready = ready,
    .answered = answered,
    .silent = silent,
    .closed = closed,
};

void shutdown_init(struct shutdown *s, const struct ic_host *host,
                   void (*done)(void *ctx, enum err err), void *ctx)
{
    *s = (struct shutdown){ .done = done, .ctx = ctx };
    ic_init(&s->ic, &kind, host);
}
