#include "tests/unit/services/vmm/vsp/fake_nic.h"

#include <stdlib.h>
#include <string.h>

#define TURNS_MAX 10000u

static void must(bool what)
{
    if (!what)
        abort();
}

/* ---- the machine ---- */

static enum err lend(void *ctx, enum netvsp_buffer which, uint32_t gpadl, uint8_t **at,
                     uint64_t *bytes)
{
    struct fake_nic *f = ctx;

    must(!f->is_lent[which]);
    if (f->refuses_views)
        return ERR_MEMORY;
    if (gpadl < FAKE_GPADL_RECEIVE || gpadl > FAKE_GPADL_TINY)
        return ERR_ARGUMENT;
    *at = gpadl == FAKE_GPADL_RECEIVE ? f->receive : f->send;
    *bytes = gpadl == FAKE_GPADL_TINY      ? 4096
             : gpadl == FAKE_GPADL_RECEIVE ? FAKE_RECEIVE_BYTES
                                           : FAKE_SEND_BYTES;
    f->is_lent[which] = true;
    return OK;
}

static void revoke(void *ctx, enum netvsp_buffer which)
{
    struct fake_nic *f = ctx;

    must(f->is_lent[which]);
    f->is_lent[which] = false;
}

static enum err hand_over(void *ctx)
{
    struct fake_nic *f = ctx;

    must(f->is_lent[NETVSP_RECEIVE] && f->is_lent[NETVSP_SEND]);
    f->hand_overs++;
    return OK;
}

static void *allocate(void *ctx, uint64_t bytes)
{
    struct fake_nic *f = ctx;

    if (f->refuses_memory)
        return NULL;
    f->allocations++;
    return calloc(1, bytes);
}

static void release(void *ctx, void *p)
{
    struct fake_nic *f = ctx;

    f->allocations--;
    free(p);
}

static enum err read(void *ctx, gpa_t gpa, void *to, uint64_t bytes)
{
    struct fake_nic *f = ctx;

    if (!range_fits(gpa.v, bytes, sizeof(f->memory)))
        return ERR_GUEST;
    memcpy(to, (const uint8_t *)f->memory + gpa.v, bytes);
    return OK;
}

static uint32_t add_channels(void *ctx, uint32_t count)
{
    struct fake_nic *f = ctx;

    count -= min(count, f->channels_refused);
    f->channels_offered += count;
    return count;
}

static void signal_switch(void *ctx)
{
    ((struct fake_nic *)ctx)->switch_signals++;
}

static void serve_later(void *ctx)
{
    ((struct fake_nic *)ctx)->must_serve = true;
}

static void changed(void *ctx)
{
    ((struct fake_nic *)ctx)->changes++;
}

static const struct netvsp_ops ops = { lend, revoke,       hand_over,     allocate,    release,
                                       read, add_channels, signal_switch, serve_later, changed };

void fake_nic_init(struct fake_nic *f, uint32_t queue_max)
{
    memset(f, 0, sizeof(*f));
    f->config = (struct vmm_nic){ .number = 3,
                                  .flags = NIC_IS_PRESENT | NIC_LINK_IS_UP | NIC_MAY_CHANGE_MAC,
                                  .speed_bits = 10000000000ull,
                                  .mac = { { 0, 0x15, 0x5d, 1, 2, 3 } },
                                  .name = "web/nic3" };
    netvsp_init(&f->n, &ops, f, &f->config, queue_max);
}

/* As nics.c does it, for a guest whose vCPU halts as soon as it has written something. */
static void serve_what_waits(struct fake_nic *f)
{
    for (uint32_t turns = 0; f->must_serve || f->n.is_polled; turns++) {
        must(turns < TURNS_MAX);
        if (f->must_serve) {
            f->must_serve = false;
            netvsp_serve(&f->n);
        }
        netvsp_poll(&f->n);
        if (!netvsp_rest(&f->n) && !f->must_serve)
            return;
        if (f->n.is_stuck && !f->must_serve)
            return; /* it waits for the switch, or for the guest to make room */
    }
}

void fake_nic_serve(struct fake_nic *f)
{
    f->must_serve = true;
    serve_what_waits(f);
}

void fake_nic_end(struct fake_nic *f)
{
    for (unsigned i = NIC_CHANNELS_MAX; i--;)
        if (f->n.channels[i])
            fake_nic_close(f, i);
    netvsp_unlink(&f->n);
    must(!f->allocations && !f->is_lent[NETVSP_RECEIVE] && !f->is_lent[NETVSP_SEND]);
}

static void check_chains(const struct netvsp *n, const uint32_t *count)
{
    uint32_t in_chains = 0;

    for (uint32_t i = 0; i < n->slots.count; i++) {
        if (n->slots.place[i] != SLOT_AT_GUEST_FIRST)
            continue;
        in_chains++;
        for (uint32_t at = i; n->slots.next[at] != at; in_chains++) {
            at = n->slots.next[at];
            must(at < n->slots.count && n->slots.place[at] == SLOT_AT_GUEST);
            must(in_chains <= n->slots.count);
        }
    }
    must(in_chains == count[SLOT_AT_GUEST] + count[SLOT_AT_GUEST_FIRST]);
}

void fake_nic_check(const struct fake_nic *f)
{
    const struct netvsp *n = &f->n;
    uint32_t count[SLOT_AT_GUEST_FIRST + 1] = { 0 }, used = 0;

    must(n->flight_count <= NETVSP_FLIGHT_MAX && n->send_count <= NETVSP_SENDS_MAX);
    must(n->batch_count <= NETVSP_BATCH_MAX && n->return_count <= NETVSP_RETURNS_MAX);
    for (uint32_t i = 0; i < n->flight_count; i++)
        used += n->flight[(n->flight_first + i) % NETVSP_FLIGHT_MAX].arena_bytes;
    must(used == n->arena_used && used <= NETVSP_ARENA_BYTES);
    for (uint32_t i = 0; i < n->slots.count; i++) {
        must(n->slots.place[i] <= SLOT_AT_GUEST_FIRST);
        count[n->slots.place[i]]++;
    }
    must(count[SLOT_IN_BATCH] == n->batch_count);
    for (uint32_t i = 0; i < n->batch_count; i++)
        must(n->slots.place[n->batch[i].slot] == SLOT_IN_BATCH);
    must(n->is_connected || !count[SLOT_AT_SWITCH]);
    must(!n->is_connected || (n->has_link && n->state == NIC_READY));
    must((n->state == NIC_READY) == (n->buffers[0] && n->buffers[1]));
    check_chains(n, count);
}

/* ---- the guest ---- */

static void signalled(struct channel *c)
{
    struct fake_nic *f = c->mapping_ctx;

    f->signals[c->subchannel]++;
}

/* Both sides go on where the ring's pages say. */
static void attach(struct fake_nic *f, unsigned channel)
{
    struct fake_rings *r = &f->rings[channel];
    struct channel *c = &f->channels[channel];

    *c = (struct channel){ .id = channel + 1,
                           .state = CHANNEL_OPEN,
                           .subchannel = (uint16_t)channel,
                           .is_announced = true,
                           .signal = signalled,
                           .mapping_ctx = f };
    must(!ring_attach_reader(&c->in, r->from_guest, FAKE_RING_BYTES) &&
         !ring_attach_writer(&c->out, r->to_guest, FAKE_RING_BYTES) &&
         !ring_attach_writer(&f->out[channel], r->from_guest, FAKE_RING_BYTES) &&
         !ring_attach_reader(&f->in[channel], r->to_guest, FAKE_RING_BYTES));
}

void fake_nic_open(struct fake_nic *f, unsigned channel)
{
    struct fake_rings *r = &f->rings[channel];

    memset(r, 0, sizeof(*r));
    ring_init((void *)r->from_guest);
    ring_init((void *)r->to_guest);
    attach(f, channel);
    netvsp_opened(&f->n, &f->channels[channel]);
}

void fake_nic_copy(struct fake_nic *f, const struct fake_nic *from,
                   struct channel *open[NIC_CHANNELS_MAX])
{
    fake_nic_init(f, from->n.rndis.queue_max);
    f->transaction = from->transaction;
    memcpy(f->receive, from->receive, sizeof(f->receive));
    memcpy(f->send, from->send, sizeof(f->send));
    memcpy(f->memory, from->memory, sizeof(f->memory));
    memcpy(f->rings, from->rings, sizeof(f->rings));
    for (unsigned i = 0; i < NIC_CHANNELS_MAX; i++) {
        open[i] = from->n.channels[i] ? &f->channels[i] : NULL;
        if (open[i])
            attach(f, i);
    }
}

void fake_nic_close(struct fake_nic *f, unsigned channel)
{
    struct channel *c = &f->channels[channel];

    netvsp_closed(&f->n, c);
    memset(&c->in, 0xee, sizeof(c->in)); /* who still uses them shall notice */
    memset(&c->out, 0xee, sizeof(c->out));
    c->state = CHANNEL_OFFERED;
    c->is_broken = false;
}

/* As the server does it: another turn when there is more. */
void fake_nic_signal(struct fake_nic *f, unsigned channel)
{
    struct channel *c = &f->channels[channel];

    for (uint32_t turns = 0; c->state == CHANNEL_OPEN; turns++) {
        c->turn = CHANNEL_TURN_MAX;
        c->has_more = false;
        netvsp_signalled(&f->n, c);
        serve_what_waits(f);
        if (!c->has_more || c->is_broken)
            return;
        must(turns < TURNS_MAX);
    }
}

bool fake_nic_put(struct fake_nic *f, unsigned channel, uint16_t type, uint16_t flags,
                  uint64_t transaction, const struct ring_part *parts, unsigned count,
                  uint16_t offset8)
{
    struct ring_packet h = {
        .type = type, .flags = flags, .transaction = transaction, .offset8 = offset8
    };

    if (ring_put(&f->out[channel], &h, parts, count))
        return false;
    if (ring_publish(&f->out[channel]))
        fake_nic_signal(f, channel);
    return true;
}

bool fake_nic_take(struct fake_nic *f, unsigned channel, struct fake_packet *out)
{
    struct ring *r = &f->in[channel];
    uint32_t at;

    if (ring_peek(r, &out->h))
        return false;
    out->n = ring_packet_bytes(&out->h) - (uint32_t)sizeof(out->h);
    must(out->n <= sizeof(out->bytes) &&
         !ring_read(r, &out->h, sizeof(out->h), out->bytes, out->n));
    at = ring_payload_offset(&out->h) - (uint32_t)sizeof(out->h);
    memset(&out->m, 0, sizeof(out->m));
    memcpy(&out->m, out->bytes + at, min(sizeof(out->m), (size_t)(out->n - at)));
    ring_advance(r, &out->h);
    if (ring_commit(r))
        fake_nic_signal(f, channel);
    return true;
}

void fake_nic_tell(struct fake_nic *f, const struct nvsp_message *m)
{
    struct ring_part part = { m, sizeof(*m) };

    must(fake_nic_put(f, 0, RING_DATA_INBAND, 0, ++f->transaction, &part, 1, 0));
}

bool fake_nic_ask(struct fake_nic *f, const struct nvsp_message *m, struct nvsp_message *answer)
{
    struct ring_part part = { m, sizeof(*m) };
    static struct fake_packet p;

    must(fake_nic_put(f, 0, RING_DATA_INBAND, RING_FLAG_WANTS_COMPLETION, ++f->transaction, &part,
                      1, 0));
    if (!fake_nic_take(f, 0, &p) || p.h.type != RING_COMPLETION ||
        p.h.transaction != f->transaction || p.n < sizeof(*answer))
        return false;
    *answer = p.m;
    return true;
}

/* As Linux has it: the configuration has no answer, buffers have one each. */
static bool lend_buffers(struct fake_nic *f, uint32_t mtu)
{
    struct nvsp_message m = { .type = NVSP_SEND_NDIS_CONFIG,
                              .ndis_config = { mtu + ETHERNET_HEADER_BYTES, 0, { 8, 0 } } },
                        a;

    fake_nic_tell(f, &m);
    fake_nic_tell(
        f, &(struct nvsp_message){ .type = NVSP_SEND_NDIS_VERSION, .ndis_version = { 6, 30 } });
    m = (struct nvsp_message){ .type = NVSP_SEND_RECEIVE_BUFFER,
                               .buffer = { FAKE_GPADL_RECEIVE, NVSP_RECEIVE_BUFFER_ID } };
    if (!fake_nic_ask(f, &m, &a) || a.type != NVSP_RECEIVE_BUFFER_COMPLETE ||
        a.receive_buffer_complete.status != NVSP_STATUS_SUCCESS)
        return false;
    m = (struct nvsp_message){ .type = NVSP_SEND_SEND_BUFFER,
                               .buffer = { FAKE_GPADL_SEND, NVSP_SEND_BUFFER_ID } };
    return fake_nic_ask(f, &m, &a) && a.type == NVSP_SEND_BUFFER_COMPLETE &&
           a.send_buffer_complete.status == NVSP_STATUS_SUCCESS;
}

bool fake_nic_negotiate(struct fake_nic *f, uint32_t version, uint32_t mtu)
{
    struct nvsp_message m = { .type = NVSP_INIT, .init = { version, version } }, a;
    struct rndis_initialize in = { 1, 1, 0, 0x4000 };
    uint8_t answer[RNDIS_ANSWER_BYTES_MAX];

    return fake_nic_ask(f, &m, &a) && a.type == NVSP_INIT_COMPLETE &&
           a.init_complete.status == NVSP_STATUS_SUCCESS && lend_buffers(f, mtu) &&
           fake_nic_rndis(f, RNDIS_INITIALIZE, &in, sizeof(in), answer) == 52;
}

void fake_nic_ready(struct fake_nic *f, uint32_t queue_max, uint32_t mtu)
{
    fake_nic_init(f, queue_max);
    fake_nic_link(f);
    fake_nic_open(f, 0);
    must(fake_nic_negotiate(f, NVSP_VERSION_6_1, mtu));
    fake_nic_read_link(f);
}

/* The message lies in the guest's last page. */
uint32_t fake_nic_rndis(struct fake_nic *f, uint32_t type, const void *body, uint32_t n,
                        uint8_t *answer)
{
    const uint64_t page = FAKE_GUEST_PAGES - 1;
    struct rndis_head h = { type, (uint32_t)sizeof(h) + n };
    struct nvsp_message m = { .type = NVSP_SEND_RNDIS_PACKET,
                              .rndis = { NVSP_CHANNEL_CONTROL, NVSP_NO_SECTION, 0 } };
    struct gpa_direct head = { 0, 1 };
    struct gpa_range range = { h.bytes, 16 };
    struct ring_part parts[] = {
        { &head, sizeof(head) }, { &range, sizeof(range) }, { &page, 8 }, { &m, sizeof(m) }
    };
    static struct fake_packet p;
    struct xfer_range at;

    memcpy(f->memory[page] + 16, &h, sizeof(h));
    memcpy(f->memory[page] + 16 + sizeof(h), body, n);
    must(fake_nic_put(f, 0, RING_DATA_GPA_DIRECT, RING_FLAG_WANTS_COMPLETION, ++f->transaction,
                      parts, 4, 5));
    if (!fake_nic_take(f, 0, &p) || p.h.type != RING_COMPLETION ||
        p.m.type != NVSP_RNDIS_PACKET_COMPLETE || p.m.rndis_complete.status != NVSP_STATUS_SUCCESS)
        return 0;
    if (!fake_nic_take(f, 0, &p) || p.h.type != RING_XFER_PAGES ||
        p.m.rndis.channel_type != NVSP_CHANNEL_CONTROL)
        return 0;
    memcpy(&at, p.bytes + sizeof(struct xfer_pages), sizeof(at));
    must(at.bytes <= RNDIS_ANSWER_BYTES_MAX && range_fits(at.offset, at.bytes, FAKE_RECEIVE_BYTES));
    memcpy(answer, f->receive + at.offset, at.bytes);
    must(fake_nic_return(f, 0, p.h.transaction));
    return at.bytes;
}

uint32_t fake_nic_set(struct fake_nic *f, uint32_t oid, const void *data, uint32_t n)
{
    uint8_t body[RNDIS_CONTROL_BYTES_MAX], answer[RNDIS_ANSWER_BYTES_MAX];
    struct rndis_query q = { 7, oid, n, sizeof(q), 0 };
    uint32_t status;

    memcpy(body, &q, sizeof(q));
    memcpy(body + sizeof(q), data, n);
    if (fake_nic_rndis(f, RNDIS_SET, body, (uint32_t)sizeof(q) + n, answer) != 16)
        return ~0u;
    memcpy(&status, answer + 12, sizeof(status));
    return status;
}

bool fake_nic_send(struct fake_nic *f, unsigned channel, uint32_t section, uint32_t bytes,
                   uint32_t page, uint32_t offset, uint32_t pages)
{
    struct nvsp_message m = { .type = NVSP_SEND_RNDIS_PACKET,
                              .rndis = { NVSP_CHANNEL_DATA, section, bytes } };
    struct gpa_direct head = { 0, 1 };
    struct gpa_range range = { pages, offset };
    uint64_t list[NETVSP_PAGES_MAX + 8];
    uint32_t count = (offset + pages + 4095) / 4096;
    struct ring_part parts[] = {
        { &head, sizeof(head) }, { &range, sizeof(range) }, { list, 8 * count }, { &m, sizeof(m) }
    };

    for (uint32_t i = 0; i < count; i++)
        list[i] = page + i;
    f->transaction++;
    if (pages)
        return fake_nic_put(f, channel, RING_DATA_GPA_DIRECT, RING_FLAG_WANTS_COMPLETION,
                            f->transaction, parts, 4, (uint16_t)(4 + count));
    return fake_nic_put(f, channel, RING_DATA_INBAND, RING_FLAG_WANTS_COMPLETION, f->transaction,
                        &parts[3], 1, 0);
}

uint32_t fake_nic_frame(void *at, uint32_t bytes, uint8_t fill)
{
    struct rndis_head h = { RNDIS_PACKET, 44 + bytes };
    struct rndis_packet p = { .data_offset = 36, .data_bytes = bytes };
    uint8_t *to = at;

    memcpy(to, &h, sizeof(h));
    memcpy(to + sizeof(h), &p, sizeof(p));
    memset(to + 44, fill, bytes);
    return h.bytes;
}

bool fake_nic_return(struct fake_nic *f, unsigned channel, uint64_t transaction)
{
    uint32_t done[2] = { NVSP_RNDIS_PACKET_COMPLETE, NVSP_STATUS_SUCCESS };
    struct ring_part part = { done, sizeof(done) };

    return fake_nic_put(f, channel, RING_COMPLETION, 0, transaction, &part, 1, 0);
}

/* ---- the switch ---- */

void fake_nic_link(struct fake_nic *f)
{
    uint8_t *down = f->link + 4096 + PORT_LINK_DATA_BYTES;

    ring_init((void *)f->link);
    ring_init((void *)down);
    must(!ring_attach_reader(&f->link_in, f->link, PORT_LINK_DATA_BYTES) &&
         !ring_attach_writer(&f->link_out, down, PORT_LINK_DATA_BYTES));
    memset(f->has_slot, 0, sizeof(f->has_slot));
    f->slots = f->send_count = f->sent_count = 0;
    must(netvsp_link(&f->n, f->link, f->arena, ++f->epoch) == OK);
    serve_what_waits(f);
}

static void take_slots(struct fake_nic *f, const uint8_t *bytes, uint32_t count)
{
    struct port_slots s;

    for (uint32_t i = 0; i < count; i++) {
        memcpy(&s, bytes + i * sizeof(s), sizeof(s));
        for (uint32_t slot = s.first; s.count; slot++, s.count--) {
            f->is_wrong |=
                slot < NETVSP_CONTROL_SLOTS || slot >= f->connect.slot_count || f->has_slot[slot];
            f->has_slot[slot] = true;
            f->slots++;
        }
    }
}

static void take_sends(struct fake_nic *f, const uint8_t *bytes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct port_send *s = &f->sends[f->send_count++ % FAKE_SENDS_MAX];
        uint64_t room;

        memcpy(s, bytes + i * sizeof(*s), sizeof(*s));
        room = s->flags & PORT_SEND_FROM_ARENA ? f->connect.arena_bytes : f->connect.send_bytes;
        f->is_wrong |= !range_fits(s->offset, s->bytes, room);
    }
}

static void take_connect(struct fake_nic *f, const uint8_t *bytes, uint32_t generation)
{
    memcpy(&f->connect, bytes, sizeof(f->connect));
    f->connects++;
    f->is_wrong |= !generation || generation == f->generation;
    f->generation = generation;
    memset(f->has_slot, 0, sizeof(f->has_slot));
    f->slots = f->send_count = f->sent_count = 0;
}

static void take_message(struct fake_nic *f, const uint8_t *bytes)
{
    struct port_message m;

    memcpy(&m, bytes, sizeof(m));
    bytes += sizeof(m);
    f->is_wrong |= m.type != PORT_CONNECT && m.generation != f->generation;
    switch (m.type) {
    case PORT_CONNECT: take_connect(f, bytes, m.generation); break;
    case PORT_DISCONNECT: f->disconnects++; break;
    case PORT_FILTER: memcpy(&f->takes, bytes, sizeof(f->takes)); break;
    case PORT_SEND: take_sends(f, bytes, m.count); break;
    case PORT_RETURN: take_slots(f, bytes, m.count); break;
    default: f->is_wrong = true;
    }
}

void fake_nic_read_link(struct fake_nic *f)
{
    static uint8_t bytes[PORT_LINK_DATA_BYTES];
    struct ring_packet h;

    while (f->n.has_link && ring_peek(&f->link_in, &h) == OK) {
        uint32_t n = ring_payload_bytes(&h);

        must(!ring_read(&f->link_in, &h, ring_payload_offset(&h), bytes, n));
        ring_advance(&f->link_in, &h);
        take_message(f, bytes);
        if (ring_commit(&f->link_in))
            fake_nic_serve(f);
    }
}

bool fake_nic_say(struct fake_nic *f, uint16_t type, uint32_t generation, const void *payload,
                  uint32_t bytes, uint16_t count)
{
    struct port_message m = { type, count, generation };
    struct ring_packet h = { .type = RING_DATA_INBAND };
    struct ring_part parts[] = { { &m, sizeof(m) }, { payload, bytes } };

    if (!f->n.has_link || ring_put(&f->link_out, &h, parts, bytes ? 2 : 1))
        return false;
    if (ring_publish(&f->link_out))
        fake_nic_serve(f);
    return true;
}

void fake_nic_sent(struct fake_nic *f, uint32_t count)
{
    struct port_sent sent = { count, 0 };

    f->sent_count += count;
    must(fake_nic_say(f, PORT_SENT, f->generation, &sent, sizeof(sent), 1));
}

static uint32_t next_slot(struct fake_nic *f)
{
    for (uint32_t i = 0; i < FAKE_SLOTS_MAX; i++)
        if (f->has_slot[i])
            return i;
    abort();
}

bool fake_nic_receive(struct fake_nic *f, const void *frame, uint32_t bytes, uint32_t part,
                      uint16_t flags)
{
    struct port_received e[64];
    uint32_t count = (bytes + part - 1) / part, free;

    if (!f->n.has_link || count > f->slots || count > 64 || ring_free(&f->link_out, &free) ||
        free < 64 + count * sizeof(e[0]))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = next_slot(f), n = min(part, bytes - i * part);

        f->has_slot[slot] = false;
        f->slots--;
        memcpy(f->receive + slot * f->connect.slot_bytes + f->connect.frame_offset,
               (const uint8_t *)frame + i * part, n);
        e[i] = (struct port_received){ .slot = slot, .bytes = n, .flags = flags };
        e[i].flags |= i + 1 < count ? PORT_RECEIVED_MORE : 0;
    }
    return fake_nic_say(f, PORT_RECEIVED, f->generation, e, count * (uint32_t)sizeof(e[0]),
                        (uint16_t)count);
}
