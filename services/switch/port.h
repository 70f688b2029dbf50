/* A port of the switch: what the manager wants of it, the channel to its NIC's vmm, and the buffers
 * that the vmm has lent. */
#pragma once
#include "lib/abi/port_link.h"
#include "lib/abi/switch_control.h"
#include "lib/ring.h"
#include "services/switch/bucket.h"
#include "services/switch/slots.h"

#define PORT_BATCH 64u /* received elements in one ring packet */

/* A completion alone is held back: it wakes the vmm for little, and a received frame that takes it
 * along is often near. */
#define SENT_HELD_COUNT 16u
#define SENT_HELD_BYTES KIB(64)
#define SENT_HELD_NS    (100 * NS_PER_US)

enum port_lent { LENT_SEND, LENT_RECEIVE, LENT_ARENA, LENT_SLOTS, LENT_COUNT };

/* What the vmm lent, from PORT_CONNECT to PORT_DISCONNECT. */
struct connection {
    uint32_t generation; /* 0: there is none */
    uint32_t slot_bytes, frame_offset;
    uint32_t room; /* for a frame in a slot */
    uint32_t mtu;
    uint32_t longest; /* frame that it can receive */
    uint64_t send_bytes, arena_bytes;
    struct slots slots;
    uint8_t *lent[LENT_COUNT]; /* mapped; the last is our own memory */
    handle_t handles[LENT_COUNT];
};

/* The message that is read at present. Its header is kept here: what stands in the ring can change. */
struct port_reading {
    struct ring_packet packet;
    uint32_t at, left; /* elements of PORT_SEND: where the next one is, and how many */
};

struct port {
    uint16_t index;
    bool is_set, has_link, is_dirty; /* dirty: in the core's list of what is to be flushed */
    struct port_config config;
    uint64_t mac; /* config.mac as a number */
    struct port_row *row;
    struct bucket floods;

    handle_t channel;
    void *mapped; /* the channel */
    struct ring in, out;
    struct port_reading reading;
    struct connection connection;

    uint32_t sent_count; /* completions that the vmm has not been told */
    uint64_t sent_bytes, sent_since_ns;
    uint32_t batch_count;
    struct {
        struct port_message head;
        struct port_received elements[PORT_BATCH];
    } batch;
};

/* Frames can come from it and go to it. */
static inline bool port_is_up(const struct port *p)
{
    return p->connection.generation && p->config.flags & PORT_IS_UP;
}

#define PORT_SENT_PACKET_BYTES \
    (sizeof(struct port_message) + sizeof(struct port_sent) + RING_PACKET_BYTES_MIN)

/* Puts the elements that wait into the vmm's ring. */
void port_put_batch(struct port *p);

/* Whether @count more elements find room in the vmm's ring, and completions beside them; @count is at
 * most PORT_BATCH. */
static inline bool port_has_room(struct port *p, uint32_t count)
{
    if (unlikely(p->batch_count + count > PORT_BATCH))
        port_put_batch(p);
    return ring_reserve(&p->out,
                        (uint32_t)(sizeof(p->batch.head) + PORT_SENT_PACKET_BYTES +
                                   (p->batch_count + count) * sizeof(p->batch.elements[0]))) == OK;
}

/* Names a slot to the vmm, with the next flush; port_has_room() has said yes. */
static inline void port_put_received(struct port *p, const struct port_received *e)
{
    p->batch.elements[p->batch_count++] = *e;
}

/* A send of @bytes is done. */
static inline void port_count_sent(struct port *p, uint32_t bytes, uint64_t now_ns)
{
    if (!p->sent_count)
        p->sent_since_ns = now_ns;
    p->sent_count++;
    p->sent_bytes += bytes;
}

enum port_flush { PORT_IS_CLEAN, PORT_HOLDS_SENT, PORT_WAITS_FOR_ROOM };

/* Writes what the vmm is to hear. True in *@wants_signal: it must be signalled. */
enum port_flush port_flush(struct port *p, uint64_t now_ns, bool *wants_signal) MUST_CHECK;
