#include "tests/unit/services/vmm/vmbus/fake_bus.h"

#include <stdlib.h>
#include <string.h>

static void *allocate(void *ctx, size_t bytes)
{
    struct fake_bus *b = ctx;

    if (b->fails_at && !--b->fails_at)
        return NULL;
    b->allocations++;
    return calloc(1, bytes);
}

static void release(void *ctx, void *p, size_t bytes)
{
    struct fake_bus *b = ctx;

    b->allocations--;
    memset(p, 0xee, bytes); /* who still uses it shall notice */
    free(p);
}

static bool has_page(void *ctx, uint64_t page)
{
    return page < FAKE_PAGES;
}

static void signal(struct channel *c)
{
    struct fake_bus *b = c->mapping_ctx;

    b->signals++;
}

/* The pages must lie one behind the other: no page tables here. */
static enum err map(void *ctx, struct channel *c, const struct gpadl *g)
{
    struct fake_bus *b = ctx;
    uint8_t *at = b->memory[g->pages[0]];

    if (b->refuses_map)
        return ERR_MEMORY;
    for (uint32_t i = 1; i < g->page_count; i++)
        if (g->pages[i] != g->pages[0] + i)
            return ERR_ARGUMENT;
    enum err err = ring_attach_reader(&c->in, at, (c->downstream_page - 1) * 4096);
    if (!err)
        err = ring_attach_writer(&c->out, at + c->downstream_page * 4096ul,
                                 (g->page_count - c->downstream_page - 1) * 4096);
    if (err)
        return err;
    c->mapping_ctx = b;
    c->signal = signal;
    b->maps++;
    return OK;
}

static void unmap(void *ctx, struct channel *c)
{
    struct fake_bus *b = ctx;

    memset(&c->in, 0xee, sizeof(c->in));
    memset(&c->out, 0xee, sizeof(c->out));
    b->maps--;
}

static void complain(void *ctx, const char *what)
{
    struct fake_bus *b = ctx;

    b->complaints++;
    b->complaint = what;
}

static const struct server_ops ops = {
    .memory = { allocate, release, has_page }, .map = map, .unmap = unmap, .complain = complain
};

void fake_bus_init(struct fake_bus *b)
{
    memset(b, 0, sizeof(*b));
    server_init(&b->server, &ops, b, FAKE_VCPUS);
}

void fake_bus_end(struct fake_bus *b)
{
    server_reset(&b->server);
    for (unsigned i = 0; i < CHANNEL_CHUNKS; i++)
        if (b->server.chunks[i])
            release(b, b->server.chunks[i], CHANNELS_PER_CHUNK * sizeof(struct channel));
}

void fake_bus_send(struct fake_bus *b, uint32_t type, const void *message, uint32_t n)
{
    uint8_t bytes[SYNIC_PAYLOAD_BYTES];
    struct vmbus_header h = { .type = type };

    memcpy(bytes, message, n);
    memcpy(bytes, &h, sizeof(h));
    server_message(&b->server, bytes, n);
}

uint32_t fake_bus_next(struct fake_bus *b, void *to, uint32_t capacity)
{
    const struct server_message *m = server_next(&b->server);
    struct vmbus_header h;

    if (!m)
        return 0;
    memcpy(&h, m->payload, sizeof(h));
    if (to)
        memcpy(to, m->payload, m->bytes < capacity ? m->bytes : capacity);
    server_sent(&b->server);
    return h.type;
}

uint32_t fake_bus_drain(struct fake_bus *b, uint32_t type)
{
    uint32_t n = 0, next;

    while ((next = fake_bus_next(b, NULL, 0)) != 0)
        n += next == type;
    return n;
}

bool fake_bus_contact(struct fake_bus *b, uint32_t version)
{
    struct vmbus_initiate_contact m = { .version = version };
    struct vmbus_version_response r = { .is_supported = 9 };

    if (version >= VMBUS_VERSION(5, 0))
        m.sint = VMBUS_SINT;
    fake_bus_send(b, VMBUS_INITIATE_CONTACT, &m, sizeof(m));
    return fake_bus_next(b, &r, sizeof(r)) == VMBUS_VERSION_RESPONSE && r.is_supported == 1;
}

bool fake_bus_connect(struct fake_bus *b)
{
    struct vmbus_header m;

    if (!fake_bus_contact(b, VMBUS_VERSION_5_3))
        return false;
    fake_bus_send(b, VMBUS_REQUEST_OFFERS, &m, sizeof(m));
    return fake_bus_drain(b, VMBUS_ALL_OFFERS_DELIVERED) == 1;
}

uint32_t fake_bus_gpadl(struct fake_bus *b, uint32_t channel, uint32_t id, uint64_t page,
                        uint32_t count)
{
    struct {
        struct vmbus_gpadl_header h;
        uint64_t pages[26];
    } PACKED head = {
        .h = { .channel = channel, .gpadl = id, .range_count = 1, .byte_count = count * 4096 }
    };
    struct {
        struct vmbus_gpadl_body h;
        uint64_t pages[28];
    } PACKED body = { .h = { .gpadl = id } };
    struct vmbus_gpadl_created r;
    uint32_t n = count < 26 ? count : 26;

    for (uint32_t i = 0; i < n; i++)
        head.pages[i] = page + i;
    fake_bus_send(b, VMBUS_GPADL_HEADER, &head, (uint32_t)sizeof(head.h) + 8 * n);
    for (uint32_t at = n; at < count; at += n) {
        n = count - at < 28 ? count - at : 28;
        for (uint32_t i = 0; i < n; i++)
            body.pages[i] = page + at + i;
        fake_bus_send(b, VMBUS_GPADL_BODY, &body, (uint32_t)sizeof(body.h) + 8 * n);
    }
    return fake_bus_next(b, &r, sizeof(r)) == VMBUS_GPADL_CREATED ? r.status : ~0u;
}

uint32_t fake_bus_open(struct fake_bus *b, uint32_t channel, uint32_t gpadl, uint32_t downstream)
{
    struct vmbus_open m = {
        .channel = channel, .open_id = channel, .gpadl = gpadl, .downstream_page = downstream
    };
    struct vmbus_open_result r;

    fake_bus_send(b, VMBUS_OPEN, &m, sizeof(m));
    return fake_bus_next(b, &r, sizeof(r)) == VMBUS_OPEN_RESULT ? r.status : ~0u;
}

bool fake_bus_open_channel(struct fake_bus *b, uint32_t channel, uint64_t page, struct ring *out,
                           struct ring *in)
{
    ring_init((void *)b->memory[page]);
    ring_init((void *)b->memory[page + 4]);
    return ring_attach_writer(out, b->memory[page], 3 * 4096) == OK &&
           ring_attach_reader(in, b->memory[page + 4], 3 * 4096) == OK &&
           fake_bus_gpadl(b, channel, channel + 1000, page, 8) == 0 &&
           fake_bus_open(b, channel, channel + 1000, 4) == 0;
}

void fake_bus_close(struct fake_bus *b, uint32_t channel)
{
    struct vmbus_rescind m = { .channel = channel };

    fake_bus_send(b, VMBUS_CLOSE, &m, sizeof(m));
}

uint32_t fake_bus_teardown(struct fake_bus *b, uint32_t channel, uint32_t gpadl)
{
    struct vmbus_gpadl_teardown m = { .channel = channel, .gpadl = gpadl };
    struct vmbus_gpadl_torndown r;

    fake_bus_send(b, VMBUS_GPADL_TEARDOWN, &m, sizeof(m));
    return fake_bus_next(b, &r, sizeof(r)) == VMBUS_GPADL_TORNDOWN ? r.gpadl : 0;
}
