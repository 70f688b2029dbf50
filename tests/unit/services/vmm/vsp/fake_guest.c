#include "tests/unit/services/vmm/vsp/fake_guest.h"

#include <stdlib.h>
#include <string.h>

static uint64_t now(void *ctx)
{
    return ((struct fake_guest *)ctx)->now_ns;
}

static struct ic_time time_of(void *ctx)
{
    const struct fake_guest *g = ctx;

    return (struct ic_time){ g->utc_ns + g->now_ns, g->now_ns / 100 };
}

static void changed(void *ctx)
{
    ((struct fake_guest *)ctx)->changes++;
}

static void wake(void *ctx)
{
    (void)ctx; /* fake_guest_pass() looks each time */
}

void fake_guest_init(struct fake_guest *g)
{
    memset(g, 0, sizeof(*g));
    fake_bus_init(&g->bus);
    g->now_ns = NS_PER_SECOND;
    g->host = (struct ic_host){ now, time_of, changed, wake, g };
}

void fake_guest_open(struct fake_guest *g, struct ic *ic)
{
    g->ic = ic;
    ic->device.is_enabled = true;
    server_add(&g->bus.server, &ic->device);
    if (!fake_bus_connect(&g->bus) || !fake_bus_open_channel(&g->bus, 1, 8, &g->out, &g->in))
        abort();
}

bool fake_guest_take(struct fake_guest *g)
{
    struct ring_packet p;

    if (ring_peek(&g->in, &p))
        return false;
    uint32_t offset = ring_payload_offset(&p), n = ring_payload_bytes(&p);
    if (n < sizeof(g->head) || ring_read(&g->in, &p, offset, &g->head, sizeof(g->head)))
        abort();
    g->transaction = p.transaction;
    g->body_bytes = n - (uint32_t)sizeof(g->head);
    memset(g->body, 0, sizeof(g->body));
    if (ring_read(&g->in, &p, offset + (uint32_t)sizeof(g->head), g->body, g->body_bytes))
        abort();
    ring_advance(&g->in, &p);
    (void)!ring_commit(&g->in);
    return true;
}

void fake_guest_answer_raw(struct fake_guest *g, const void *packet, uint32_t n)
{
    struct ring_packet p = { .type = RING_DATA_INBAND, .transaction = g->transaction };
    struct ring_part part = { packet, n };
    bool signal;

    if (ring_write(&g->out, &p, &part, 1, &signal))
        abort();
    (void)!server_signalled(&g->bus.server, 1);
    fake_guest_pass(g, IC_PACE_NS);
}

void fake_guest_answer(struct fake_guest *g, uint32_t status, const void *body, uint32_t n)
{
    uint8_t packet[sizeof(struct ic_header) + IC_BODY_MAX];
    struct ic_header h = g->head;

    h.flags = IC_FLAG_TRANSACTION | IC_FLAG_RESPONSE;
    h.status = status;
    memcpy(packet, &h, sizeof(h));
    if (n)
        memcpy(packet + sizeof(h), body, n);
    fake_guest_answer_raw(g, packet, (uint32_t)sizeof(h) + n);
}

bool fake_guest_negotiate(struct fake_guest *g, uint16_t framework_major, uint16_t major,
                          uint16_t minor)
{
    struct {
        struct ic_negotiate counts;
        struct ic_version framework, version;
    } PACKED answer = { { 1, 1, 0 }, { framework_major, 0 }, { major, minor } };

    if (!fake_guest_take(g) || g->head.type != IC_NEGOTIATE)
        return false;
    fake_guest_answer(g, 0, &answer, sizeof(answer));
    return g->ic->state == IC_READY;
}

void fake_guest_pass(struct fake_guest *g, uint64_t ns)
{
    uint64_t end = g->now_ns + ns;

    while (ic_next(g->ic) <= end) {
        g->now_ns = max(g->now_ns, ic_next(g->ic));
        ic_tick(g->ic, g->now_ns);
    }
    g->now_ns = end;
}

void fake_guest_end(struct fake_guest *g)
{
    fake_bus_end(&g->bus);
    if (g->bus.allocations || g->bus.maps)
        abort();
}
