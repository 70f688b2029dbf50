/* Frames from the guest. One that lies in the send buffer is only named to the switch; one that lies
 * elsewhere, or partly so, is gathered into the arena. The heads that say where frames are are copied
 * before they are looked at, so what the guest changes meanwhile is at worst the bytes of its own frame. */
#include "lib/string.h"
#include "services/vmm/vsp/netvsp.h"
#include "services/vmm/vsp/rndis_send.h"

/* ---- the bytes of a packet ---- */

static enum err open_section(const struct netvsp *n, const struct nvsp_message *m,
                             struct netvsp_stream *s)
{
    uint64_t sections = n->buffer_bytes[NETVSP_SEND] / NETVSP_SECTION_BYTES;

    if (m->rndis.section == NVSP_NO_SECTION)
        return OK;
    if (m->rndis.section >= sections || m->rndis.section_bytes > NETVSP_SECTION_BYTES)
        return ERR_GUEST;
    s->section_offset = m->rndis.section * NETVSP_SECTION_BYTES;
    s->section = n->buffers[NETVSP_SEND] + s->section_offset;
    s->section_bytes = m->rndis.section_bytes;
    return OK;
}

/* The page numbers of one range, of which @left words are there at @pages. */
static enum err add_range(struct netvsp_stream *s, const struct gpa_range *r, const uint64_t *pages,
                          uint32_t left, uint32_t *used)
{
    uint32_t offset = r->offset, bytes = r->bytes;

    if (offset >= PAGE_BYTES || bytes > NETVSP_PAGES_MAX * PAGE_BYTES)
        return ERR_GUEST;
    *used = (uint32_t)((offset + bytes + PAGE_MASK) >> PAGE_SHIFT);
    if (*used > left || *used > NETVSP_PAGES_MAX - s->piece_count)
        return ERR_GUEST;
    for (uint32_t i = 0; i < *used; i++) {
        uint32_t n = min(bytes, (uint32_t)PAGE_BYTES - offset);

        if (pages[i] > UINT64_MAX >> PAGE_SHIFT)
            return ERR_GUEST;
        s->pieces[s->piece_count++] =
            (struct netvsp_piece){ { (pages[i] << PAGE_SHIFT) + offset }, n };
        s->total += n;
        bytes -= n;
        offset = 0;
    }
    return OK;
}

static enum err open_ranges(struct channel *c, const struct ring_packet *h, struct netvsp_stream *s)
{
    static uint64_t words[1 + 2 * NETVSP_PAGES_MAX]; /* one service thread */
    uint32_t bytes = ring_payload_offset(h) - (uint32_t)sizeof(*h), at = 1, used;
    struct gpa_direct head;
    struct gpa_range range;
    enum err err = bytes < sizeof(head) || bytes > sizeof(words)
                       ? ERR_GUEST
                       : ring_read(&c->in, h, sizeof(*h), words, bytes);

    if (err)
        return ERR_GUEST;
    uint32_t count = bytes / 8;
    __builtin_memcpy(&head, &words[0], sizeof(head));
    for (uint32_t i = 0; i < head.count; i++, at += used) {
        if (at >= count)
            return ERR_GUEST;
        __builtin_memcpy(&range, &words[at++], sizeof(range));
        err = add_range(s, &range, &words[at], count - at, &used);
        if (err)
            return err;
    }
    return OK;
}

enum err netvsp_open_stream(struct netvsp *n, struct channel *c, const struct ring_packet *h,
                            const struct nvsp_message *m, struct netvsp_stream *s)
{
    enum err err;

    s->section = NULL;
    s->section_offset = s->section_bytes = s->total = s->piece_count = 0;
    err = open_section(n, m, s);
    s->total = s->section_bytes;
    if (!err && h->type == RING_DATA_GPA_DIRECT)
        err = open_ranges(c, h, s);
    return err;
}

enum err netvsp_read_stream(struct netvsp *n, const struct netvsp_stream *s, uint32_t from,
                            void *to, uint32_t bytes)
{
    uint8_t *out = to;
    uint32_t part;
    enum err err = OK;

    if (from < s->section_bytes) {
        part = min(bytes, s->section_bytes - from);
        ring_copy(out, s->section + from, part);
        out += part;
        from += part;
        bytes -= part;
    }
    from -= s->section_bytes;
    for (uint32_t i = 0; !err && bytes && i < s->piece_count; i++) {
        const struct netvsp_piece *p = &s->pieces[i];

        if (from >= p->bytes) {
            from -= p->bytes;
            continue;
        }
        part = min(bytes, p->bytes - from);
        err = n->ops->read(n->ctx, (gpa_t){ p->gpa.v + from }, out, part);
        out += part;
        bytes -= part;
        from = 0;
    }
    return err;
}

/* ---- the arena ---- */

/* Where @bytes in a row are free, and how many are taken up with what is left free before the arena's
 * end; false: nowhere yet. */
static bool arena_find(const struct netvsp *n, uint32_t bytes, uint32_t *at, uint32_t *taken)
{
    uint32_t skipped = 0;

    bytes = (uint32_t)round_up(bytes, 8);
    *at = n->arena_head;
    if (bytes > NETVSP_ARENA_BYTES - n->arena_head) {
        skipped = (uint32_t)NETVSP_ARENA_BYTES - n->arena_head;
        *at = 0;
    }
    *taken = skipped + bytes;
    return *taken <= NETVSP_ARENA_BYTES - n->arena_used;
}

static void arena_take(struct netvsp *n, uint32_t at, uint32_t bytes, uint32_t taken)
{
    n->arena_head = (at + (uint32_t)round_up(bytes, 8)) % (uint32_t)NETVSP_ARENA_BYTES;
    n->arena_used += taken;
}

/* ---- frames ---- */

/* A frame that cannot be is named all the same, with no bytes, so that it is counted as dropped. */
static struct port_send *add_send(struct netvsp *n, const struct channel *c)
{
    struct port_send *s = &n->send_message.sends[n->send_count++];

    *s = (struct port_send){ .queue = c->subchannel };
    return s;
}

static uint32_t add_frame(struct netvsp *n, const struct channel *c, const struct netvsp_stream *s,
                          uint32_t at, const struct rndis_send *r)
{
    struct port_send *send = add_send(n, c);
    uint32_t from = at + r->data_offset, to, taken = 0;

    send->flags = r->flags;
    send->mss = r->mss;
    send->l4_offset = r->l4_offset;
    send->tci = r->tci;
    send->bytes = r->data_bytes;
    if (likely(from <= s->section_bytes && r->data_bytes <= s->section_bytes - from)) {
        send->offset = s->section_offset + from;
        return 0;
    }
    if (!arena_find(n, r->data_bytes, &to, &taken) ||
        netvsp_read_stream(n, s, from, n->arena + to, r->data_bytes)) {
        send->bytes = 0;
        return 0;
    }
    arena_take(n, to, r->data_bytes, taken);
    send->flags |= PORT_SEND_FROM_ARENA;
    send->offset = to;
    return taken;
}

static void add_frames(struct netvsp *n, const struct channel *c, const struct netvsp_stream *s,
                       struct netvsp_flight *f)
{
    static uint8_t head[RNDIS_SEND_HEAD_MAX]; /* one service thread */
    struct rndis_send r;

    for (uint32_t at = 0; at < s->total && f->messages < NETVSP_MESSAGES_MAX;
         at += r.message_bytes) {
        uint32_t room = s->total - at;
        enum err err = netvsp_read_stream(n, s, at, head, min(room, RNDIS_SEND_HEAD_MAX));

        f->messages++;
        r.message_bytes = 0;
        if (!err)
            err = rndis_send_parse(head, room, &r);
        if (likely(!err))
            f->arena_bytes += add_frame(n, c, s, at, &r);
        else
            add_send(n, c);
        if (!r.message_bytes)
            return;
    }
}

static bool has_room(struct netvsp *n, const struct netvsp_stream *s)
{
    uint32_t at, taken;

    if (n->flight_count == NETVSP_FLIGHT_MAX)
        return false;
    if (n->send_count + NETVSP_MESSAGES_MAX > NETVSP_SENDS_MAX)
        netvsp_flush_sends(n);
    return n->send_count + NETVSP_MESSAGES_MAX <= NETVSP_SENDS_MAX &&
           (!s->piece_count || arena_find(n, s->total, &at, &taken));
}

enum err netvsp_take_data(struct netvsp *n, struct channel *c, const struct ring_packet *h,
                          const struct nvsp_message *m)
{
    static struct netvsp_stream stream; /* one service thread */
    enum err err = n->state == NIC_READY ? netvsp_open_stream(n, c, h, m, &stream) : ERR_GUEST;
    struct netvsp_flight *f;

    if (err) {
        n->strange_count++;
        c->is_broken = true;
        return ERR_GUEST;
    }
    if (!has_room(n, &stream))
        return ERR_FULL;
    f = &n->flight[(n->flight_first + n->flight_count++) % NETVSP_FLIGHT_MAX];
    *f = (struct netvsp_flight){ .transaction = h->transaction,
                                 .channel = c,
                                 .wants_completion = h->flags & RING_FLAG_WANTS_COMPLETION };
    if (likely(n->is_connected))
        add_frames(n, c, &stream, f);
    else
        n->dropped_sends++;
    channel_skip(c, h);
    return OK;
}

void netvsp_flush_sends(struct netvsp *n)
{
    uint32_t count = n->send_count;

    if (!count)
        return;
    if (netvsp_send_message(n, PORT_SEND, count, &n->send_message.head,
                            count * (uint32_t)sizeof(struct port_send)))
        n->is_stuck = true; /* the switch says when it has room */
    else
        n->send_count = 0;
}

/* ---- what has been sent ---- */

void netvsp_sent(struct netvsp *n, uint32_t count)
{
    for (uint32_t i = 0; count && i < n->flight_count; i++) {
        struct netvsp_flight *f = &n->flight[(n->flight_first + i) % NETVSP_FLIGHT_MAX];
        uint32_t part = min(count, (uint32_t)f->messages);

        if (!part)
            continue;
        f->messages = (uint16_t)(f->messages - part);
        count -= part;
        if (!f->messages) {
            n->arena_used -= f->arena_bytes;
            f->arena_bytes = 0;
        }
    }
}

/* The guest waits for no more than the number and the status. */
static void complete(struct netvsp *n)
{
    const uint32_t done[2] = { NVSP_RNDIS_PACKET_COMPLETE, NVSP_STATUS_SUCCESS };

    while (n->flight_count) {
        struct netvsp_flight *f = &n->flight[n->flight_first];

        if (f->messages)
            return;
        if (f->channel && f->wants_completion && !f->channel->is_broken &&
            channel_put_one(f->channel, RING_COMPLETION, f->transaction, done, sizeof(done)) ==
                ERR_FULL)
            return; /* the guest says when it has room */
        n->flight_first = (n->flight_first + 1) % NETVSP_FLIGHT_MAX;
        n->flight_count--;
    }
}

/* Packets that found it full are in guests' rings, and nobody signals them again. */
void netvsp_complete(struct netvsp *n)
{
    bool was_full = n->flight_count == NETVSP_FLIGHT_MAX;

    complete(n);
    if (unlikely(was_full && n->is_stuck && n->flight_count < NETVSP_FLIGHT_MAX))
        n->ops->serve_later(n->ctx);
}

void netvsp_drop_flight(struct netvsp *n)
{
    for (uint32_t i = 0; i < n->flight_count; i++) {
        struct netvsp_flight *f = &n->flight[(n->flight_first + i) % NETVSP_FLIGHT_MAX];

        n->dropped_sends += f->messages;
        f->messages = 0;
        f->arena_bytes = 0;
    }
    n->arena_head = n->arena_used = 0;
}

void netvsp_forget_channel(struct netvsp *n, const struct channel *c)
{
    for (uint32_t i = 0; i < n->flight_count; i++) {
        struct netvsp_flight *f = &n->flight[(n->flight_first + i) % NETVSP_FLIGHT_MAX];

        if (f->channel == c)
            f->channel = NULL;
    }
    if (n->batch_channel == c)
        netvsp_drop_batch(n);
}
