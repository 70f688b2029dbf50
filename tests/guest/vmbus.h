/* A VMBus driver for payloads: one connection, its offers, channels whose rings the payload lays out
 * itself. Everything is polled unless the payload takes the interrupt. It does what it is told, also
 * what is wrong: it serves attacks. */
#pragma once
#include "lib/abi/vmbus.h"
#include "tests/guest/smp.h"

#define VMBUS_VECTOR   0x70
#define VMBUS_OFFERS   64u /* that are remembered */
#define RING_PAGES_MAX 64u

/* The control page of a ring (Linux include/linux/hyperv.h, struct hv_ring_buffer). */
struct ring_page {
    volatile uint32_t write_index, read_index, interrupt_mask, pending_send_bytes;
    uint32_t reserved[12];
    uint32_t feature_bits;
    uint8_t pad[4096 - 68];
};

struct packet_head {
    uint16_t type, offset8, len8, flags;
    uint64_t transaction;
};

struct vmbus_channel {
    uint32_t id, connection, gpadl;
    struct ring_page *out, *in; /* to the host, from the host */
    uint8_t *out_data, *in_data;
    uint32_t data_bytes; /* of each */
    uint32_t in_at;      /* up to where packets were taken, and put */
    uint32_t out_at;
};

extern struct vmbus_offer vmbus_offers[VMBUS_OFFERS];
extern uint32_t vmbus_offer_count;

/* Switches hypercalls and this CPU's SynIC on, whose SINT 2 interrupts by VMBUS_VECTOR. */
bool vmbus_synic_on(void);
/* Posts a message; the hypercall's status. vmbus_send() tries again while the host is busy. */
uint64_t vmbus_post(uint32_t connection, const void *message, uint32_t bytes);
uint64_t vmbus_send(const void *message, uint32_t bytes);
/* Takes the next message of this CPU's slot; its bytes, or 0 when there is none. */
uint32_t vmbus_poll(void *to, uint32_t capacity);
/* The next message of this type, others are dropped (offers are remembered); false after a while. */
bool vmbus_wait(uint32_t type, void *to, uint32_t capacity);

/* Says hello by @version and waits: whether the host speaks it. */
bool vmbus_contact(uint32_t version);
/* Asks for the offers and remembers them. */
bool vmbus_get_offers(void);
/* The first offer whose class begins with @class_a, its sub-channel @index; NULL: none. */
const struct vmbus_offer *vmbus_find(uint32_t class_a, uint16_t index);

/* The status, or ~0u when nothing is answered. @pages: page numbers. */
uint32_t vmbus_gpadl(uint32_t channel, uint32_t gpadl, const uint64_t *pages, uint32_t count);
uint32_t vmbus_open(uint32_t channel, uint32_t gpadl, uint32_t downstream_page, uint32_t vp);
void vmbus_close(uint32_t channel);
bool vmbus_teardown(uint32_t channel, uint32_t gpadl);

/* Opens @offer's channel with rings of @pages each in the 2 * @pages pages at @memory. */
bool channel_open(struct vmbus_channel *c, const struct vmbus_offer *offer, uint32_t gpadl,
                  void *memory, uint32_t pages);
/* The same in another place: the rings as they would be right after the opening. */
void channel_reset_rings(struct vmbus_channel *c, void *memory, uint32_t pages);

/* ---- packets; inline, since they are measured ---- */

static inline void move_words(void *to, const void *from, uint64_t words)
{
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}

/* Word by word, round the end of the ring. */
uint32_t ring_put_words(struct vmbus_channel *c, uint32_t at, const uint64_t *from, uint32_t words);
uint32_t ring_take_words(struct vmbus_channel *c, uint32_t at, uint64_t *to, uint32_t words);

/* Writes a packet of @words units of 8 bytes, which ring_publish() shows the host. False: no room. */
static inline bool ring_put(struct vmbus_channel *c, uint16_t type, uint16_t flags,
                            uint64_t transaction, const uint64_t *payload, uint32_t words)
{
    uint32_t at = c->out_at, read = c->out->read_index, bytes = 24 + words * 8;
    uint32_t free = read > at ? read - at : c->data_bytes - at + read;
    uint64_t head[2] = { type | 2u << 16 | (uint64_t)(2 + words) << 32 | (uint64_t)flags << 48,
                         transaction };
    uint64_t trailer = (uint64_t)at << 32;

    if (free <= bytes)
        return false;
    if (c->data_bytes - at > bytes) {
        uint64_t *to = (uint64_t *)(void *)(c->out_data + at);

        to[0] = head[0];
        to[1] = head[1];
        move_words(to + 2, payload, words);
        to[2 + words] = trailer;
        c->out_at = at + bytes;
    } else {
        at = ring_put_words(c, at, head, 2);
        at = ring_put_words(c, at, payload, words);
        c->out_at = ring_put_words(c, at, &trailer, 1);
    }
    return true;
}

/* True: the host must be told. */
static inline bool ring_publish(struct vmbus_channel *c)
{
    uint32_t old = c->out->write_index;

    __atomic_store_n(&c->out->write_index, c->out_at, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return !c->out->interrupt_mask && c->out->read_index == old;
}

/* Takes a packet; false: none. *@words of its payload are at @payload, at most @capacity. Its room is
 * the host's again after ring_done(). */
static inline bool ring_take(struct vmbus_channel *c, struct packet_head *h, uint64_t *payload,
                             uint32_t capacity, uint32_t *words)
{
    uint32_t at = c->in_at, end = __atomic_load_n(&c->in->write_index, __ATOMIC_ACQUIRE), n;

    if (at == end)
        return false;
    if (c->data_bytes - at <= 24 + capacity * 8) { /* it may go round */
        at = ring_take_words(c, at, (uint64_t *)(void *)h, 2);
        *words = h->len8 - h->offset8;
        n = *words < capacity ? *words : capacity;
        for (uint32_t i = 2; i < h->offset8; i++)
            at = at + 8 < c->data_bytes ? at + 8 : 0;
        at = ring_take_words(c, at, payload, n);
        at += (*words - n + 1) * 8;
        c->in_at = at < c->data_bytes ? at : at - c->data_bytes;
        return true;
    }
    ((uint64_t *)(void *)h)[0] = *(uint64_t *)(void *)(c->in_data + at);
    ((uint64_t *)(void *)h)[1] = *(uint64_t *)(void *)(c->in_data + at + 8);
    *words = h->len8 - h->offset8;
    n = *words < capacity ? *words : capacity;
    move_words(payload, c->in_data + at + h->offset8 * 8, n);
    at += h->len8 * 8u + 8;
    c->in_at = at < c->data_bytes ? at : at - c->data_bytes;
    return true;
}

static inline void ring_done(struct vmbus_channel *c)
{
    __atomic_store_n(&c->in->read_index, c->in_at, __ATOMIC_SEQ_CST);
}

/* HvCallSignalEvent. */
uint64_t channel_signal(const struct vmbus_channel *c);

/* Whether the host has signalled @channel, which this takes back. */
bool vmbus_take_event(uint32_t channel);
