/* What goes to a vmm: received frames are collected over a round and go in few ring packets, since a
 * packet and a wake-up cost more than an element. Room for the completions is kept free beside each
 * element, so that received frames never hold them up for good. */
#include "services/switch/port.h"

void port_put_batch(struct port *p)
{
    struct ring_packet packet = { .type = RING_DATA_INBAND };
    uint32_t bytes =
        (uint32_t)(sizeof(p->batch.head) + p->batch_count * sizeof(p->batch.elements[0]));

    if (!p->batch_count)
        return;
    p->batch.head =
        (struct port_message){ PORT_RECEIVED, (uint16_t)p->batch_count, p->connection.generation };
    p->batch_count = 0;
    if (ring_put_one(&p->out, &packet, &p->batch, bytes))
        p->row->counters.out_drops[DROP_RING_FULL]++; /* never: its room was reserved */
}

static bool may_hold(const struct port *p, uint64_t now_ns)
{
    return p->sent_count < SENT_HELD_COUNT && p->sent_bytes < SENT_HELD_BYTES &&
           now_ns < p->sent_since_ns + SENT_HELD_NS;
}

static enum port_flush put_sent(struct port *p)
{
    struct ring_packet packet = { .type = RING_DATA_INBAND };
    struct {
        struct port_message head;
        struct port_sent sent;
    } message = { { PORT_SENT, 1, p->connection.generation }, { p->sent_count, 0 } };

    if (ring_put_one(&p->out, &packet, &message, sizeof(message)))
        return PORT_WAITS_FOR_ROOM;
    p->sent_count = 0;
    p->sent_bytes = 0;
    return PORT_IS_CLEAN;
}

enum port_flush port_flush(struct port *p, uint64_t now_ns, bool *wants_signal)
{
    enum port_flush flush = PORT_IS_CLEAN;

    port_put_batch(p);
    if (p->sent_count && p->out.own_index == p->out.committed_index && may_hold(p, now_ns))
        flush = PORT_HOLDS_SENT;
    else if (p->sent_count)
        flush = put_sent(p);
    *wants_signal = ring_publish(&p->out);
    return flush;
}
