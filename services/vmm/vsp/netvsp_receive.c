/* Frames to the guest. The switch has put each into one slot or several; here the RNDIS head goes before
 * it, and packets that name the slots go into the guest's ring. While that has no room, nothing is taken
 * from the switch: it is the switch that drops then, and counts. */
#include "lib/string.h"
#include "services/vmm/vsp/netvsp.h"

#define BATCH_USUAL 32u /* slots in one packet, if no frame needs more */

/* ---- slots ---- */

static uint8_t *slot_at(const struct netvsp *n, uint32_t slot)
{
    return n->buffers[NETVSP_RECEIVE] + (uint64_t)slot * n->slots.bytes;
}

void netvsp_flush_returns(struct netvsp *n)
{
    if (n->return_count && n->is_connected &&
        netvsp_send_message(n, PORT_RETURN, n->return_count, &n->return_message.head,
                            n->return_count * (uint32_t)sizeof(struct port_slots)) == OK)
        n->return_count = n->returned_slots = 0;
}

/* To the switch, or, if that has no room for the word, it stays here until it has. */
static void give_slot(struct netvsp *n, uint32_t slot)
{
    struct port_slots *slots = n->return_message.slots;
    struct port_slots *last = n->return_count ? &slots[n->return_count - 1] : NULL;

    if (!n->is_connected || slot < NETVSP_CONTROL_SLOTS) {
        n->slots.place[slot] = SLOT_HERE;
        return;
    }
    if (last && last->first + last->count == slot) {
        last->count++;
        n->returned_slots++;
        n->slots.place[slot] = SLOT_AT_SWITCH;
        return;
    }
    if (n->return_count == NETVSP_RETURNS_MAX)
        netvsp_flush_returns(n);
    if (n->return_count == NETVSP_RETURNS_MAX) {
        n->slots.place[slot] = SLOT_HERE;
        n->slots.has_some_here = true;
        return;
    }
    slots[n->return_count++] = (struct port_slots){ slot, 1 };
    n->returned_slots++;
    n->slots.place[slot] = SLOT_AT_SWITCH;
}

void netvsp_give_slots(struct netvsp *n)
{
    n->slots.has_some_here = false;
    for (uint32_t i = NETVSP_CONTROL_SLOTS; i < n->slots.count && !n->slots.has_some_here; i++)
        if (n->slots.place[i] == SLOT_HERE)
            give_slot(n, i);
    netvsp_flush_returns(n);
}

/* The guest names the packet by its first slot. */
bool netvsp_returned(struct netvsp *n, uint64_t transaction)
{
    uint32_t slot = (uint32_t)transaction, next;

    if (!n->slots.count)
        return true; /* it has taken the buffer back since */
    if (transaction >= n->slots.count || n->slots.place[slot] != SLOT_AT_GUEST_FIRST)
        return false;
    for (;; slot = next) {
        next = n->slots.next[slot];
        give_slot(n, slot);
        if (next == slot)
            return true;
    }
}

/* ---- RNDIS heads ---- */

struct head {
    struct rndis_head h;
    struct rndis_packet p;
    uint32_t infos[(NETVSP_FRAME_OFFSET - 44) / 4];
};
static_assert(sizeof(struct head) == NETVSP_FRAME_OFFSET, "the frame follows the head");
static_assert(offsetof(struct head, infos) == 44, "per-packet information follows the fields");

static void add_info(struct head *h, uint32_t type, uint32_t v)
{
    uint32_t *at = &h->infos[h->p.info_bytes / 4];

    at[0] = 16;
    at[1] = type;
    at[2] = sizeof(struct rndis_info);
    at[3] = v;
    h->p.info_bytes += 16;
}

static uint32_t checksum_info(uint16_t flags)
{
    return (flags & PORT_RECEIVED_TCP_OK ? RECEIVE_CHECKSUM_TCP_OK : 0) |
           (flags & PORT_RECEIVED_UDP_OK ? RECEIVE_CHECKSUM_UDP_OK : 0) |
           (flags & PORT_RECEIVED_IP_OK ? RECEIVE_CHECKSUM_IP_OK : 0);
}

static uint32_t tag_info(uint16_t tci)
{
    return (uint32_t)tci >> 13 | (tci >> 12 & 1u) << 3 | (tci & TCI_VLAN_ID) << 4;
}

/* @is_first: of its frame; those behind it have nothing to say but that. Only what has a meaning is
 * written: what lies between it and the frame is the guest's own. */
static void write_head(const struct netvsp *n, const struct port_received *e, bool is_first)
{
    static struct head h = {
        .h.type = RNDIS_PACKET,
        .p.data_offset = NETVSP_FRAME_OFFSET - sizeof(struct rndis_head),
    }; /* one service thread; the rest stays 0 */
    const uint16_t sums = PORT_RECEIVED_TCP_OK | PORT_RECEIVED_UDP_OK | PORT_RECEIVED_IP_OK;
    const bool has_more = e->flags & PORT_RECEIVED_MORE;

    h.h.bytes = NETVSP_FRAME_OFFSET + e->bytes;
    h.p.data_bytes = e->bytes;
    h.p.info_bytes = 0;
    if (is_first && e->flags & PORT_RECEIVED_HAS_TAG)
        add_info(&h, RNDIS_INFO_TAG, tag_info(e->tci));
    if (is_first && e->flags & sums)
        add_info(&h, RNDIS_INFO_CHECKSUM, checksum_info(e->flags));
    if (!is_first || has_more) {
        uint32_t flags = PACKET_INFO_PART | (is_first ? PACKET_INFO_FIRST : 0) |
                         (has_more ? 0 : PACKET_INFO_LAST);

        add_info(&h, RNDIS_INFO_PACKET, PACKET_INFO_VERSION | flags << 8);
    }
    h.p.info_offset = h.p.info_bytes ? sizeof(struct rndis_packet) : 0;
    ring_copy(slot_at(n, e->slot), &h, (offsetof(struct head, infos) + h.p.info_bytes + 7) & ~7ul);
}

/* ---- packets to the guest ---- */

/* One piece: struct xfer_pages, the ranges, the NVSP message. */
static struct {
    struct xfer_pages pages;
    struct xfer_range ranges[NETVSP_BATCH_MAX + NVSP_MESSAGE_BYTES / sizeof(struct xfer_range)];
} packet; /* one service thread */

/* Of the first @count of packet.ranges. */
static enum err put_packet(struct channel *c, uint32_t first_slot, uint32_t count,
                           uint32_t channel_type)
{
    const struct nvsp_message m = { .type = NVSP_SEND_RNDIS_PACKET,
                                    .rndis = { channel_type, NVSP_NO_SECTION, 0 } };
    const uint32_t head =
        (uint32_t)sizeof(packet.pages) + count * (uint32_t)sizeof(packet.ranges[0]);
    const struct ring_packet h = {
        .type = RING_XFER_PAGES,
        .flags = RING_FLAG_WANTS_COMPLETION,
        .offset8 = (uint16_t)((sizeof(h) + head) / 8),
        .transaction = first_slot,
    };

    if (c->is_broken)
        return ERR_GUEST;
    packet.pages = (struct xfer_pages){ .page_set = NVSP_RECEIVE_BUFFER_ID, .count = count };
    __builtin_memcpy(&packet.ranges[count], &m, sizeof(m));
    return channel_put_flat(c, &h, &packet, head + (uint32_t)sizeof(m));
}

enum err netvsp_tell(struct netvsp *n, const void *message, uint32_t bytes)
{
    uint32_t slot = 0;
    enum err err;

    while (slot < NETVSP_CONTROL_SLOTS && slot < n->slots.count &&
           n->slots.place[slot] != SLOT_HERE)
        slot++;
    if (!n->channels[0] || slot == NETVSP_CONTROL_SLOTS || slot >= n->slots.count ||
        bytes > n->slots.bytes)
        return ERR_FULL;
    ring_copy(slot_at(n, slot), message, bytes);
    packet.ranges[0] = (struct xfer_range){ bytes, slot * n->slots.bytes };
    err = put_packet(n->channels[0], slot, 1, NVSP_CHANNEL_CONTROL);
    if (err)
        return err;
    n->slots.place[slot] = SLOT_AT_GUEST_FIRST;
    n->slots.next[slot] = slot;
    return OK;
}

void netvsp_drop_batch(struct netvsp *n)
{
    for (uint32_t i = 0; i < n->batch_count; i++)
        give_slot(n, n->batch[i].slot);
    n->batch_count = 0;
    n->batch_channel = NULL;
}

static void hand_to_guest(struct netvsp *n)
{
    for (uint32_t i = 0; i < n->batch_count; i++) {
        uint32_t slot = n->batch[i].slot;

        n->slots.place[slot] = i ? SLOT_AT_GUEST : SLOT_AT_GUEST_FIRST;
        n->slots.next[slot] = n->batch[i + 1 < n->batch_count ? i + 1 : i].slot;
    }
    n->batch_count = 0;
}

/* False: the guest's ring has no room. */
static bool flush_batch(struct netvsp *n)
{
    enum err err;

    if (!n->batch_count || !n->batch_is_whole)
        return true;
    for (uint32_t i = 0; i < n->batch_count; i++)
        packet.ranges[i] = (struct xfer_range){ NETVSP_FRAME_OFFSET + n->batch[i].bytes,
                                                n->batch[i].slot * n->slots.bytes };
    err = put_packet(n->batch_channel, n->batch[0].slot, n->batch_count, NVSP_CHANNEL_DATA);
    if (err == ERR_FULL)
        return false;
    if (err)
        netvsp_drop_batch(n);
    else
        hand_to_guest(n);
    return true;
}

/* ---- messages of the switch ---- */

static struct channel *choose_channel(const struct netvsp *n, const struct port_received *e)
{
    uint8_t frame[FLOW_HEAD_BYTES];
    uint32_t bytes = min(e->bytes, FLOW_HEAD_BYTES), hash;
    struct channel *c = NULL;

    if (n->rndis.rss.is_on && n->channel_limit > 1) {
        ring_copy(frame, slot_at(n, e->slot) + NETVSP_FRAME_OFFSET, bytes); /* it may change */
        if (flow_hash(&n->flow, n->rndis.rss.hash, frame, bytes, &hash))
            c = n->channels[n->rndis.rss.table[hash % NDIS_RSS_TABLE_ENTRIES]];
    }
    return c ? c : n->channels[0];
}

static bool is_good(const struct netvsp *n, const struct port_received *e)
{
    return e->slot < n->slots.count && n->slots.place[e->slot] == SLOT_AT_SWITCH &&
           e->bytes <= n->slots.bytes - NETVSP_FRAME_OFFSET;
}

/* False: the guest has no room, and @e was not taken. */
static bool take_slot(struct netvsp *n, const struct port_received *e)
{
    bool is_first = !n->batch_count || n->batch_is_whole;
    struct channel *c = is_first ? choose_channel(n, e) : n->batch_channel;

    if (is_first && n->batch_count && (c != n->batch_channel || n->batch_count >= BATCH_USUAL) &&
        !flush_batch(n))
        return false;
    if (n->batch_count == NETVSP_BATCH_MAX || !c) {
        netvsp_drop_batch(n); /* no frame has as many parts */
        give_slot(n, e->slot);
        return true;
    }
    write_head(n, e, is_first);
    n->slots.place[e->slot] = SLOT_IN_BATCH;
    n->batch[n->batch_count++] = *e;
    n->batch_is_whole = !(e->flags & PORT_RECEIVED_MORE);
    n->batch_channel = c;
    return true;
}

static bool take_received(struct netvsp *n, const struct ring_packet *h, uint32_t count)
{
    struct port_received e = { 0 };

    for (; n->link_at < count; n->link_at++) {
        uint32_t at = ring_payload_offset(h) + (uint32_t)sizeof(struct port_message) +
                      n->link_at * (uint32_t)sizeof(e);

        if (ring_read(&n->in, h, at, &e, sizeof(e)))
            break;
        if (!is_good(n, &e))
            n->strange_count++;
        else if (!take_slot(n, &e))
            return false;
    }
    return true;
}

/* False: it is not done with, the guest has no room. */
static bool take_message(struct netvsp *n, const struct ring_packet *h)
{
    struct port_message m = { 0 };
    struct port_sent sent = { 0 };

    if (h->type != RING_DATA_INBAND ||
        ring_read(&n->in, h, ring_payload_offset(h), &m, sizeof(m))) {
        n->strange_count++;
        return true;
    }
    if (!n->is_connected || m.generation != n->generation)
        return true;
    if (m.type == PORT_RECEIVED)
        return take_received(n, h, m.count);
    if (m.type == PORT_SENT && ring_read(&n->in, h, ring_payload_offset(h) + (uint32_t)sizeof(m),
                                         &sent, sizeof(sent)) == OK)
        netvsp_sent(n, sent.count);
    else
        n->strange_count++;
    return true;
}

bool netvsp_receive(struct netvsp *n)
{
    struct ring_packet h;
    enum err err;

    n->waits_for_guest = true;
    while ((err = ring_peek(&n->in, &h)) == OK) {
        if (!take_message(n, &h))
            return false;
        n->link_at = 0;
        ring_advance(&n->in, &h);
    }
    if (err == ERR_GUEST) {
        n->strange_count++;
        netvsp_unlink(n); /* the manager sees that there is none, or a new switch comes */
        n->ops->changed(n->ctx);
    }
    n->waits_for_guest = !flush_batch(n);
    return !n->waits_for_guest;
}
