#include "tests/guest/netvsc.h"

#define PATIENCE  3000000u
#define HEAD_LEFT (NIC_FRAME_AT - sizeof(struct rndis_head))

static uint8_t rings[2 * NIC_RING_PAGES * 4096] __attribute__((aligned(4096)));
static uint8_t receive[NIC_RECEIVE_PAGES * 4096] __attribute__((aligned(4096)));
static uint8_t send[NIC_SEND_PAGES * 4096] __attribute__((aligned(4096)));
static uint8_t control[4096] __attribute__((aligned(4096)));

static void copy(void *to, const void *from, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++)
        ((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
}

/* ---- packets ---- */

static void publish(struct nic *n)
{
    if (ring_publish(&n->channel))
        channel_signal(&n->channel);
}

bool nic_put(struct nic *n, const struct nvsp_message *m, uint64_t transaction)
{
    uint64_t words[NVSP_MESSAGE_BYTES / 8];

    copy(words, m, sizeof(words));
    if (!ring_put(&n->channel, PACKET_INBAND, PACKET_WANTS, transaction, words, 5))
        return false;
    publish(n);
    return true;
}

bool nic_put_pages(struct nic *n, uint16_t type, const uint64_t *head, uint32_t words,
                   const struct nvsp_message *m)
{
    struct vmbus_channel *c = &n->channel;
    uint32_t at = c->out_at, read = c->out->read_index, bytes = 24 + words * 8 + NVSP_MESSAGE_BYTES;
    uint32_t free = read > at ? read - at : c->data_bytes - at + read;
    uint64_t first[2] = { type | (uint64_t)(2 + words) << 16 | (uint64_t)(7 + words) << 32 |
                              (uint64_t)PACKET_WANTS << 48,
                          ++n->transaction };
    uint64_t trailer = (uint64_t)at << 32, payload[NVSP_MESSAGE_BYTES / 8];

    if (free <= bytes)
        return false;
    copy(payload, m, sizeof(payload));
    at = ring_put_words(c, at, first, 2);
    at = ring_put_words(c, at, head, words);
    at = ring_put_words(c, at, payload, 5);
    c->out_at = ring_put_words(c, at, &trailer, 1);
    publish(n);
    return true;
}

bool nic_take(struct nic *n, struct nic_packet *p)
{
    static uint64_t words[NIC_RANGES + 64];
    struct vmbus_channel *c = &n->channel;
    uint32_t head, count, payload;

    if (c->in_at == __atomic_load_n(&c->in->write_index, __ATOMIC_ACQUIRE))
        return false;
    ring_take_words(c, c->in_at, words, 1);
    head = (uint32_t)(words[0] >> 16 & 0xffff);
    count = (uint32_t)(words[0] >> 32 & 0xffff);
    if (head < 2 || head > count || count > sizeof(words) / 8)
        return false;
    c->in_at = ring_take_words(c, c->in_at, words, count);
    c->in_at = c->in_at + 8 < c->data_bytes ? c->in_at + 8 : 0;
    ring_done(c);
    p->type = words[0] & 0xffff;
    p->transaction = words[1];
    p->range_count = p->type == RING_XFER_PAGES ? head - 3 : 0;
    copy(p->ranges, words + 3, p->range_count * 8);
    payload = (count - head) * 8;
    copy(&p->nvsp, words + head, payload < NVSP_MESSAGE_BYTES ? payload : NVSP_MESSAGE_BYTES);
    return true;
}

bool nic_return(struct nic *n, uint64_t transaction)
{
    uint64_t said = NVSP_RNDIS_PACKET_COMPLETE | (uint64_t)NVSP_STATUS_SUCCESS << 32;

    for (uint32_t i = 0; i < PATIENCE; i++) {
        if (ring_put(&n->channel, PACKET_COMPLETION, 0, transaction, &said, 1)) {
            publish(n);
            return true;
        }
        __asm__ volatile("pause");
    }
    return false;
}

static void take_message(struct nic *n, const struct xfer_range *r)
{
    uint8_t *at = n->receive + r->offset;
    struct rndis_head h;
    struct rndis_packet p;

    copy(&h, at, sizeof(h));
    if (h.type == RNDIS_PACKET) {
        copy(&p, at + sizeof(h), sizeof(p));
        n->frames++;
        if (n->frame)
            n->frame(n, at + sizeof(h) + p.data_offset, p.data_bytes);
        return;
    }
    n->answers++;
    n->answer_bytes = h.bytes < sizeof(n->answer) ? h.bytes : sizeof(n->answer);
    copy(n->answer, at, n->answer_bytes);
}

bool nic_serve(struct nic *n)
{
    static struct nic_packet p;

    if (!nic_take(n, &p))
        return false;
    if (p.type == PACKET_COMPLETION) {
        n->completed += p.transaction == 0; /* a frame */
        n->done = p.transaction ? p.transaction : n->done;
        n->said = p.nvsp;
        return true;
    }
    for (uint32_t i = 0; i < p.range_count; i++)
        take_message(n, &p.ranges[i]);
    n->kept = p.transaction;
    if (p.type == RING_XFER_PAGES && !(n->keeps && p.nvsp.rndis.channel_type == NVSP_CHANNEL_DATA))
        nic_return(n, p.transaction);
    return true;
}

/* ---- requests ---- */

static bool is_completed(struct nic *n, uint64_t transaction)
{
    for (uint32_t i = 0; i < PATIENCE && n->done != transaction; i++)
        if (!nic_serve(n))
            __asm__ volatile("pause");
    return n->done == transaction;
}

bool nic_ask(struct nic *n, const struct nvsp_message *m)
{
    return nic_put(n, m, ++n->transaction) && is_completed(n, n->transaction);
}

uint32_t nic_control(struct nic *n, const void *message, uint32_t bytes, bool has_answer)
{
    struct nvsp_message m = { .type = NVSP_SEND_RNDIS_PACKET,
                              .rndis = { NVSP_CHANNEL_CONTROL, NVSP_NO_SECTION, 0 } };
    uint64_t head[3] = { 1ull << 32, bytes, (uint64_t)control >> 12 };
    uint32_t before = n->answers;

    copy(control, message, bytes);
    if (!nic_put_pages(n, PACKET_GPA_DIRECT, head, bytes ? 3 : 2, &m) ||
        !is_completed(n, n->transaction))
        return ~0u;
    for (uint32_t i = 0; has_answer && i < PATIENCE && n->answers == before; i++)
        if (!nic_serve(n))
            __asm__ volatile("pause");
    return n->answers != before ? n->answer[3] : has_answer ? ~0u : 0;
}

uint32_t nic_oid(struct nic *n, uint32_t type, uint32_t oid, const void *data, uint32_t bytes)
{
    struct {
        struct rndis_head h;
        struct rndis_query q;
        uint8_t data[512];
    } m = { { type, (uint32_t)(sizeof(m.h) + sizeof(m.q)) + bytes },
            { 7, oid, bytes, sizeof(m.q), 0 },
            { 0 } };

    copy(m.data, data, bytes);
    return nic_control(n, &m, m.h.bytes, true);
}

/* ---- coming up ---- */

bool nic_connect(void)
{
    static bool is_on;

    is_on = is_on || vmbus_synic_on();
    return is_on && vmbus_contact(VMBUS_VERSION_5_3) && vmbus_get_offers() &&
           vmbus_find(NIC_CLASS, 0);
}

bool nic_open(struct nic *n)
{
    n->receive = receive;
    n->send = send;
    n->done = n->transaction = 0;
    n->pushed = n->completed = 0;
    return channel_open(&n->channel, vmbus_find(NIC_CLASS, 0), 1, rings, NIC_RING_PAGES);
}

static bool make_gpadl(struct nic *n, uint32_t gpadl, uint8_t *at, uint32_t pages)
{
    uint64_t list[NIC_RECEIVE_PAGES];

    for (uint32_t i = 0; i < pages; i++)
        list[i] = ((uint64_t)at >> 12) + i;
    return vmbus_gpadl(n->channel.id, gpadl, list, pages) == 0;
}

bool nic_lend(struct nic *n)
{
    struct nvsp_message m = { .type = NVSP_INIT, .init = { NVSP_VERSION_6_1, NVSP_VERSION_6_1 } };

    if (!nic_ask(n, &m) || n->said.init_complete.status != NVSP_STATUS_SUCCESS)
        return false;
    m = (struct nvsp_message){ .type = NVSP_SEND_NDIS_CONFIG,
                               .ndis_config = { MTU_USUAL + 14, 0, { NVSP_CAN_VLAN, 0 } } };
    if (!nic_put(n, &m, ++n->transaction) ||
        !make_gpadl(n, NIC_RECEIVE_GPADL, receive, NIC_RECEIVE_PAGES) ||
        !make_gpadl(n, NIC_SEND_GPADL, send, NIC_SEND_PAGES))
        return false;
    m = (struct nvsp_message){ .type = NVSP_SEND_RECEIVE_BUFFER,
                               .buffer = { NIC_RECEIVE_GPADL, NVSP_RECEIVE_BUFFER_ID } };
    if (!nic_ask(n, &m) || n->said.receive_buffer_complete.status != NVSP_STATUS_SUCCESS)
        return false;
    n->slot_bytes = n->said.receive_buffer_complete.section_bytes;
    n->slot_count = n->said.receive_buffer_complete.sections;
    m = (struct nvsp_message){ .type = NVSP_SEND_SEND_BUFFER,
                               .buffer = { NIC_SEND_GPADL, NVSP_SEND_BUFFER_ID } };
    return nic_ask(n, &m) && n->said.send_buffer_complete.status == NVSP_STATUS_SUCCESS;
}

bool nic_start(struct nic *n, uint32_t filter)
{
    struct {
        struct rndis_head h;
        struct rndis_initialize i;
    } m = { { RNDIS_INITIALIZE, sizeof(m) }, { 1, RNDIS_MAJOR, RNDIS_MINOR, 0x4000 } };

    if (nic_control(n, &m, sizeof(m), true) ||
        nic_oid(n, RNDIS_QUERY, OID_802_3_PERMANENT_ADDRESS, 0, 0) || n->answer[4] != 6)
        return false;
    copy(n->mac, (uint8_t *)n->answer + sizeof(struct rndis_head) + n->answer[5], 6);
    return nic_oid(n, RNDIS_SET, OID_GEN_CURRENT_PACKET_FILTER, &filter, sizeof(filter)) == 0;
}

bool nic_up(struct nic *n, uint32_t filter)
{
    return nic_connect() && nic_open(n) && nic_lend(n) && nic_start(n, filter);
}

bool nic_is_closed(struct nic *n)
{
    struct vmbus_rescind m = { .channel = 0 };

    if (!vmbus_wait(VMBUS_RESCIND, &m, sizeof(m)) || m.channel != n->channel.id)
        return false;
    m.header.type = VMBUS_RELID_RELEASED;
    vmbus_send(&m, sizeof(m));
    return true;
}

/* ---- frames ---- */

struct rndis_head *nic_head(struct nic *n, uint32_t s)
{
    return (struct rndis_head *)(void *)(n->send + s * NIC_SECTION_BYTES);
}

struct rndis_packet *nic_message(struct nic *n, uint32_t s)
{
    return (struct rndis_packet *)(nic_head(n, s) + 1);
}

uint8_t *nic_frame(struct nic *n, uint32_t s, uint32_t bytes)
{
    *nic_head(n, s) = (struct rndis_head){ RNDIS_PACKET, NIC_FRAME_AT + bytes };
    *nic_message(n, s) = (struct rndis_packet){ .data_offset = HEAD_LEFT, .data_bytes = bytes };
    return n->send + s * NIC_SECTION_BYTES + NIC_FRAME_AT;
}

void nic_add_info(struct nic *n, uint32_t s, uint32_t type, uint32_t value)
{
    struct rndis_packet *p = nic_message(n, s);
    uint32_t *at = (uint32_t *)(void *)((uint8_t *)(p + 1) + p->info_bytes);

    at[0] = 16;
    at[1] = type;
    at[2] = sizeof(struct rndis_info);
    at[3] = value;
    p->info_offset = sizeof(*p);
    p->info_bytes += 16;
}

void nic_address(const struct nic *n, uint8_t *frame, const uint8_t *to, const uint8_t *from,
                 uint16_t ethertype)
{
    copy(frame, to, 6);
    copy(frame + 6, from ? from : n->mac, 6);
    frame[12] = (uint8_t)(ethertype >> 8);
    frame[13] = (uint8_t)ethertype;
}

bool nic_push(struct nic *n, uint32_t s)
{
    return nic_push_part(n, s, nic_head(n, s)->bytes);
}

bool nic_push_part(struct nic *n, uint32_t s, uint32_t bytes)
{
    struct nvsp_message m = { .type = NVSP_SEND_RNDIS_PACKET,
                              .rndis = { NVSP_CHANNEL_DATA, s, bytes } };

    for (uint32_t i = 0; i < PATIENCE; i++) {
        if (nic_put(n, &m, 0)) {
            n->pushed++;
            return true;
        }
        if (!nic_serve(n))
            __asm__ volatile("pause");
    }
    return false;
}

bool nic_drain(struct nic *n)
{
    for (uint32_t i = 0; i < PATIENCE && n->completed != n->pushed; i++)
        if (!nic_serve(n))
            __asm__ volatile("pause");
    return n->completed == n->pushed;
}

uint32_t nic_section(struct nic *n)
{
    for (uint32_t i = 0; i < PATIENCE && n->pushed - n->completed >= NIC_SECTIONS; i++)
        if (!nic_serve(n))
            __asm__ volatile("pause");
    return n->pushed - n->completed < NIC_SECTIONS ? (uint32_t)(n->pushed % NIC_SECTIONS)
                                                   : NIC_SECTIONS;
}
