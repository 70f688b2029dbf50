/* A connection goes through INIT, NDIS configuration, both buffers, then RNDIS messages; whatever comes
 * out of order is answered as failed where the protocol has an answer, and else breaks the channel. A
 * guest that unloads or changes its MTU closes the channel and begins anew, so all of a connection is
 * reset by opening. */
#include "services/vmm/vsp/netvsp.h"
#include "lib/string.h"

/* Room in the guest's ring that is there before a packet is taken which has an answer. */
#define ANSWERS_BYTES 512u

/* ---- the switch ---- */

enum err netvsp_send_message(struct netvsp *n, uint16_t type, uint32_t count,
                             struct port_message *head, uint32_t bytes)
{
    struct ring_packet h = { .type = RING_DATA_INBAND };

    if (!n->has_link)
        return ERR_STATE;
    *head = (struct port_message){ type, (uint16_t)count, n->generation };
    return ring_put_one(&n->out, &h, head, (uint32_t)sizeof(*head) + bytes);
}

static void publish(struct netvsp *n)
{
    if (n->has_link && ring_publish(&n->out))
        n->ops->signal_switch(n->ctx);
}

static void send_filter(struct netvsp *n)
{
    struct {
        struct port_message head;
        struct port_filter f;
    } m = { .f.takes = rndis_takes(&n->rndis) };

    if (n->is_connected && netvsp_send_message(n, PORT_FILTER, 1, &m.head, sizeof(m.f)) == ERR_FULL)
        n->must_tell |= NETVSP_TELL_FILTER;
}

/* The views are handed over first; the message says what they are. */
static void connect(struct netvsp *n)
{
    struct {
        struct port_message head;
        struct port_connect c;
    } m = { .c = {
                .send_bytes = n->buffer_bytes[NETVSP_SEND],
                .receive_bytes = n->buffer_bytes[NETVSP_RECEIVE],
                .arena_bytes = NETVSP_ARENA_BYTES,
                .slot_bytes = n->slots.bytes,
                .slot_count = n->slots.count,
                .frame_offset = NETVSP_FRAME_OFFSET,
                .mtu = n->rndis.mtu,
            } };

    if (!n->has_link || n->is_connected || n->state != NIC_READY)
        return;
    n->generation++;
    if (n->ops->hand_over(n->ctx) || netvsp_send_message(n, PORT_CONNECT, 1, &m.head, sizeof(m.c)))
        return; /* the next link will do */
    n->is_connected = true;
    n->slots.has_some_here = true;
    send_filter(n);
    netvsp_give_slots(n);
    publish(n);
}

/* What the switch had of the old buffers or the old link is here again; what was in flight is lost. */
static void disconnect(struct netvsp *n)
{
    struct port_message m;

    if (n->is_connected && netvsp_send_message(n, PORT_DISCONNECT, 0, &m, 0) == OK)
        publish(n);
    n->is_connected = false;
    n->link_at = 0;
    n->return_count = n->returned_slots = n->send_count = 0;
    netvsp_drop_batch(n);
    netvsp_drop_flight(n);
    for (uint32_t i = 0; i < n->slots.count; i++)
        if (n->slots.place[i] == SLOT_AT_SWITCH)
            n->slots.place[i] = SLOT_HERE;
}

/* ---- buffers ---- */

static void forget_slots(struct netvsp *n)
{
    if (n->slots.place)
        n->ops->release(n->ctx, n->slots.place);
    n->slots = (struct netvsp_slots){ 0 };
}

static enum err make_slots(struct netvsp *n)
{
    const uint32_t mtu = n->rndis.mtu;
    uint32_t bytes =
        (uint32_t)round_up(NETVSP_FRAME_OFFSET + ETHERNET_HEADER_BYTES + VLAN_TAG_BYTES + mtu, 64);
    struct netvsp_slots s = { .bytes = max(bytes, NETVSP_SLOT_BYTES_MIN) };

    s.count = (uint32_t)min(n->buffer_bytes[NETVSP_RECEIVE] / s.bytes, (uint64_t)NETVSP_SLOTS_MAX);
    if (s.count <= 2 * NETVSP_CONTROL_SLOTS)
        return ERR_ARGUMENT;
    uint64_t places = round_up(s.count, 8);
    s.place = n->ops->allocate(n->ctx, places + s.count * sizeof(*s.next));
    if (!s.place)
        return ERR_MEMORY;
    s.next = (uint32_t *)(void *)(s.place + places);
    n->slots = s;
    return OK;
}

static void take_buffer_back(struct netvsp *n, enum netvsp_buffer which)
{
    if (!n->buffers[which])
        return;
    n->ops->revoke(n->ctx, which);
    disconnect(n);
    n->buffers[which] = NULL;
    n->buffer_bytes[which] = 0;
    n->gpadls[which] = 0;
    if (which == NETVSP_RECEIVE)
        forget_slots(n);
    if (n->state == NIC_READY) {
        n->state = NIC_OPENED;
        n->ops->changed(n->ctx);
    }
}

enum err netvsp_lend(struct netvsp *n, enum netvsp_buffer which, uint32_t gpadl)
{
    enum err err;

    if (n->buffers[which] || !n->rndis.nvsp_version)
        return ERR_STATE;
    err = n->ops->lend(n->ctx, which, gpadl, &n->buffers[which], &n->buffer_bytes[which]);
    if (err)
        return err;
    n->gpadls[which] = gpadl;
    if (which == NETVSP_RECEIVE)
        err = make_slots(n);
    else if (n->buffer_bytes[which] < NETVSP_SECTION_BYTES)
        err = ERR_ARGUMENT;
    if (err)
        take_buffer_back(n, which);
    if (!err && n->buffers[NETVSP_RECEIVE] && n->buffers[NETVSP_SEND]) {
        n->state = NIC_READY;
        connect(n);
        n->ops->changed(n->ctx);
    }
    return err;
}

void netvsp_gpadl_gone(struct netvsp *n, uint32_t gpadl)
{
    for (unsigned i = 0; i < NETVSP_BUFFERS; i++)
        if (n->buffers[i] && n->gpadls[i] == gpadl)
            take_buffer_back(n, (enum netvsp_buffer)i);
}

/* ---- what the guest is told when there is room ---- */

static void tell_table(struct netvsp *n)
{
    struct {
        struct nvsp_message m;
        uint32_t entries[NVSP_TABLE_ENTRIES];
    } out = { .m = { .type = NVSP_SEND_INDIRECTION_TABLE,
                     .table = { NVSP_TABLE_ENTRIES, NVSP_TABLE_OFFSET } } };
    struct ring_part part = { &out, sizeof(out) };

    static_assert(sizeof(out) == 104, "Linux finds the table only in a message of this length");
    for (uint32_t i = 0; i < NVSP_TABLE_ENTRIES; i++)
        out.entries[i] = i % n->channel_limit;
    if (channel_put(n->channels[0], RING_DATA_INBAND, 0, 0, &part, 1) == OK)
        n->must_tell &= (uint8_t)~NETVSP_TELL_TABLE;
}

static uint32_t control_slots_here(const struct netvsp *n)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < min(NETVSP_CONTROL_SLOTS, n->slots.count); i++)
        count += n->slots.place[i] == SLOT_HERE;
    return count;
}

/* Half of our slots are for answers: a guest's question lies in its ring before the packets that give
 * back the slots of what we told it meanwhile. */
static void tell_waiting(struct netvsp *n)
{
    uint8_t out[RNDIS_ANSWER_BYTES_MAX];
    uint32_t bytes;

    if (!n->must_tell || !n->channels[0])
        return;
    if (n->must_tell & NETVSP_TELL_FILTER) {
        n->must_tell &= (uint8_t)~NETVSP_TELL_FILTER;
        send_filter(n);
    }
    if (n->must_tell & NETVSP_TELL_TABLE)
        tell_table(n);
    if (!n->rndis.is_initialized || control_slots_here(n) <= NETVSP_CONTROL_SLOTS / 2)
        return;
    if (n->must_tell & NETVSP_TELL_SPEED) {
        bytes = rndis_indicate_speed(&n->rndis, out);
        if (netvsp_tell(n, out, bytes) == OK)
            n->must_tell &= (uint8_t)~NETVSP_TELL_SPEED;
    }
    if (n->must_tell & NETVSP_TELL_LINK) {
        bytes = rndis_indicate_link(&n->rndis, out);
        if (netvsp_tell(n, out, bytes) == OK)
            n->must_tell &= (uint8_t)~NETVSP_TELL_LINK;
    }
}

/* ---- NVSP ---- */

static void complete(struct channel *c, uint64_t transaction, const struct nvsp_message *m)
{
    struct ring_part part = { m, sizeof(*m) };

    (void)!channel_put(c, RING_COMPLETION, 0, transaction, &part, 1); /* room was reserved */
}

bool netvsp_knows_version(uint32_t v)
{
    return v == NVSP_VERSION_1 || v == NVSP_VERSION_2 || v == NVSP_VERSION_4 ||
           v == NVSP_VERSION_5 || v == NVSP_VERSION_6 || v == NVSP_VERSION_6_1;
}

/* A second INIT that we accept begins the connection anew: then nothing may be lent. */
static void initialize(struct netvsp *n, struct channel *c, uint64_t transaction,
                       const struct nvsp_message *in)
{
    bool is_good = netvsp_knows_version(in->init.max_version) &&
                   in->init.min_version <= in->init.max_version && !n->rndis.nvsp_version;
    struct nvsp_message out = {
        .type = NVSP_INIT_COMPLETE,
        .init_complete = { is_good ? in->init.max_version : 0, NVSP_MAX_MDL_CHAIN,
                           is_good ? NVSP_STATUS_SUCCESS : NVSP_STATUS_FAIL },
    };

    if (is_good) {
        n->rndis.nvsp_version = in->init.max_version;
        n->rndis.mtu = MTU_USUAL;
        n->ops->changed(n->ctx);
    }
    complete(c, transaction, &out);
}

/* What the guest calls its MTU is with the Ethernet header; ours is the lower one, which it is told
 * when it asks for the frame size. */
static void configure(struct netvsp *n, const struct nvsp_message *in)
{
    uint32_t mtu = in->ndis_config.mtu;

    if (!n->rndis.nvsp_version || n->buffers[NETVSP_RECEIVE])
        return;
    mtu = mtu > ETHERNET_HEADER_BYTES ? mtu - ETHERNET_HEADER_BYTES : 0;
    n->rndis.mtu = min(max(mtu, MTU_MIN), MTU_MAX);
}

static void receive_buffer(struct netvsp *n, struct channel *c, uint64_t transaction,
                           const struct nvsp_message *in)
{
    struct nvsp_message out = { .type = NVSP_RECEIVE_BUFFER_COMPLETE };
    enum err err = in->buffer.id == NVSP_RECEIVE_BUFFER_ID
                       ? netvsp_lend(n, NETVSP_RECEIVE, in->buffer.gpadl)
                       : ERR_ARGUMENT;

    out.receive_buffer_complete.status = err ? NVSP_STATUS_FAIL : NVSP_STATUS_SUCCESS;
    if (!err) {
        out.receive_buffer_complete.section_count = 1;
        out.receive_buffer_complete.section_bytes = n->slots.bytes;
        out.receive_buffer_complete.sections = n->slots.count;
        out.receive_buffer_complete.end_offset = n->slots.bytes * n->slots.count;
    }
    complete(c, transaction, &out);
}

static void send_buffer(struct netvsp *n, struct channel *c, uint64_t transaction,
                        const struct nvsp_message *in)
{
    struct nvsp_message out = { .type = NVSP_SEND_BUFFER_COMPLETE };
    enum err err = in->buffer.id == NVSP_SEND_BUFFER_ID
                       ? netvsp_lend(n, NETVSP_SEND, in->buffer.gpadl)
                       : ERR_ARGUMENT;

    out.send_buffer_complete.status = err ? NVSP_STATUS_FAIL : NVSP_STATUS_SUCCESS;
    out.send_buffer_complete.section_bytes = err ? 0 : NETVSP_SECTION_BYTES;
    complete(c, transaction, &out);
}

/* The guest waits until there are as many sub-channels as the answer says: so that many are offered. */
static void subchannels(struct netvsp *n, struct channel *c, uint64_t transaction,
                        const struct nvsp_message *in)
{
    uint32_t room = n->rndis.queue_max - 1, got = 0;
    bool is_good = in->subchannel.operation_or_status == NVSP_SUBCHANNEL_ALLOCATE &&
                   n->state == NIC_READY && n->channel_limit == 1;
    struct nvsp_message out = { .type = NVSP_SUBCHANNEL };

    if (is_good)
        got = n->ops->add_channels(n->ctx, min(in->subchannel.count, room));
    n->channel_limit += got;
    out.subchannel.operation_or_status = is_good ? NVSP_STATUS_SUCCESS : NVSP_STATUS_FAIL;
    out.subchannel.count = got;
    complete(c, transaction, &out);
}

/* There is no virtual function yet: the data path is ours, which is where it stays. */
static void data_path(struct channel *c, uint64_t transaction)
{
    struct nvsp_message out = { .type = NVSP_SWITCH_DATA_PATH };

    complete(c, transaction, &out);
}

static void strange(struct netvsp *n, struct channel *c)
{
    n->strange_count++;
    c->is_broken = true;
}

static void control_message(struct netvsp *n, struct channel *c, const struct ring_packet *h,
                            const struct nvsp_message *in)
{
    switch (in->type) {
    case NVSP_INIT: initialize(n, c, h->transaction, in); break;
    case NVSP_SEND_NDIS_VERSION: break;
    case NVSP_SEND_NDIS_CONFIG: configure(n, in); break;
    case NVSP_SEND_RECEIVE_BUFFER: receive_buffer(n, c, h->transaction, in); break;
    case NVSP_SEND_SEND_BUFFER: send_buffer(n, c, h->transaction, in); break;
    case NVSP_REVOKE_RECEIVE_BUFFER: take_buffer_back(n, NETVSP_RECEIVE); break;
    case NVSP_REVOKE_SEND_BUFFER: take_buffer_back(n, NETVSP_SEND); break;
    case NVSP_SUBCHANNEL: subchannels(n, c, h->transaction, in); break;
    case NVSP_SWITCH_DATA_PATH: data_path(c, h->transaction); break;
    default: strange(n, c);
    }
}

/* ---- RNDIS control messages ---- */

static void note_changes(struct netvsp *n, uint32_t changes)
{
    if (changes & RNDIS_NEW_RSS && n->rndis.rss.is_on)
        flow_set_key(&n->flow, n->rndis.rss.key);
    if (changes & RNDIS_NEW_FILTER)
        send_filter(n);
    if (changes)
        n->ops->changed(n->ctx);
}

static void rndis_message(struct netvsp *n, struct channel *c, const struct ring_packet *h,
                          const struct nvsp_message *in)
{
    static uint8_t message[RNDIS_CONTROL_BYTES_MAX], answer[RNDIS_ANSWER_BYTES_MAX];
    static struct netvsp_stream stream; /* one service thread */
    struct nvsp_message out = { .type = NVSP_RNDIS_PACKET_COMPLETE,
                                .rndis_complete = { NVSP_STATUS_FAIL } };
    uint32_t answer_bytes = 0, changes;
    enum err err = netvsp_open_stream(n, c, h, in, &stream);

    if (!err && stream.total <= sizeof(message))
        err = netvsp_read_stream(n, &stream, 0, message, stream.total);
    if (!err && stream.total <= sizeof(message)) {
        changes = rndis_control(&n->rndis, message, stream.total, answer, &answer_bytes);
        n->strange_count += changes & RNDIS_IS_STRANGE ? 1 : 0;
        note_changes(n, changes & ~RNDIS_IS_STRANGE);
        out.rndis_complete.status = NVSP_STATUS_SUCCESS;
    }
    complete(c, h->transaction, &out);
    if (answer_bytes && netvsp_tell(n, answer, answer_bytes))
        n->strange_count++; /* a slot was seen to be free, but not for it */
}

/* ---- packets ---- */

/* ERR_FULL: it stays in the ring until there is room for what comes of it. */
static enum err take_message(struct netvsp *n, struct channel *c, const struct ring_packet *h)
{
    struct nvsp_message in = { 0 };
    uint32_t bytes = min(ring_payload_bytes(h), (uint32_t)sizeof(in));
    enum err err;

    if (bytes < sizeof(in.type) || ring_read(&c->in, h, ring_payload_offset(h), &in, bytes)) {
        strange(n, c);
        return ERR_GUEST;
    }
    if (likely(in.type == NVSP_SEND_RNDIS_PACKET && in.rndis.channel_type == NVSP_CHANNEL_DATA))
        return netvsp_take_data(n, c, h, &in);
    err = channel_reserve(c, ANSWERS_BYTES);
    if (!err && c->subchannel)
        err = ERR_GUEST; /* control belongs on the primary channel */
    if (!err && n->slots.count && !control_slots_here(n))
        err = ERR_FULL;
    if (err == ERR_GUEST)
        strange(n, c);
    if (err)
        return err;
    if (in.type == NVSP_SEND_RNDIS_PACKET)
        rndis_message(n, c, h, &in);
    else
        control_message(n, c, h, &in);
    if (c->state == CHANNEL_OPEN)
        channel_skip(c, h);
    return OK;
}

static enum err take_completion(struct netvsp *n, struct channel *c, const struct ring_packet *h)
{
    if (!netvsp_returned(n, h->transaction)) {
        strange(n, c);
        return ERR_GUEST;
    }
    channel_skip(c, h);
    return OK;
}

static enum err take_packet(struct netvsp *n, struct channel *c)
{
    struct ring_packet h;
    enum err err = channel_next(c, &h);

    if (err)
        return err;
    switch (h.type) {
    case RING_DATA_INBAND:
    case RING_DATA_GPA_DIRECT: return take_message(n, c, &h);
    case RING_COMPLETION: return take_completion(n, c, &h);
    default: strange(n, c); return ERR_GUEST;
    }
}

/* True: there was something. */
static bool serve_channel(struct netvsp *n, struct channel *c)
{
    uint32_t turn = c->turn;
    enum err err;

    channel_begin(c);
    do {
        err = take_packet(n, c);
    } while (!err);
    n->is_stuck |= err == ERR_FULL;
    n->is_polled = true;
    channel_pause(c);
    return c->turn != turn;
}

/* Slots go back with the next sends, or when the switch may need them: nobody is woken for a few. */
static void finish_turn(struct netvsp *n)
{
    if (n->send_count || n->return_count > NETVSP_RETURNS_MAX / 2 ||
        n->returned_slots > n->slots.count / 4)
        netvsp_flush_returns(n);
    netvsp_flush_sends(n);
    publish(n);
    netvsp_complete(n);
    tell_waiting(n);
    for (uint32_t i = 0; i < n->channel_limit; i++)
        if (n->channels[i])
            channel_flush(n->channels[i]);
}

/* ---- the link ---- */

enum err netvsp_link(struct netvsp *n, void *at, uint8_t *arena, uint32_t epoch)
{
    uint8_t *rings = at;
    enum err err;

    netvsp_unlink(n);
    err = ring_attach_writer(&n->out, rings, PORT_LINK_DATA_BYTES);
    if (!err)
        err = ring_attach_reader(&n->in, rings + PAGE_BYTES + PORT_LINK_DATA_BYTES,
                                 PORT_LINK_DATA_BYTES);
    if (err)
        return err;
    n->arena = arena;
    n->epoch = epoch;
    n->has_link = true;
    connect(n);
    if (n->is_stuck)
        n->ops->serve_later(n->ctx);
    n->ops->changed(n->ctx);
    return OK;
}

void netvsp_unlink(struct netvsp *n)
{
    if (!n->has_link)
        return;
    n->is_connected = false; /* nobody is there to be told */
    disconnect(n);
    n->has_link = false;
    n->epoch = 0;
    finish_turn(n); /* the guest gets its completions */
    if (n->is_stuck)
        n->ops->serve_later(n->ctx);
}

/* What is taken is always given back to the switch, which else takes us for awake and does not signal
 * again. What the guest has no room for stays, and the guest's signal brings us back. */
static void serve_link(struct netvsp *n)
{
    struct ring_packet h;
    bool goes_on;

    do {
        ring_mask(&n->in, 1);
        goes_on = netvsp_receive(n) && n->has_link;
        if (ring_commit(&n->in))
            n->ops->signal_switch(n->ctx);
        ring_mask(&n->in, 0);
        goes_on = goes_on && ring_peek(&n->in, &h) == OK;
    } while (goes_on);
}

void netvsp_signalled(struct netvsp *n, struct channel *c)
{
    serve_channel(n, c);
    if (n->has_link && n->waits_for_guest)
        serve_link(n);
    finish_turn(n);
}

/* Of what a turn has left: a guest whose ring was not empty does not signal again. */
static bool has_more(const struct netvsp *n)
{
    bool is_there = false;

    for (uint32_t i = 0; i < n->channel_limit; i++)
        is_there |= n->channels[i] && !n->channels[i]->is_broken && n->channels[i]->has_more;
    return is_there;
}

bool netvsp_poll(struct netvsp *n)
{
    bool has_some = false;

    for (uint32_t i = 0; i < n->channel_limit; i++) {
        struct channel *c = n->channels[i];

        if (!c || c->is_broken)
            continue;
        c->turn = CHANNEL_TURN_MAX;
        has_some |= serve_channel(n, c);
    }
    if (n->has_link && n->waits_for_guest)
        serve_link(n);
    if (has_some)
        finish_turn(n);
    if (has_more(n))
        n->ops->serve_later(n->ctx);
    return has_some;
}

bool netvsp_rest(struct netvsp *n)
{
    bool is_there = false;

    for (uint32_t i = 0; i < n->channel_limit; i++)
        if (n->channels[i])
            is_there |= channel_rest(n->channels[i]);
    n->is_polled = is_there;
    return is_there;
}

/* A guest that is given frames will soon give back their slots, and may answer them. */
static void expect_answers(struct netvsp *n)
{
    for (uint32_t i = 0; i < n->channel_limit; i++)
        if (n->channels[i] && !n->channels[i]->is_broken)
            channel_begin(n->channels[i]);
    n->is_polled = true;
}

void netvsp_serve(struct netvsp *n)
{
    if (n->has_link)
        serve_link(n);
    if (n->is_stuck) {
        n->is_stuck = false;
        netvsp_complete(n); /* makes room */
        netvsp_poll(n);
    }
    if (n->slots.has_some_here)
        netvsp_give_slots(n);
    expect_answers(n);
    finish_turn(n);
}

/* ---- channels ---- */

void netvsp_opened(struct netvsp *n, struct channel *c)
{
    if (c->subchannel >= NIC_CHANNELS_MAX)
        return;
    n->channels[c->subchannel] = c;
    if (c->subchannel) {
        n->must_tell |= NETVSP_TELL_TABLE;
    } else {
        n->channel_limit = 1;
        n->must_tell = 0;
        n->state = NIC_OPENED;
        n->rndis.nvsp_version = 0;
        rndis_reset(&n->rndis);
    }
    tell_waiting(n);
    if (n->channels[0])
        channel_flush(n->channels[0]);
    n->ops->changed(n->ctx);
}

void netvsp_closed(struct netvsp *n, struct channel *c)
{
    if (c->subchannel >= NIC_CHANNELS_MAX)
        return;
    netvsp_forget_channel(n, c);
    n->channels[c->subchannel] = NULL;
    if (!c->subchannel) {
        take_buffer_back(n, NETVSP_RECEIVE);
        take_buffer_back(n, NETVSP_SEND);
        rndis_reset(&n->rndis);
        n->rndis.nvsp_version = 0;
        n->state = c->is_broken ? NIC_BROKEN : NIC_OFFERED;
    }
    if (n->has_link && n->waits_for_guest) { /* its ring was the full one, maybe */
        serve_link(n);
        finish_turn(n);
    }
    n->ops->changed(n->ctx);
}

/* ---- the manager ---- */

static void adopt_config(struct netvsp *n, const struct vmm_nic *config)
{
    n->config = *config;
    n->rndis.permanent_mac = config->mac;
    n->rndis.link_is_up = config->flags & NIC_LINK_IS_UP;
    n->rndis.may_change_mac = config->flags & NIC_MAY_CHANGE_MAC;
    n->rndis.speed_bits = config->speed_bits;
    string_copy(n->rndis.name, sizeof(n->rndis.name), config->name);
}

void netvsp_init(struct netvsp *n, const struct netvsp_ops *ops, void *ctx,
                 const struct vmm_nic *config, uint32_t queue_max)
{
    memset(n, 0, sizeof(*n));
    n->ops = ops;
    n->ctx = ctx;
    n->rndis.queue_max = max(1u, min(queue_max, NIC_CHANNELS_MAX));
    n->channel_limit = 1;
    adopt_config(n, config);
    n->rndis.mac = config->mac;
}

void netvsp_set(struct netvsp *n, const struct vmm_nic *config)
{
    bool was_up = n->rndis.link_is_up;
    uint64_t speed = n->rndis.speed_bits;

    adopt_config(n, config);
    if (n->rndis.link_is_up != was_up)
        n->must_tell |= NETVSP_TELL_LINK;
    if (n->rndis.speed_bits != speed)
        n->must_tell |= NETVSP_TELL_SPEED;
    if (n->channels[0]) {
        tell_waiting(n);
        channel_flush(n->channels[0]);
    }
}

void netvsp_state(const struct netvsp *n, struct vmm_nic_state *out)
{
    *out = (struct vmm_nic_state){
        .number = n->config.number,
        .state = n->state,
        .nvsp_version = n->rndis.nvsp_version,
        .mtu = n->rndis.mtu,
        .takes = rndis_takes(&n->rndis),
        .epoch = n->epoch,
        .slot_count = n->slots.count,
        .dropped_sends = n->dropped_sends,
        .mac = n->rndis.mac,
    };
    for (uint32_t i = 0; i < NIC_CHANNELS_MAX; i++)
        out->channel_count += n->channels[i] != NULL;
}
