/* First all that is the sender's fault or the policy's (the frame counts as dropped on entry), then
 * the receivers; what goes wrong at one of them is counted there and concerns no other. */
#include "services/switch/forward.h"
#include "services/switch/deliver.h"
#include "services/switch/offload.h"

/* Only ports that may spoof teach addresses: those of the others are known. */
static enum drop_reason check_source(const struct port *from, const struct frame *f)
{
    uint64_t source = frame_mac(f->head + 6);

    if (likely(source == from->mac))
        return DROP_NONE;
    return from->config.flags & PORT_MAY_SPOOF && !(f->head[6] & 1) ? DROP_NONE : DROP_SPOOFED;
}

static NOINLINE void learn(struct core *c, const struct port *from, const struct frame *f)
{
    struct mac_table *t = &core_switch_of(c, from)->macs;
    uint64_t source = frame_mac(f->head + 6);

    mac_table_learn(t, source, f->vlan, from->index, from->config.learned_max,
                    (uint32_t)(c->now_ns / NS_PER_SECOND));
    from->row->learned_count = t->learned[from->index];
    c->sweep_again_ns = min(c->sweep_again_ns, c->sweep_ns);
}

/* Where the bytes of @s lie; NULL: they lie nowhere. */
static const uint8_t *find_bytes(const struct port *from, const struct port_send *s)
{
    const struct connection *n = &from->connection;
    bool is_arena = s->flags & PORT_SEND_FROM_ARENA;

    if (!range_fits(s->offset, s->bytes, is_arena ? n->arena_bytes : n->send_bytes))
        return NULL;
    return n->lent[is_arena ? LENT_ARENA : LENT_SEND] + s->offset;
}

/* Takes the frame up and checks it against the sender's policy. */
static enum drop_reason enter(struct port *from, const struct port_send *s, struct frame *f)
{
    const uint8_t *at = find_bytes(from, s);
    bool has_tag = s->flags & PORT_SEND_HAS_TAG, is_whole;
    uint32_t longest;
    enum drop_reason reason;

    f->bytes = f->head_bytes = 0; /* what a capture sees of nothing */
    f->flags = s->flags;
    f->mss = s->mss;
    f->l4_offset = s->l4_offset;
    f->queue = s->queue;
    f->received_flags = 0;
    f->tags = (struct vlan_tags){ has_tag ? s->tci : 0, has_tag };
    is_whole = at && frame_take(f, at, s->bytes);
    if (unlikely(!(from->config.flags & PORT_IS_UP)))
        return DROP_LINK_DOWN;
    if (unlikely(!is_whole))
        return DROP_RUNT;
    longest = s->flags & PORT_SEND_LSO ? LSO_BYTES_MAX : from->connection.mtu;
    longest += ETHERNET_HEADER_BYTES;
    if (unlikely(f->bytes > longest))
        return DROP_TOO_LONG;
    reason = check_source(from, f);
    if (unlikely(reason != DROP_NONE))
        return reason;
    if (unlikely(!vlan_of_frame(&from->config.vlan, &f->tags, &f->vlan)))
        return DROP_VLAN;
    return likely(!(s->flags & OFFLOAD_REQUESTS)) || offload_prepare(f) ? DROP_NONE : DROP_OFFLOAD;
}

/* Whether the guest behind @to wants floods of this kind. */
static bool wants_flood(const struct port *to, const struct frame *f)
{
    uint32_t takes = to->row->takes;

    if (takes & PORT_TAKES_PROMISCUOUS)
        return true;
    if (!frame_is_group(f))
        return to->config.flags & PORT_MAY_SPOOF && takes & PORT_TAKES_DIRECTED;
    return takes &
           (frame_mac(f->head) == FRAME_BROADCAST ? PORT_TAKES_BROADCAST : PORT_TAKES_MULTICAST);
}

static bool are_isolated(const struct port *a, const struct port *b)
{
    return a->config.flags & b->config.flags & PORT_IS_ISOLATED;
}

static NOINLINE void find_flooded(struct core *c, const struct port *from, const struct frame *f)
{
    const struct port_list *members = &core_switch_of(c, from)->members;

    for (uint32_t i = 0; i < members->count; i++) {
        const struct port *to = &c->ports[members->ports[i]];

        if (to != from && port_is_up(to) && vlan_reaches(&to->config.vlan, f->vlan) &&
            !are_isolated(from, to) && wants_flood(to, f))
            c->targets.ports[c->targets.count++] = to->index;
    }
}

/* The port that has the address, in *@out; or why it must not get the frame. */
static enum drop_reason find_known(struct core *c, const struct port *from, const struct frame *f,
                                   const struct mac_row *known, struct port **out)
{
    struct port *to = &c->ports[known->port];

    if (unlikely(to == from || !vlan_reaches(&to->config.vlan, f->vlan)))
        return DROP_NO_RECEIVER;
    if (unlikely(are_isolated(from, to)))
        return DROP_ISOLATED;
    *out = to;
    return DROP_NONE;
}

/* The one receiver in *@out; or NULL there: it is a flood, to the core's targets. */
static enum drop_reason find_targets(struct core *c, const struct port *from, const struct frame *f,
                                     struct port **out)
{
    const struct mac_row *known = NULL;

    *out = NULL;
    if (likely(!frame_is_group(f)))
        known = mac_table_find(&core_switch_of(c, from)->macs, frame_mac(f->head), f->vlan);
    if (likely(known))
        return find_known(c, from, f, known, out);
    c->targets.count = 0;
    find_flooded(c, from, f);
    return c->targets.count ? DROP_NONE : DROP_NO_RECEIVER;
}

static NOINLINE void capture(struct core *c, const struct port *from, const struct frame *f,
                             enum drop_reason reason)
{
    capture_frame(
        &c->captures,
        &(struct capture_frame){ .port = from->index,
                                 .switch_index = (uint16_t)from->config.switch_index,
                                 .port_name = from->config.name,
                                 .time_ns = c->now_ns + core_switch_of(c, from)->config.utc_base_ns,
                                 .direction = PCAPNG_INBOUND,
                                 .queue = f->queue,
                                 .reason = reason,
                                 .head = f->head,
                                 .head_bytes = f->head_bytes,
                                 .rest = f->rest,
                                 .rest_bytes = f->bytes - f->head_bytes,
                                 .tci = f->tags.count ? f->tags.tci : CAPTURE_NO_TAG });
}

static void count_kind(struct port_counters *n, const struct frame *f)
{
    if (!frame_is_group(f))
        n->floods++;
    else if (frame_mac(f->head) == FRAME_BROADCAST)
        n->broadcasts++;
    else
        n->multicasts++;
}

/* A known receiver that cannot take it, or does not want it. */
static enum drop_reason refuses(const struct port *to)
{
    if (unlikely(!port_is_up(to)))
        return DROP_LINK_DOWN;
    return likely(to->row->takes & (PORT_TAKES_DIRECTED | PORT_TAKES_PROMISCUOUS)) ? DROP_NONE
                                                                                   : DROP_FILTERED;
}

static void send_known(struct core *c, struct port *to, const struct frame *f)
{
    enum drop_reason reason = refuses(to);

    if (likely(reason == DROP_NONE))
        deliver_frame(c, to, f);
    else
        to->row->counters.out_drops[reason]++;
}

/* As many copies as the sender's budget has left. Who goes without is another one each time. */
static NOINLINE void send_flood(struct core *c, struct port *from, const struct frame *f)
{
    struct vswitch *v = core_switch_of(c, from);
    uint32_t wanted = c->targets.count;
    uint32_t copies = bucket_take(&from->floods, c->now_ns, wanted), at = 0;

    count_kind(&from->row->counters, f);
    from->row->counters.replicas += wanted - 1;
    if (copies < wanted) {
        from->row->counters.out_drops[DROP_FLOOD_LIMIT] += wanted - copies;
        at = v->flood_turn++ % wanted;
    }
    for (; copies; copies--, at = at + 1 == wanted ? 0 : at + 1)
        deliver_frame(c, &c->ports[c->targets.ports[at]], f);
}

void forward_send(struct core *c, struct port *from, const struct port_send *s)
{
    struct port_counters *n = &from->row->counters;
    struct frame f;
    struct port *to = NULL;
    enum drop_reason reason = enter(from, s, &f);

    n->in_frames++;
    n->in_bytes += s->bytes;
    if (likely(reason == DROP_NONE)) {
        if (unlikely(frame_mac(f.head + 6) != from->mac))
            learn(c, from, &f);
        reason = find_targets(c, from, &f, &to);
    }
    if (unlikely(c->captures.count))
        capture(c, from, &f, reason);
    if (unlikely(reason != DROP_NONE)) {
        n->in_drops[reason]++;
        return;
    }
    n->paths[PATH_SWITCH]++;
    if (likely(to))
        send_known(c, to, &f);
    else
        send_flood(c, from, &f);
}
