#include "tests/unit/services/switch/fake_net.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "services/rt/log.h"
#include "services/rt/sys.h"
#include "services/switch/bytes.h"
#include "services/switch/config.h"
#include "services/switch/link.h"

#define RING_BYTES (PAGE_BYTES + PORT_LINK_DATA_BYTES)

struct object {
    uint8_t *memory;
    uint64_t bytes;
    bool is_read_only, is_ours;
    handle_t queue[8];
    unsigned queue_count;
};

struct core net;
struct switch_board net_board;
uint64_t net_now;
unsigned net_objects_open;
static struct object objects[4096];
static unsigned object_count;

static handle_t make(uint64_t bytes, bool is_read_only)
{
    if (object_count == array_count(objects))
        abort();
    objects[object_count] =
        (struct object){ .memory = calloc(1, bytes), .bytes = bytes, .is_read_only = is_read_only };
    return ++object_count;
}

static struct object *at(handle_t h)
{
    if (!h || h > object_count)
        abort();
    return &objects[h - 1];
}

void log_line(const char *fmt, ...)
{
}

enum err sys_handle_close(handle_t h)
{
    at(h);
    net_objects_open--;
    return OK;
}

enum err sys_unmap(void *address)
{
    net_objects_open--;
    return address ? OK : ERR_ARGUMENT;
}

enum err sys_bind(handle_t h, enum bind_event event, handle_t signal, unsigned bit)
{
    return bit < 64 && at(h) ? OK : ERR_ARGUMENT;
}

enum err sys_region_create(handle_t budget, uint64_t bytes, handle_t *out)
{
    *out = make(bytes, false);
    net_objects_open++;
    return OK;
}

static enum err map(handle_t h, uint64_t bytes, bool is_exact, unsigned prot, void **out)
{
    struct object *o = at(h);

    if (bytes > o->bytes || (is_exact && bytes != o->bytes) ||
        (prot & PROT_WRITE && o->is_read_only))
        return ERR_ARGUMENT;
    *out = o->memory;
    net_objects_open++;
    return OK;
}

enum err sys_region_map(handle_t h, uint64_t offset, uint64_t bytes, unsigned prot, void **out)
{
    return offset ? ERR_ARGUMENT : map(h, bytes, false, prot, out);
}

enum err sys_view_map_checked(handle_t h, uint64_t bytes, unsigned prot, void **out)
{
    return map(h, bytes, true, prot, out);
}

enum err sys_channel_map(handle_t h, void **out)
{
    return map(h, 0, false, 0, out);
}

enum err sys_channel_signal(handle_t h)
{
    return at(h) ? OK : ERR_HANDLE;
}

enum err sys_channel_take_handle(handle_t h, handle_t *out)
{
    struct object *o = at(h);

    if (!o->queue_count)
        return ERR_EMPTY;
    *out = o->queue[0];
    memmove(o->queue, o->queue + 1, --o->queue_count * sizeof(o->queue[0]));
    net_objects_open++;
    return OK;
}

void net_send_handle(handle_t channel, handle_t h)
{
    struct object *o = at(channel);

    if (o->queue_count < array_count(o->queue))
        o->queue[o->queue_count++] = h;
}

handle_t net_object(uint64_t bytes, uint8_t **memory)
{
    handle_t h = make(bytes, false);

    *memory = at(h)->memory;
    return h;
}

void net_reset(void)
{
    struct switch_config s = { .index = 0, .type = SWITCH_PRIVATE, .name = "net" };

    for (unsigned i = 0; i < object_count; i++)
        free(objects[i].memory);
    object_count = 0;
    net_objects_open = 0;
    memset(&net_board, 0, sizeof(net_board));
    net_now = 1000 * NS_PER_SECOND;
    core_init(&net, &net_board, 1, 1, 42);
    core_begin(&net, net_now);
    if (config_set_switch(&net, &s))
        abort();
    core_end(&net);
}

struct port_config net_config(uint16_t port)
{
    struct port_config p = { .index = port,
                             .flags = PORT_IS_UP,
                             .learned_max = 16,
                             .flood_copies_per_second = 1000000,
                             .flood_burst = 1000000,
                             .mac = { { 2, 0, 0, 0, 0, (uint8_t)port } } };

    snprintf(p.name, sizeof(p.name), "vm%u/nic0", port);
    return p;
}

struct port_connect nic_usual(void)
{
    return (struct port_connect){ .send_bytes = NIC_SEND_BYTES,
                                  .receive_bytes = NIC_RECEIVE_BYTES,
                                  .arena_bytes = NIC_ARENA_BYTES,
                                  .slot_bytes = NIC_SLOT_BYTES,
                                  .slot_count = NIC_SLOTS,
                                  .frame_offset = NIC_FRAME_OFFSET,
                                  .mtu = MTU_USUAL };
}

void net_join(struct nic *n, const struct port_config *config)
{
    struct port_connect m = nic_usual();
    struct port_slots all = { 0, NIC_SLOTS };
    uint8_t *rings;

    *n = (struct nic){ .port = (uint16_t)config->index,
                       .channel = make(2 * RING_BYTES, false),
                       .got = n->got ? n->got : calloc(NIC_FRAMES_MAX, sizeof(struct got)) };
    rings = at(n->channel)->memory;
    ring_init((void *)rings);
    ring_init((void *)(rings + RING_BYTES));
    core_begin(&net, net_now);
    net_objects_open++;
    if (ring_attach_reader(&n->in, rings, PORT_LINK_DATA_BYTES) ||
        ring_attach_writer(&n->out, rings + RING_BYTES, PORT_LINK_DATA_BYTES) ||
        config_set_port(&net, config) || link_open(&net, &net.ports[n->port], n->channel))
        abort();
    core_end(&net);
    n->handles[0] = make(NIC_SEND_BYTES, true);
    n->handles[1] = make(NIC_RECEIVE_BYTES, false);
    n->handles[2] = make(NIC_ARENA_BYTES, true);
    n->send = at(n->handles[0])->memory;
    n->receive = at(n->handles[1])->memory;
    n->arena = at(n->handles[2])->memory;
    nic_connect(n, &m);
    nic_filter(n, NIC_TAKES_ALL);
    nic_say(n, PORT_RETURN, 1, &all, sizeof(all));
    net_round();
}

void net_round(void)
{
    for (unsigned i = 0; i < 1000 && (!i || net.drr.count); i++)
        (void)!core_round(&net, ~0ull, net_now);
}

void net_settle(void)
{
    net_round();
    net_now += SENT_HELD_NS;
    net_round();
}

int64_t net_imbalance(void)
{
    int64_t sum = 0;

    for (unsigned i = 0; i < PORTS_MAX; i++) {
        const struct port_counters *n = &net_board.ports[i].counters;
        uint64_t labels = n->paths[PATH_SWITCH];

        sum += (int64_t)(n->in_frames + n->replicas + n->segments - n->lso_sends - n->out_frames);
        for (unsigned r = 0; r < DROP_REASON_COUNT; r++) {
            sum -= (int64_t)(n->in_drops[r] + n->out_drops[r]);
            labels += n->in_drops[r];
        }
        if (labels != n->in_frames)
            return INT64_MAX; /* a frame has no label, or two */
    }
    return sum;
}

void nic_say(struct nic *n, uint16_t type, uint16_t count, const void *elements, uint32_t bytes)
{
    struct ring_packet packet = { .type = RING_DATA_INBAND };
    struct port_message m = { type, count, n->generation };
    struct ring_part parts[] = { { &m, sizeof(m) }, { elements, bytes } };

    if (ring_put(&n->out, &packet, parts, 2) == OK)
        (void)!ring_publish(&n->out);
}

void nic_connect(struct nic *n, const struct port_connect *m)
{
    for (unsigned i = 0; i < 3; i++)
        net_send_handle(n->channel, n->handles[i]);
    n->generation++;
    nic_say(n, PORT_CONNECT, 1, m, sizeof(*m));
}

void nic_filter(struct nic *n, uint32_t takes)
{
    struct port_filter m = { takes, 0 };

    nic_say(n, PORT_FILTER, 1, &m, sizeof(m));
    net_round();
}

void nic_send(struct nic *n, const void *frame, uint32_t bytes, struct port_send s)
{
    if (n->next_at + bytes > NIC_SEND_BYTES)
        n->next_at = 0;
    memcpy(n->send + n->next_at, frame, bytes);
    s.offset = n->next_at;
    s.bytes = bytes;
    n->next_at += (bytes + 7) & ~7u;
    nic_say(n, PORT_SEND, 1, &s, sizeof(s));
}

static void take(struct nic *n, const struct port_received *e, uint16_t *more)
{
    struct got *g = &n->got[n->got_count];
    struct port_slots back = { e->slot, 1 };

    if (!*more)
        g->bytes = g->pieces = 0;
    memcpy(g->data + g->bytes, n->receive + (uint64_t)e->slot * NIC_SLOT_BYTES + NIC_FRAME_OFFSET,
           e->bytes);
    g->bytes += e->bytes;
    g->pieces++;
    g->flags = e->flags;
    g->tci = e->tci;
    *more = e->flags & PORT_RECEIVED_MORE;
    if (!*more)
        n->got_count++;
    if (!n->keeps_slots)
        nic_say(n, PORT_RETURN, 1, &back, sizeof(back));
}

static void hear(struct nic *n, const struct ring_packet *h)
{
    static uint8_t payload[PORT_LINK_DATA_BYTES];
    const struct port_message *m = (void *)payload;
    const struct port_received *e = (void *)(m + 1);
    uint16_t more = 0;

    if (ring_read(&n->in, h, ring_payload_offset(h), payload, ring_payload_bytes(h)))
        abort();
    if (m->generation != n->generation)
        return;
    if (m->type == PORT_SENT)
        n->sent += ((const struct port_sent *)(m + 1))->count;
    for (unsigned i = 0; m->type == PORT_RECEIVED && i < m->count; i++)
        take(n, &e[i], &more);
}

void nic_poll(struct nic *n)
{
    struct ring_packet h;

    n->got_count = 0;
    while (n->got_count + PORT_BATCH < NIC_FRAMES_MAX && ring_peek(&n->in, &h) == OK) {
        hear(n, &h);
        ring_advance(&n->in, &h);
        (void)!ring_commit(&n->in);
    }
}

uint32_t frame_make(uint8_t *frame, uint8_t from, uint8_t to, uint32_t bytes)
{
    static const uint8_t from_mac[6] = { 2 };

    memset(frame, to == 255 ? 0xff : 0, 6);
    if (to != 255) {
        frame[0] = 2;
        frame[5] = to;
    }
    memcpy(frame + 6, from_mac, 6);
    frame[11] = from;
    be16_put(frame + 12, 0x88b5);
    for (uint32_t i = 14; i < bytes; i++)
        frame[i] = (uint8_t)(i * 7 + from);
    return bytes;
}

uint16_t plain_sum(const uint8_t *data, size_t bytes, uint32_t begin)
{
    uint32_t sum = begin;

    for (size_t i = 0; i < bytes; i++) {
        sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

static uint32_t pseudo(const uint8_t *ip, uint32_t protocol, uint32_t bytes)
{
    bool is_ipv6 = ip[0] >> 4 == 6;

    return plain_sum(ip + (is_ipv6 ? 8 : 12), is_ipv6 ? 32 : 8, protocol) + bytes;
}

uint32_t packet_make(uint8_t *frame, const struct packet_shape *s)
{
    bool is_ipv6 = s->flags & PORT_SEND_IPV6, is_udp = s->flags & PORT_SEND_UDP;
    bool is_lso = s->flags & PORT_SEND_LSO;
    uint32_t l4 = is_ipv6 ? 54 : 34, header = is_udp ? 8 : 32, protocol = is_udp ? 17 : 6;
    uint32_t bytes = frame_make(frame, s->from, s->to, l4 + header + s->payload_bytes);
    uint8_t *ip = frame + 14, *tcp = frame + l4;

    be16_put(frame + 12, is_ipv6 ? 0x86dd : 0x0800);
    memset(ip, 0, l4 - 14 + header);
    ip[0] = is_ipv6 ? 0x60 : 0x45;
    ip[is_ipv6 ? 6 : 9] = (uint8_t)protocol;
    ip[is_ipv6 ? 23 : 15] = s->from + 1;
    ip[is_ipv6 ? 39 : 19] = s->to + 1;
    if (!is_ipv6) {
        be16_put(ip + 2, is_lso ? 0 : (uint16_t)(bytes - 14));
        be16_put(ip + 4, 0xfffe); /* the id goes round */
        if (!is_lso)
            be16_put(ip + 10, (uint16_t)~plain_sum(ip, 20, 0));
    } else {
        be16_put(ip + 4, is_lso ? 0 : (uint16_t)(bytes - 54));
    }
    uint16_t sum = plain_sum(NULL, 0, pseudo(ip, protocol, is_lso ? 0 : bytes - l4));

    sum = (uint16_t)((pseudo(ip, protocol, is_lso ? 0 : bytes - l4) & 0xffff) +
                     (pseudo(ip, protocol, is_lso ? 0 : bytes - l4) >> 16));
    if (is_udp) {
        be16_put(tcp + 4, (uint16_t)(bytes - l4));
        be16_put(tcp + 6, sum);
        return bytes;
    }
    be32_put(tcp + 4, 0xffffff00); /* the sequence goes round */
    tcp[12] = 8 << 4;
    tcp[13] = s->tcp_flags;
    be16_put(tcp + 16, sum);
    return bytes;
}

const char *packet_wrong(const uint8_t *frame, uint32_t bytes)
{
    const uint8_t *ip = frame + 14;
    bool is_ipv6 = ip[0] >> 4 == 6;
    uint32_t l4 = is_ipv6 ? 54 : 34, protocol = ip[is_ipv6 ? 6 : 9];
    uint32_t end = is_ipv6 ? 54u + be16_get(ip + 4) : 14u + be16_get(ip + 2), sum;

    if (end > bytes || (end < bytes && bytes > 60))
        return "the IP length";
    if (!is_ipv6 && plain_sum(ip, 20, 0) != 0xffff)
        return "the IP checksum";
    sum = pseudo(ip, protocol, end - l4);
    if (plain_sum(frame + l4, end - l4, (sum & 0xffff) + (sum >> 16)) != 0xffff)
        return "the transport's checksum";
    return NULL;
}
