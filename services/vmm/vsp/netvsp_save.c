/* Records of a NIC. What is between netvsp and the switch is not saved: frames to it are dropped as if
 * the switch had died, slots that it has are here again, and the link of the restored VM is a new one.
 * What is between netvsp and the guest is: the guest must get each completion, and may give back each
 * slot that it holds. */
#include "lib/string.h"
#include "services/vmm/vsp/netvsp.h"

#define TELL_KNOWN  (NETVSP_TELL_LINK | NETVSP_TELL_SPEED | NETVSP_TELL_TABLE | NETVSP_TELL_FILTER)
#define BUFFERS_ALL ((1u << NETVSP_BUFFERS) - 1)

static_assert(RECORD_NETVSP_RSS_KEY == NDIS_RSS_KEY_BYTES &&
                  RECORD_NETVSP_RSS_TABLE == NDIS_RSS_TABLE_ENTRIES,
              "record_netvsp holds what the guest sets");
static_assert(NETVSP_SLOTS_MAX <= RECORD_NETVSP_LAST, "a slot's number leaves room for the mark");

/* ---- saving ---- */

static void put_rndis(const struct rndis *r, struct record_netvsp *out)
{
    out->nvsp_version = r->nvsp_version;
    out->mtu = r->mtu;
    out->filter = r->filter;
    out->is_initialized = r->is_initialized;
    out->takes_rsc_ip4 = r->takes_rsc_ip4;
    out->takes_rsc_ip6 = r->takes_rsc_ip6;
    memcpy(out->mac, &r->mac, sizeof(out->mac));
    out->rss_is_on = r->rss.is_on;
    out->rss_hash = r->rss.hash;
    memcpy(out->rss_key, r->rss.key, sizeof(out->rss_key));
    memcpy(out->rss_table, r->rss.table, sizeof(out->rss_table));
}

static uint32_t put_held(const struct netvsp *n, uint8_t *to)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < n->slots.count; i++) {
        bool is_last = n->slots.place[i] != SLOT_AT_GUEST_FIRST;

        for (uint32_t slot = i; !is_last; slot = n->slots.next[slot]) {
            is_last = n->slots.next[slot] == slot;
            uint16_t word = (uint16_t)(slot | (is_last ? RECORD_NETVSP_LAST : 0));

            memcpy(to + sizeof(word) * count++, &word, sizeof(word));
        }
    }
    return count;
}

static uint32_t put_flight(const struct netvsp *n, uint8_t *to, uint64_t *dropped)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < n->flight_count; i++) {
        const struct netvsp_flight *f = &n->flight[(n->flight_first + i) % NETVSP_FLIGHT_MAX];
        struct record_netvsp_flight r = { .transaction = f->transaction };

        *dropped += f->messages;
        if (!f->channel || !f->wants_completion)
            continue;
        r.subchannel = f->channel->subchannel;
        memcpy(to + sizeof(r) * count++, &r, sizeof(r));
    }
    return count;
}

uint32_t netvsp_save(const struct netvsp *n, void *to)
{
    struct record_netvsp r = {
        .state = n->state,
        .channel_limit = n->channel_limit,
        .must_tell = n->must_tell,
        .dropped_sends = n->dropped_sends,
        .strange_count = n->strange_count,
    };
    uint8_t *at = (uint8_t *)to + sizeof(r);

    put_rndis(&n->rndis, &r);
    for (uint32_t i = 0; i < NETVSP_BUFFERS; i++) {
        r.buffers |= n->buffers[i] ? 1u << i : 0;
        r.gpadls[i] = n->gpadls[i];
    }
    r.held_count = put_held(n, at);
    at += r.held_count * sizeof(uint16_t);
    while ((at - (uint8_t *)to) % 8)
        *at++ = 0;
    r.flight_count = put_flight(n, at, &r.dropped_sends);
    at += r.flight_count * sizeof(struct record_netvsp_flight);
    memcpy(to, &r, sizeof(r));
    return (uint32_t)(at - (uint8_t *)to);
}

/* ---- restoring ---- */

static uint32_t held_bytes(const struct record_netvsp *r)
{
    return (uint32_t)round_up(r->held_count * sizeof(uint16_t), 8);
}

static bool is_state_good(const struct record_netvsp *r, const struct netvsp *n, bool is_open)
{
    bool is_used = r->state == NIC_OPENED || r->state == NIC_READY;

    if (r->state >= NIC_STATE_END || is_used != is_open || r->buffers & ~BUFFERS_ALL ||
        (r->state == NIC_READY) != (r->buffers == BUFFERS_ALL))
        return false;
    for (uint32_t i = 0; i < NETVSP_BUFFERS; i++)
        if (!(r->buffers & 1u << i) && r->gpadls[i])
            return false;
    if (r->nvsp_version ? !is_open || !netvsp_knows_version(r->nvsp_version) : r->buffers)
        return false;
    if ((r->mtu || r->nvsp_version) && (r->mtu < MTU_MIN || r->mtu > MTU_MAX))
        return false;
    return r->channel_limit && r->channel_limit <= n->rndis.queue_max &&
           !(r->must_tell & ~TELL_KNOWN) && !r->reserved[0] && !r->reserved[1];
}

static bool is_rndis_good(const struct record_netvsp *r, const struct netvsp *n)
{
    bool has_rsc = r->nvsp_version >= NVSP_VERSION_6_1;

    if (r->is_initialized > 1 || r->filter & ~RNDIS_FILTER_KNOWN ||
        (r->filter && !r->is_initialized) || r->takes_rsc_ip4 > has_rsc ||
        r->takes_rsc_ip6 > has_rsc || r->mac[0] & 1 || r->rss_is_on > 1)
        return false;
    for (uint32_t i = 0; i < NDIS_RSS_TABLE_ENTRIES; i++)
        if (r->rss_table[i] >= n->rndis.queue_max)
            return false;
    return true;
}

static bool is_size_good(const struct record_netvsp *r, uint32_t bytes)
{
    return r->held_count <= NETVSP_SLOTS_MAX && r->flight_count <= NETVSP_FLIGHT_MAX &&
           bytes ==
               sizeof(*r) + held_bytes(r) + r->flight_count * sizeof(struct record_netvsp_flight);
}

static void take_rndis(const struct record_netvsp *r, struct netvsp *n)
{
    struct rndis *to = &n->rndis;

    to->nvsp_version = r->nvsp_version;
    to->mtu = r->mtu;
    to->filter = r->filter;
    to->is_initialized = r->is_initialized;
    to->takes_rsc_ip4 = r->takes_rsc_ip4;
    to->takes_rsc_ip6 = r->takes_rsc_ip6;
    memcpy(&to->mac, r->mac, sizeof(r->mac));
    to->rss.is_on = r->rss_is_on;
    to->rss.hash = r->rss_hash;
    memcpy(to->rss.key, r->rss_key, sizeof(r->rss_key));
    memcpy(to->rss.table, r->rss_table, sizeof(r->rss_table));
    if (to->rss.is_on)
        flow_set_key(&n->flow, to->rss.key);
}

static enum err take_buffers(const struct record_netvsp *r, struct netvsp *n)
{
    enum err err = OK;

    for (uint32_t i = 0; !err && i < NETVSP_BUFFERS; i++)
        if (r->buffers & 1u << i)
            err = netvsp_lend(n, (enum netvsp_buffer)i, r->gpadls[i]);
    return !err || err == ERR_MEMORY ? err : ERR_FORMAT;
}

/* Each slot once; packets are in the order of their first slots, as they are saved. */
static enum err take_held(const struct record_netvsp *r, struct netvsp *n, const uint8_t *at)
{
    struct netvsp_slots *s = &n->slots;
    uint32_t last = UINT32_MAX, first = UINT32_MAX; /* none */
    uint16_t word;

    for (uint32_t i = 0; i < r->held_count; i++) {
        memcpy(&word, at + i * sizeof(word), sizeof(word));
        uint32_t slot = word & (RECORD_NETVSP_LAST - 1);

        if (slot >= s->count || s->place[slot] != SLOT_HERE)
            return ERR_FORMAT;
        if (last == UINT32_MAX) {
            if (first != UINT32_MAX && slot < first)
                return ERR_FORMAT;
            first = slot;
        } else {
            s->next[last] = slot;
        }
        s->place[slot] = last == UINT32_MAX ? SLOT_AT_GUEST_FIRST : SLOT_AT_GUEST;
        s->next[slot] = slot;
        last = word & RECORD_NETVSP_LAST ? UINT32_MAX : slot;
    }
    for (uint32_t i = r->held_count * (uint32_t)sizeof(word); i < held_bytes(r); i++)
        if (at[i])
            return ERR_FORMAT;
    return last == UINT32_MAX ? OK : ERR_FORMAT;
}

static enum err take_flight(const struct record_netvsp *r, struct netvsp *n, const uint8_t *at)
{
    struct record_netvsp_flight f;

    for (uint32_t i = 0; i < r->flight_count; i++) {
        memcpy(&f, at + i * sizeof(f), sizeof(f));
        if (f.reserved || f.subchannel >= NIC_CHANNELS_MAX || !n->channels[f.subchannel])
            return ERR_FORMAT;
        n->flight[i] = (struct netvsp_flight){ .transaction = f.transaction,
                                               .channel = n->channels[f.subchannel],
                                               .wants_completion = 1 };
    }
    n->flight_first = 0;
    n->flight_count = r->flight_count;
    return OK;
}

static void undo(struct netvsp *n)
{
    for (uint32_t i = 0; i < NETVSP_BUFFERS; i++)
        netvsp_gpadl_gone(n, n->gpadls[i]);
    memset(n->channels, 0, sizeof(n->channels));
    rndis_reset(&n->rndis);
    n->rndis.nvsp_version = n->rndis.mtu = 0;
    n->flight_count = 0;
    n->state = NIC_OFFERED;
}

enum err netvsp_restore(struct netvsp *n, const void *payload, uint32_t bytes,
                        struct channel *const open[NIC_CHANNELS_MAX])
{
    const uint8_t *at = (const uint8_t *)payload + sizeof(struct record_netvsp);
    struct record_netvsp r;

    if (bytes < sizeof(r) || n->channels[0])
        return ERR_FORMAT;
    memcpy(&r, payload, sizeof(r));
    if (!is_size_good(&r, bytes) || !is_state_good(&r, n, open[0]) || !is_rndis_good(&r, n))
        return ERR_FORMAT;
    memcpy(n->channels, open, sizeof(n->channels));
    take_rndis(&r, n);
    enum err err = take_buffers(&r, n);
    if (!err)
        err = take_held(&r, n, at);
    if (!err)
        err = take_flight(&r, n, at + held_bytes(&r));
    if (err) {
        undo(n);
        return err;
    }
    n->state = r.state;
    n->channel_limit = r.channel_limit;
    n->must_tell = (uint8_t)r.must_tell;
    n->dropped_sends = r.dropped_sends;
    n->strange_count = r.strange_count;
    n->ops->changed(n->ctx);
    return OK;
}
