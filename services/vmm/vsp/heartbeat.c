/* An unanswered beat is not repeated: a guest that wakes up answers the one that waits for it. */
#include "services/vmm/vsp/heartbeat.h"
#include "lib/string.h"

#define PERIOD_NS   (2 * NS_PER_SECOND)
#define MISSED_LOST 3u

struct body {
    uint64_t sequence;
    uint64_t reserved[4];
};

static struct heartbeat *heartbeat_of(struct ic *ic)
{
    return container_of(ic, struct heartbeat, ic);
}

enum heartbeat_state heartbeat_state(const struct heartbeat *h)
{
    if (h->ic.state != IC_READY)
        return HEARTBEAT_NONE;
    return !h->missed ? HEARTBEAT_OK : h->missed < MISSED_LOST ? HEARTBEAT_LATE : HEARTBEAT_LOST;
}

static void set_missed(struct heartbeat *h, uint32_t missed)
{
    enum heartbeat_state old = heartbeat_state(h);

    h->missed = missed;
    if (heartbeat_state(h) != old)
        ic_changed(&h->ic);
}

static void ready(struct ic *ic)
{
    heartbeat_of(ic)->missed = 0;
    ic->next_ns = ic_now(ic);
}

static void tick(struct ic *ic, uint64_t now)
{
    struct heartbeat *h = heartbeat_of(ic);
    struct body body = { .sequence = h->sequence + 2 }; /* the guest returns the odd one */
    struct ring_part part = { &body, sizeof(body) };

    ic->next_ns = now + PERIOD_NS;
    if (ic->is_waiting)
        set_missed(h, min(h->missed + 1, MISSED_LOST));
    else if (ic_request(ic, &part, 1) == OK)
        h->sequence = body.sequence;
}

static void answered(struct ic *ic, uint32_t status, const uint8_t *body, uint32_t n)
{
    struct heartbeat *h = heartbeat_of(ic);
    uint64_t sequence;

    (void)status; /* the guest leaves it as it was */
    if (n < sizeof(sequence)) {
        ic->strange_count++;
        return;
    }
    memcpy(&sequence, body, sizeof(sequence));
    if (sequence != h->sequence + 1)
        ic->strange_count++;
    else
        set_missed(h, 0);
}

static void save(const struct ic *ic, uint64_t own[2])
{
    const struct heartbeat *h = container_of(ic, struct heartbeat, ic);

    own[0] = h->sequence;
    own[1] = h->missed;
}

static bool restore(struct ic *ic, const uint64_t own[2])
{
    struct heartbeat *h = heartbeat_of(ic);

    h->sequence = own[0];
    h->missed = (uint32_t)min(own[1], (uint64_t)MISSED_LOST);
    return own[1] <= MISSED_LOST;
}

static const struct ic_kind kind = {
    .service = SERVICE_HEARTBEAT,
    .type = 1,
    .class_id = { 0x57164f39, 0x9115, 0x4e78, { 0xab, 0x55, 0x38, 0x2f, 0x3b, 0xd5, 0x42, 0x2d } },
    .instance_id = { 0xb1d00001,
                     0x6b68,
                     0x4c1e,
                     { 0x9a, 0x01, 0x62, 0x75, 0x6c, 0x6b, 0x68, 0x64 } },
    .frameworks = { { 1, 0 }, { 3, 0 } },
    .versions = { { 1, 0 }, { 3, 0 } },
    .ready = ready,
    .answered = answered,
    .tick = tick,
    .save = save,
    .restore = restore,
};

void heartbeat_init(struct heartbeat *h, const struct ic_host *host)
{
    *h = (struct heartbeat){ 0 };
    ic_init(&h->ic, &kind, host);
}
