/* The bytes go straight from where the sender has them into the receiver's slot; the headers come from
 * private memory, so that the receiver gets those that were checked. Nothing behind the frame's end is
 * copied: it would be another frame of the sender's. What is rare stays out of line, or its registers
 * and its stack would cost every frame. */
#include "services/switch/deliver.h"
#include "lib/string.h"
#include "services/switch/copy.h"
#include "services/switch/segment.h"

/* A frame, or what one slot holds of it. */
struct piece {
    const uint8_t *head, *rest;
    uint32_t head_bytes, rest_bytes;
    uint16_t flags; /* PORT_RECEIVED_* */
    uint16_t tci;
    uint16_t queue;
    uint16_t least; /* what is shorter on the wire is padded */
};

/* Zeros to the next multiple of 8, and to the shortest frame: the slot's old bytes end with it. */
static inline uint32_t fill_up(uint8_t *slot, uint32_t bytes, uint32_t least, uint32_t room)
{
    uint32_t end;

    if (likely(bytes >= least && !(bytes & 7)))
        return bytes;
    least = max(bytes, least);
    end = min((least + 7) & ~7u, room);

    if (unlikely(bytes < end))
        memset(slot + bytes, 0, end - bytes);
    return least;
}

static inline void put_piece(struct port *to, const struct piece *piece)
{
    struct connection *n = &to->connection;
    uint32_t slot = slots_take(&n->slots), bytes = piece->head_bytes + piece->rest_bytes;
    uint8_t *at = n->lent[LENT_RECEIVE] + (uint64_t)slot * n->slot_bytes + n->frame_offset;

    copy_exact(at, piece->head, piece->head_bytes);
    if (piece->rest_bytes)
        copy_exact(at + piece->head_bytes, piece->rest, piece->rest_bytes);
    bytes = fill_up(at, bytes, piece->least, n->room);
    port_put_received(to, &(struct port_received){ slot, bytes, piece->flags, piece->tci, 0 });
}

static NOINLINE void capture(struct core *c, const struct port *to, const struct piece *piece,
                             enum drop_reason reason)
{
    capture_frame(&c->captures,
                  &(struct capture_frame){
                      .port = to->index,
                      .switch_index = (uint16_t)to->config.switch_index,
                      .port_name = to->config.name,
                      .time_ns = c->now_ns + core_switch_of(c, to)->config.utc_base_ns,
                      .direction = PCAPNG_OUTBOUND,
                      .queue = piece->queue,
                      .reason = reason,
                      .head = piece->head,
                      .head_bytes = piece->head_bytes,
                      .rest = piece->rest,
                      .rest_bytes = piece->rest_bytes,
                      .tci = piece->flags & PORT_RECEIVED_HAS_TAG ? piece->tci : CAPTURE_NO_TAG });
}

/* Counts what became of one frame on the wire. */
static inline void count(struct core *c, struct port *to, const struct piece *whole,
                         enum drop_reason reason)
{
    struct port_counters *n = &to->row->counters;

    if (unlikely(c->captures.count))
        capture(c, to, whole, reason);
    if (unlikely(reason != DROP_NONE)) {
        n->out_drops[reason]++;
        return;
    }
    n->out_frames++;
    n->out_bytes += max(whole->head_bytes + whole->rest_bytes, FRAME_BYTES_MIN);
    core_mark_dirty(c, to);
}

/* Why @slots slots cannot be had, or DROP_NONE. */
static inline enum drop_reason reserve(struct port *to, uint32_t slots)
{
    if (unlikely(to->connection.slots.free_count < slots))
        return DROP_NO_BUFFER;
    return likely(port_has_room(to, slots)) ? DROP_NONE : DROP_RING_FULL;
}

static inline void put_one(struct core *c, struct port *to, const struct piece *piece)
{
    uint32_t bytes = piece->head_bytes + piece->rest_bytes;
    enum drop_reason reason = DROP_TOO_LARGE;

    if (likely(bytes <= to->connection.longest))
        reason = reserve(to, 1);
    if (likely(reason == DROP_NONE))
        put_piece(to, piece);
    count(c, to, piece, reason);
}

static NOINLINE void cut(struct core *c, struct port *to, const struct frame *f,
                         const struct piece *whole)
{
    uint32_t n = segment_count(f);
    struct segment s;

    to->row->counters.lso_sends++;
    to->row->counters.segments += n;
    for (uint32_t i = 0; i < n; i++) {
        struct piece piece = *whole;

        segment_make(f, i, n, &s);
        piece.head = s.head;
        piece.rest = f->rest + s.payload_offset;
        piece.rest_bytes = s.payload_bytes;
        put_one(c, to, &piece);
    }
}

/* The whole in as many slots as it needs; all but the last are filled. */
static NOINLINE void put_chain(struct core *c, struct port *to, const struct piece *whole,
                               uint32_t slots)
{
    uint32_t room = to->connection.room & ~7u, bytes = whole->head_bytes + whole->rest_bytes;
    enum drop_reason reason = reserve(to, slots);
    struct piece piece = *whole;

    for (uint32_t done = 0; reason == DROP_NONE && done < bytes; done += room) {
        bool is_last = bytes - done <= room;

        piece.least = 0;
        piece.head_bytes = done ? 0 : whole->head_bytes;
        piece.rest = whole->rest + (done ? done - whole->head_bytes : 0);
        piece.rest_bytes = min(room, bytes - done) - piece.head_bytes;
        piece.flags =
            (uint16_t)(whole->flags | PORT_RECEIVED_LSO | (is_last ? 0 : PORT_RECEIVED_MORE));
        put_piece(to, &piece);
    }
    if (reason == DROP_NONE)
        to->row->counters.lso_whole++;
    count(c, to, whole, reason);
}

/* How many slots a frame fills whole; 0: the receiver wants it cut. */
static uint32_t chain_slots(const struct port *to, const struct frame *f)
{
    uint32_t room = to->connection.room & ~7u;
    uint32_t slots = (f->bytes + room - 1) / room;
    uint32_t wanted = f->layers.is_ipv6 ? PORT_TAKES_LSO_IPV6 : PORT_TAKES_LSO_IPV4;

    return to->row->takes & wanted && room > f->head_bytes && slots <= PORT_BATCH ? slots : 0;
}

void deliver_frame(struct core *c, struct port *to, const struct frame *f)
{
    struct piece piece = { .head = f->head,
                           .head_bytes = f->head_bytes,
                           .rest = f->rest,
                           .rest_bytes = f->bytes - f->head_bytes,
                           .flags = f->received_flags,
                           .queue = f->queue,
                           .least = FRAME_BYTES_MIN };
    uint32_t slots;

    if (vlan_is_tagged(&to->config.vlan, f->vlan)) {
        piece.flags |= PORT_RECEIVED_HAS_TAG;
        piece.tci = (uint16_t)((f->tags.count ? f->tags.tci & ~TCI_VLAN_ID : 0) | f->vlan);
    }
    if (likely(!(f->flags & PORT_SEND_LSO))) {
        put_one(c, to, &piece);
        return;
    }
    slots = chain_slots(to, f);
    if (slots)
        put_chain(c, to, &piece, slots);
    else
        cut(c, to, f, &piece);
}
