/* A message of another generation is about buffers that are gone, and is passed over. A message that
 * cannot be right is counted on the board and passed over, too: its vmm has harmed itself only. */
#include "services/switch/inbox.h"
#include "services/switch/forward.h"
#include "services/switch/link.h"

static enum inbox_step leave(struct port *p)
{
    ring_advance(&p->in, &p->reading.packet);
    p->reading.left = 0;
    return INBOX_DONE;
}

static enum inbox_step refuse(struct core *c, struct port *p)
{
    c->board->unknown_count++;
    return leave(p);
}

/* Sends that are taken out of the ring at once: few, since their cost is measured together. */
#define SEND_BURST 4u

static enum inbox_step send_next(struct core *c, struct port *p)
{
    struct port_reading *r = &p->reading;
    struct port_send sends[SEND_BURST] = { 0 };
    uint32_t count = min(r->left, SEND_BURST), bytes = count * (uint32_t)sizeof(sends[0]);

    if (unlikely(ring_read(&p->in, &r->packet, r->at, sends, bytes)))
        return refuse(c, p); /* cannot be: its length was checked */
    r->at += bytes;
    r->left -= count;
    for (uint32_t i = 0; i < count; i++) {
        forward_send(c, p, &sends[i]);
        port_count_sent(p, sends[i].bytes, c->now_ns);
    }
    core_mark_dirty(c, p);
    return r->left ? INBOX_DONE : leave(p);
}

static enum inbox_step give_slots(struct core *c, struct port *p, uint32_t at, uint32_t count)
{
    struct port_slots s;

    for (; count; count--, at += (uint32_t)sizeof(s))
        if (ring_read(&p->in, &p->reading.packet, at, &s, sizeof(s)) ||
            slots_give(&p->connection.slots, s.first, s.count))
            c->board->unknown_count++;
    return leave(p);
}

static enum inbox_step connect(struct core *c, struct port *p, uint32_t at, uint32_t generation)
{
    struct port_connect m;

    if (ring_read(&p->in, &p->reading.packet, at, &m, sizeof(m)) ||
        link_connect(c, p, generation, &m))
        return refuse(c, p);
    return leave(p);
}

static enum inbox_step set_filter(struct core *c, struct port *p, uint32_t at)
{
    struct port_filter m;

    if (ring_read(&p->in, &p->reading.packet, at, &m, sizeof(m)))
        return refuse(c, p);
    p->row->takes = m.takes;
    return leave(p);
}

static uint32_t bytes_of(const struct port_message *m)
{
    switch (m->type) {
    case PORT_CONNECT: return sizeof(struct port_connect);
    case PORT_DISCONNECT: return 0;
    case PORT_FILTER: return sizeof(struct port_filter);
    case PORT_SEND: return m->count * (uint32_t)sizeof(struct port_send);
    case PORT_RETURN: return m->count * (uint32_t)sizeof(struct port_slots);
    default: return UINT32_MAX;
    }
}

static enum inbox_step obey(struct core *c, struct port *p, const struct port_message *m,
                            uint32_t at)
{
    if (m->type == PORT_CONNECT)
        return connect(c, p, at, m->generation);
    if (!p->connection.generation || m->generation != p->connection.generation)
        return leave(p);
    switch (m->type) {
    case PORT_DISCONNECT: link_disconnect(c, p); return leave(p);
    case PORT_FILTER: return set_filter(c, p, at);
    case PORT_RETURN: return give_slots(c, p, at, m->count);
    default: break;
    }
    if (!m->count)
        return leave(p);
    p->reading.at = at;
    p->reading.left = m->count;
    return send_next(c, p);
}

static enum inbox_step take_message(struct core *c, struct port *p)
{
    const struct ring_packet *packet = &p->reading.packet;
    uint32_t at = ring_payload_offset(packet), bytes = ring_payload_bytes(packet);
    struct port_message m;

    if (packet->type != RING_DATA_INBAND || bytes < sizeof(m) ||
        ring_read(&p->in, packet, at, &m, sizeof(m)))
        return refuse(c, p);
    if (bytes_of(&m) > bytes - sizeof(m))
        return refuse(c, p);
    return obey(c, p, &m, at + (uint32_t)sizeof(m));
}

enum inbox_step inbox_step(struct core *c, struct port *p)
{
    enum err err;

    if (likely(p->reading.left))
        return send_next(c, p);
    err = ring_peek(&p->in, &p->reading.packet);
    if (err)
        return err == ERR_EMPTY ? INBOX_EMPTY : INBOX_BROKEN;
    return take_message(c, p);
}
