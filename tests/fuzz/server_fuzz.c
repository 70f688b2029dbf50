// SOURCES: services/vmm/vmbus/server.c services/vmm/vmbus/gpadl.c services/vmm/vmbus/channel.c
// SOURCES: services/vmm/vmbus/server_save.c services/vmm/image.c lib/ring.c lib/checksum.c
// SOURCES: lib/string.c tests/unit/services/vmm/vmbus/fake_bus.c
/* Any sequence of a guest's messages and signals, of what the host does meanwhile, and of rings that
 * change: nothing is kept that was refused, nothing is mapped that is not open, queues hold. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "services/vmm/vmbus/server_save.h"
#include "tests/unit/services/vmm/vmbus/fake_bus.h"

static struct fake_bus bus;

static void opened(struct device *d, struct channel *c)
{
    assert(c->state == CHANNEL_OPEN && c->is_announced && c->device == d);
}

static void closed(struct device *d, struct channel *c)
{
    assert(c->state != CHANNEL_OPEN && c->device == d);
}

/* Echoes, so that both rings are used. */
static void signalled(struct device *d, struct channel *c)
{
    static uint8_t bytes[1024];
    struct ring_packet h;
    uint32_t n;

    for (unsigned round = 0; round < 4; round++) {
        channel_begin(c);
        while (channel_receive(c, &h, bytes, sizeof(bytes), &n) == OK) {
            struct ring_part part = { bytes, n < sizeof(bytes) ? n : sizeof(bytes) };

            (void)!channel_send(c, RING_COMPLETION, 0, h.transaction, &part, 1);
        }
        if (channel_done(c))
            break;
    }
}

static const struct device_ops device_ops = { opened, closed, signalled, NULL };

static void check(void)
{
    const struct server *s = &bus.server;
    uint32_t maps = 0, gpadls = 0, pages = 0;

    for (uint32_t id = 1; id < s->channel_limit; id++) {
        const struct channel *c = server_channel(s, id);

        if (!c)
            continue;
        assert(c->id == id && c->device);
        maps += c->state == CHANNEL_OPEN;
        assert(c->state != CHANNEL_OPEN || gpadl_find(&s->gpadls, c->gpadl)->is_ring);
        assert(s->version || c->state == CHANNEL_FREE);
    }
    for (const struct gpadl *g = s->gpadls.first; g; g = g->next) {
        gpadls++;
        pages += g->page_count;
        assert(g->received <= g->page_count);
    }
    assert(maps == bus.maps && gpadls == s->gpadls.count && pages == s->gpadls.page_count);
    assert(gpadls <= GPADL_COUNT_MAX && pages <= GPADL_PAGES_MAX);
    assert(s->count <= SERVER_QUEUE_MAX && s->channel_limit <= VMBUS_CHANNELS_MAX + 1);
}

/* One step of the input; returns the bytes that it took. */
static size_t step(const uint8_t *data, size_t n, struct device *devices)
{
    uint8_t message[SYNIC_PAYLOAD_BYTES];
    size_t bytes;

    switch (data[0] & 7) {
    case 0: (void)!server_signalled(&bus.server, data[1]); return 2;
    case 1: server_enable(&bus.server, &devices[data[1] & 1], data[1] & 2); return 2;
    case 2:
        (void)!server_add_subchannel(&bus.server, &devices[data[1] & 1], data[1] >> 1);
        return 2;
    case 3: /* the guest writes somewhere */
        bytes = n - 2 < 16 ? n - 2 : 16;
        memcpy(&bus.memory[data[1] % 64][data[0] >> 3], data + 2, bytes);
        return 2 + bytes;
    default:
        bytes = data[1] < n - 2 ? data[1] : n - 2;
        bytes = bytes < sizeof(message) ? bytes : sizeof(message);
        memcpy(message, data + 2, bytes);
        if (server_has_room(&bus.server))
            server_message(&bus.server, message, (uint32_t)bytes);
        if (data[0] & 8)
            (void)fake_bus_drain(&bus, 0);
        return 2 + bytes;
    }
}

static void save_and_restore(void)
{
    static uint8_t image[1 << 20], payload[1 << 20];
    struct image_writer w = { .at = image, .capacity = sizeof(image) };
    uint64_t offset = 0;
    struct record r;

    server_save(&bus.server, &w);
    assert(!w.err);
    /* What was mangled may refuse to be mapped, never to be read. */
    while (offset < w.used)
        assert(image_take(image, w.used, &offset, &r, payload, sizeof(payload)) == OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct device devices[2] = { { .ops = &device_ops, .is_enabled = true },
                                 { .ops = &device_ops, .is_enabled = true } };

    fake_bus_init(&bus);
    server_add(&bus.server, &devices[0]);
    server_add(&bus.server, &devices[1]);
    if (n && data[0] & 1 && !fake_bus_connect(&bus))
        abort();
    for (size_t at = 1; at + 2 <= n;) {
        at += step(data + at, n - at, devices);
        check();
    }
    save_and_restore();
    fake_bus_end(&bus);
    assert(!bus.allocations && !bus.maps);
    return 0;
}
