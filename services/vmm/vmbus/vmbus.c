#include "services/vmm/vmbus/vmbus.h"
#include "lib/string.h"
#include "services/rt/log.h"
#include "services/rt/sys.h"
#include "services/vmm/machine.h"
#include "services/vmm/vmbus/server_save.h"

#define COMPLAINT_NS (1000 * NS_PER_MS)

/* ---- what the server asks for ---- */

static void *allocate(void *ctx, size_t bytes)
{
    const struct vmbus *v = ctx;
    uint64_t rounded = round_up(bytes, PAGE_BYTES);
    handle_t region;
    void *at;

    if (sys_region_create(v->machine->budget, rounded, &region))
        return NULL;
    enum err err = sys_region_map(region, 0, rounded, PROT_READ | PROT_WRITE, &at);
    sys_handle_close(region); /* the mapping holds it */
    return err ? NULL : at;
}

static void release(void *ctx, void *p, size_t bytes)
{
    (void)ctx;
    (void)bytes;
    sys_unmap(p);
}

static bool has_page(void *ctx, uint64_t page)
{
    const struct vmbus *v = ctx;

    return page <= UINT64_MAX >> PAGE_SHIFT &&
           guest_has(&v->machine->memory, (gpa_t){ page << PAGE_SHIFT }, PAGE_BYTES);
}

static void signal(struct channel *c)
{
    const struct vmbus *v = c->mapping_ctx;

    (void)!sys_synic_signal(v->machine->partition, c->target_vp, VMBUS_SINT, c->id);
}

static enum err open_port(struct vmbus *v, handle_t *port, uint32_t first, uint32_t flags,
                          unsigned bit)
{
    enum err err;

    if (*port != HANDLE_NONE)
        return OK;
    err = sys_port_create(v->machine->partition, SERVER_EVENT_CONNECTION + first, flags, port);
    return err ? err : sys_bind(*port, BIND_PORT, v->machine->wake, bit);
}

static uint32_t row_of(uint32_t id)
{
    return (id - VMBUS_DIRECT_CHANNELS) / 64;
}

/* Where the guest's signals of channel @id arrive. */
static enum err open_event_port(struct vmbus *v, uint32_t id)
{
    if (id < VMBUS_DIRECT_CHANNELS)
        return open_port(v, &v->direct, 0, VMBUS_DIRECT_CHANNELS | PORT_SPANS | PORT_DIRECT,
                         WAKE_EVENTS);
    return open_port(v, &v->rows[row_of(id)], VMBUS_DIRECT_CHANNELS + 64 * row_of(id),
                     64 | PORT_SPANS, WAKE_ROWS);
}

/* Both rings lie in one view, the guest's first. */
static enum err attach(struct channel *c, const struct gpadl *g)
{
    uint8_t *at = c->mapping;
    uint32_t split = c->downstream_page;
    enum err err = ring_attach_reader(&c->in, at, (split - 1) * (uint32_t)PAGE_BYTES);

    return err ? err
               : ring_attach_writer(&c->out, at + split * PAGE_BYTES,
                                    (g->page_count - split - 1) * (uint32_t)PAGE_BYTES);
}

static void unmap(void *ctx, struct channel *c)
{
    (void)ctx;
    sys_unmap(c->mapping);
    sys_handle_close(c->view);
    c->mapping = NULL;
    c->view = HANDLE_NONE;
}

static enum err map(void *ctx, struct channel *c, const struct gpadl *g)
{
    struct vmbus *v = ctx;
    enum err err = open_event_port(v, c->id);

    if (!err)
        err = sys_view_create_list(v->machine->partition, g->pages, g->page_count,
                                   PROT_READ | PROT_WRITE, &c->view);
    if (err)
        return err;
    err = sys_view_map(c->view, &c->mapping);
    if (err) {
        sys_handle_close(c->view);
        return err;
    }
    c->mapping_ctx = v;
    c->signal = signal;
    err = attach(c, g);
    if (err)
        unmap(ctx, c);
    return err;
}

/* One line a second, however often: a guest cannot fill the log. */
static void complain(void *ctx, const char *what)
{
    struct vmbus *v = ctx;
    uint64_t now = sys_clock();

    v->complaint_count++;
    if (v->complaint_ns && now - v->complaint_ns < COMPLAINT_NS)
        return;
    log_line("the guest %s (%u such lines)", what, v->complaint_count);
    v->complaint_ns = now;
    v->complaint_count = 0;
}

static const struct server_ops ops = {
    .memory = { allocate, release, has_page }, .map = map, .unmap = unmap, .complain = complain
};

/* ---- messages ---- */

static enum err open_post_port(struct vmbus *v, uint32_t connection, handle_t *out)
{
    enum err err = sys_port_create(v->machine->partition, connection, 0, out);

    return err ? err : sys_bind(*out, BIND_PORT, v->machine->wake, WAKE_POSTS);
}

enum err vmbus_open(struct vmbus *v, struct machine *m)
{
    enum err err;

    v->machine = m;
    server_init(&v->server, &ops, v, m->vcpu_count);
    err = open_post_port(v, VMBUS_CONNECTION, &v->posts[0]);
    if (!err)
        err = open_post_port(v, VMBUS_CONNECTION_OLD, &v->posts[1]);
    return err ? err : sys_bind(m->partition, BIND_SLOT_FREE, m->wake, WAKE_SLOT);
}

/* From the ports to the inbox, as far as that has room. True: it has got something. */
static bool take_posts(struct vmbus *v)
{
    struct hv_post_message in;
    uint64_t unused;
    bool has_taken = false;

    for (unsigned i = 0; i < array_count(v->posts); i++)
        while (v->count < VMBUS_INBOX_MAX && sys_port_take(v->posts[i], &in, &unused) == OK) {
            struct server_message *m = &v->inbox[(v->head + v->count) % VMBUS_INBOX_MAX];

            has_taken = true;
            if (in.type != VMBUS_MESSAGE_TYPE)
                continue;
            *m = (struct server_message){ .bytes = min(in.payload_bytes, SYNIC_PAYLOAD_BYTES) };
            memcpy(m->payload, in.payload, m->bytes);
            v->count++;
        }
    return has_taken;
}

/* From the inbox through the server, as far as it has room for answers. */
static bool obey(struct vmbus *v)
{
    bool has_obeyed = false;

    while (v->count && server_has_room(&v->server)) {
        const struct server_message *m = &v->inbox[v->head];

        server_message(&v->server, m->payload, m->bytes);
        v->head = (v->head + 1) % VMBUS_INBOX_MAX;
        v->count--;
        has_obeyed = true;
    }
    return has_obeyed;
}

/* From the server to the guest, until the slot is taken; WAKE_SLOT tells when it is free. What a
 * guest does not want to hear (its message page is off) is dropped. */
static bool deliver(struct vmbus *v)
{
    const struct server_message *m;
    bool has_delivered = false;

    while ((m = server_next(&v->server)) != NULL) {
        struct synic_message out = { .type = VMBUS_MESSAGE_TYPE,
                                     .payload_bytes = (uint8_t)m->bytes };

        memcpy(out.payload, m->payload, m->bytes);
        if (sys_synic_post(v->machine->partition, m->vp, VMBUS_SINT, &out) == ERR_FULL)
            break;
        server_sent(&v->server);
        has_delivered = true;
    }
    return has_delivered;
}

static void serve_messages(struct vmbus *v)
{
    bool goes_on = true;

    while (goes_on) {
        goes_on = take_posts(v);
        goes_on |= obey(v);
        goes_on |= deliver(v);
    }
}

/* ---- signals ---- */

/* A channel that had its turn and has more comes again after all that waits now. */
static void serve_channel(struct vmbus *v, uint32_t id)
{
    bool is_direct = id < VMBUS_DIRECT_CHANNELS;

    if (likely(!server_signalled(&v->server, id)))
        return;
    if (!is_direct)
        v->more[row_of(id)] |= 1ull << (id - VMBUS_DIRECT_CHANNELS) % 64;
    sys_signal_raise(v->machine->wake, 1ull << (is_direct ? WAKE_EVENTS + id : WAKE_ROWS));
}

static void serve_channels(struct vmbus *v, uint32_t first, uint64_t flags)
{
    for (; flags; flags &= flags - 1)
        serve_channel(v, first + (unsigned)__builtin_ctzll(flags));
}

static void serve_rows(struct vmbus *v)
{
    uint64_t flags, more;

    for (uint32_t i = 0; i < VMBUS_ROWS; i++) {
        if (v->rows[i] == HANDLE_NONE)
            continue;
        if (sys_port_take(v->rows[i], NULL, &flags))
            flags = 0;
        more = v->more[i];
        v->more[i] = 0;
        serve_channels(v, VMBUS_DIRECT_CHANNELS + 64 * i, flags | more);
    }
}

void vmbus_serve(struct vmbus *v, uint64_t bits)
{
    const uint64_t messages = 1ull << WAKE_POSTS | 1ull << WAKE_SLOT;

    serve_channels(v, 0, bits >> WAKE_EVENTS);
    if (unlikely(bits & 1ull << WAKE_ROWS))
        serve_rows(v);
    if (bits & messages || v->server.count || v->server.next_work < v->server.channel_limit)
        serve_messages(v);
}

void vmbus_resumed(struct vmbus *v)
{
    for (uint32_t id = 1; id < v->server.channel_limit; id++) {
        struct channel *c = server_channel(&v->server, id);

        if (!c || c->state != CHANNEL_OPEN)
            continue;
        signal(c);
        serve_channel(v, id);
    }
    serve_messages(v);
}

/* ---- saving ---- */

void vmbus_save(struct vmbus *v, struct image_writer *w)
{
    (void)take_posts(v); /* the inbox holds what both ports can */
    server_save(&v->server, w);
    for (uint32_t i = 0; i < v->count; i++) {
        const struct server_message *m = &v->inbox[(v->head + i) % VMBUS_INBOX_MAX];
        struct record_vmbus_message r = { .bytes = m->bytes };

        memcpy(r.payload, m->payload, sizeof(r.payload));
        image_put(w, RECORD_VMBUS_MESSAGE, &r, sizeof(r));
    }
}

static enum err restore_inbox(struct vmbus *v, const struct record_vmbus_message *r)
{
    struct server_message *m = &v->inbox[(v->head + v->count) % VMBUS_INBOX_MAX];

    if (v->count == VMBUS_INBOX_MAX || r->bytes > sizeof(m->payload))
        return ERR_FORMAT;
    *m = (struct server_message){ .bytes = r->bytes };
    memcpy(m->payload, r->payload, sizeof(m->payload));
    v->count++;
    return OK;
}

enum err vmbus_restore(struct vmbus *v, const struct record *r, const void *payload)
{
    struct record_vmbus_message m;

    if (r->type == RECORD_VMBUS_MESSAGE && r->bytes == sizeof(m)) {
        memcpy(&m, payload, sizeof(m));
        if (!m.is_to_guest)
            return restore_inbox(v, &m);
    }
    return server_restore(&v->server, r, payload);
}
