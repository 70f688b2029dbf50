/* One direction of a VMBus channel: a control page and a data area in memory that both sides can
 * write, and packets in it. Serves guests' channels and those between our programs.
 *
 * The other side is foreign: each side keeps the index that it owns in its own struct ring and
 * reads the other's once per step; a header is copied once, and only the copy is checked and used.
 * Source: Linux drivers/hv/ring_buffer.c and include/linux/hyperv.h; OpenVMM vmbus_ring. */
#pragma once
#include "lib/err.h"
#include "lib/string.h"
#include "lib/types.h"

struct ring_control {
    uint32_t write_index;        /* byte offset into the data, advanced by the writer */
    uint32_t read_index;         /* advanced by the reader */
    uint32_t interrupt_mask;     /* the reader's: 1 = do not signal me */
    uint32_t pending_send_bytes; /* the writer's: it waits for more than this many free bytes */
    uint32_t reserved[12];
    uint32_t feature_bits;
    uint8_t pad[4096 - 68];
};
static_assert(sizeof(struct ring_control) == 4096, "the control page is one page");
static_assert(offsetof(struct ring_control, feature_bits) == 64, "VMBus ring layout");

#define RING_FEATURE_PENDING_SEND 1u

#define RING_DATA_INBAND           6u
#define RING_DATA_GPA_DIRECT       9u
#define RING_COMPLETION            11u
#define RING_FLAG_WANTS_COMPLETION 1u

/* Starts every packet; offset8 and len8 count units of 8 bytes, without the trailer. */
struct ring_packet {
    uint16_t type;
    uint16_t offset8; /* where the payload begins */
    uint16_t len8;    /* header, payload and padding */
    uint16_t flags;
    uint64_t transaction;
};
static_assert(sizeof(struct ring_packet) == 16, "VMBus packet descriptor");

#define RING_TRAILER_BYTES    8u
#define RING_PACKET_BYTES_MAX (8u * 0xffffu)

/* This side's view of one ring; made by ring_attach_*, holds nothing that needs freeing. */
struct ring {
    struct ring_control *control;
    uint8_t *data;
    uint32_t data_bytes;
    uint32_t own_index;       /* the writer's write index, the reader's read index */
    uint32_t committed_index; /* what of it the other side has been told */
    uint32_t known;           /* bytes that can certainly be read, or written, from own_index on */
};

struct ring_part {
    const void *bytes;
    size_t n;
};

/* Empties the ring at @control and offers the pending-send feature; before both sides attach. */
void ring_init(struct ring_control *control);

/* Takes up one side of the ring whose control page is at @control and whose data area of
 * @data_bytes follows it. The index of this side is read from the page, so that a program that was
 * started again goes on where it stopped. ERR_ARGUMENT: @data_bytes is 0, no multiple of 8 or
 * above 1 GiB. ERR_GUEST: an index in the page is out of range. */
enum err ring_attach_writer(struct ring *r, void *control, uint32_t data_bytes) MUST_CHECK;
enum err ring_attach_reader(struct ring *r, void *control, uint32_t data_bytes) MUST_CHECK;

/* Bytes that can be read, and bytes that can be written (one unit stays free).
 * ERR_GUEST: the other side's index is out of range or unaligned. */
enum err ring_used(const struct ring *r, uint32_t *used) MUST_CHECK;
enum err ring_free(const struct ring *r, uint32_t *free) MUST_CHECK;

/* Whether a packet with @payload_bytes can be written now. ERR_FULL: no; the reader has been asked to
 * signal when it can. ERR_GUEST: the reader's index is bad. */
static inline enum err ring_reserve(struct ring *r, uint32_t payload_bytes) MUST_CHECK;

/* Puts one packet behind those that are there: @header (its len8 is filled in; offset8 0 stands for 2,
 * payload right after the header; more counts the first parts as part of the header) and @count
 * @parts one after the other, padded with zeros. The reader sees it after ring_publish().
 * ERR_FULL: no room; the reader has been asked to signal when there is. ERR_ARGUMENT: it can never
 * fit or offset8 is wrong. ERR_GUEST: the reader's index is bad. */
enum err ring_put(struct ring *r, const struct ring_packet *header, const struct ring_part *parts,
                  unsigned count) MUST_CHECK;

/* The same for one part. */
static inline enum err ring_put_one(struct ring *r, const struct ring_packet *header,
                                    const void *bytes, uint32_t n) MUST_CHECK;

/* Shows the reader all that was put. True: it must be told. */
bool ring_publish(struct ring *r) MUST_CHECK;

/* Both at once. Errors as ring_put(). */
enum err ring_write(struct ring *r, const struct ring_packet *header, const struct ring_part *parts,
                    unsigned count, bool *wants_signal) MUST_CHECK;

/* Copies the header of the next packet. ERR_EMPTY: none. ERR_GUEST: the writer broke the rules;
 * the ring is to be closed. */
static inline enum err ring_peek(struct ring *r, struct ring_packet *header) MUST_CHECK;

/* Copies @n bytes of the packet that @header (from ring_peek) describes, from @offset after its
 * first byte. ERR_ARGUMENT: beyond the packet. */
static inline enum err ring_read(const struct ring *r, const struct ring_packet *header,
                                 uint32_t offset, void *to, uint32_t n) MUST_CHECK;

/* Where the @n bytes behind @offset lie in the shared memory; NULL: not in one piece. The other side
 * may change them at any time: for bytes that are only passed on. */
static inline const void *ring_straight(const struct ring *r, uint32_t offset, uint32_t n)
{
    uint32_t from = r->own_index + offset; /* below twice the size of the data */

    return offset < r->data_bytes && from < r->data_bytes && n <= r->data_bytes - from
               ? r->data + from
               : NULL;
}

/* Steps over the packet of @header on this side only; ring_commit tells the writer. */
static inline void ring_advance(struct ring *r, const struct ring_packet *header);

/* Gives all that was stepped over back to the writer. True: it waited for room, signal it. */
bool ring_commit(struct ring *r) MUST_CHECK;

/* Asks the writer not to signal (or to). After unmasking look again: what came meanwhile was not
 * signalled. */
void ring_mask(struct ring *r, uint32_t mask);

static inline uint32_t ring_packet_bytes(const struct ring_packet *h)
{
    return 8u * h->len8;
}

static inline uint32_t ring_payload_offset(const struct ring_packet *h)
{
    return 8u * h->offset8;
}

static inline uint32_t ring_payload_bytes(const struct ring_packet *h)
{
    return 8u * (uint32_t)(h->len8 - h->offset8);
}

/* ---- what serves every packet is inline; what happens once a round or a batch is in ring.c ---- */

#define RING_PACKET_BYTES_MIN (sizeof(struct ring_packet) + RING_TRAILER_BYTES)

enum err ring_look(struct ring *r, struct ring_packet *header) MUST_CHECK;
enum err ring_look_for_room(struct ring *r, uint32_t needed) MUST_CHECK;
void ring_copy_around(const struct ring *r, uint32_t from, void *to, uint32_t n);

/* Words by one string instruction: the length of a packet is seldom known, and a loop costs more. */
static inline void ring_copy(void *to, const void *from, size_t n)
{
    size_t words = n / 8;

    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    if (unlikely(n % 8))
        memcpy(to, from, n % 8);
}

static inline uint32_t ring_step(const struct ring *r, uint32_t index, uint32_t n)
{
    uint32_t room = r->data_bytes - index;

    return n < room ? index + n : n - room;
}

/* A header that describes a packet within the @known bytes. */
static inline bool ring_header_is_good(const struct ring_packet *h, uint32_t known)
{
    return h->offset8 >= 2 && h->offset8 <= h->len8 &&
           ring_packet_bytes(h) <= known - RING_TRAILER_BYTES;
}

static inline enum err ring_peek(struct ring *r, struct ring_packet *header)
{
    const uint64_t *at = (const uint64_t *)(const void *)(r->data + r->own_index);
    uint64_t words[2];

    if (unlikely(r->known < RING_PACKET_BYTES_MIN || r->data_bytes - r->own_index < sizeof(words)))
        return ring_look(r, header);
    words[0] = __atomic_load_n(&at[0], __ATOMIC_RELAXED); /* once: it may change meanwhile */
    words[1] = __atomic_load_n(&at[1], __ATOMIC_RELAXED);
    __builtin_memcpy(header, words, sizeof(words));
    return likely(ring_header_is_good(header, r->known)) ? OK : ERR_GUEST;
}

static inline enum err ring_read(const struct ring *r, const struct ring_packet *header,
                                 uint32_t offset, void *to, uint32_t n)
{
    uint32_t from = ring_step(r, r->own_index, offset);

    if (!range_fits(offset, n, ring_packet_bytes(header)))
        return ERR_ARGUMENT;
    if (likely(n <= r->data_bytes - from))
        ring_copy(to, r->data + from, n);
    else
        ring_copy_around(r, from, to, n);
    return OK;
}

static inline void ring_advance(struct ring *r, const struct ring_packet *header)
{
    uint32_t n = ring_packet_bytes(header) + RING_TRAILER_BYTES;

    r->own_index = ring_step(r, r->own_index, n);
    r->known -= n;
}

static inline enum err ring_reserve(struct ring *r, uint32_t payload_bytes)
{
    uint32_t needed = ((payload_bytes + 7) & ~7u) + (uint32_t)RING_PACKET_BYTES_MIN;

    return likely(r->known > needed) ? OK : ring_look_for_room(r, needed);
}

static inline enum err ring_put_one(struct ring *r, const struct ring_packet *header,
                                    const void *bytes, uint32_t n)
{
    uint32_t needed = n + (uint32_t)RING_PACKET_BYTES_MIN;
    struct ring_part part = { bytes, n };
    struct ring_packet h = *header;

    if (unlikely(n % 8 || n > RING_PACKET_BYTES_MAX - sizeof(h) || h.offset8 > n / 8 + 2 ||
                 r->known <= needed || needed > r->data_bytes - r->own_index))
        return ring_put(r, header, &part, 1);
    uint8_t *at = r->data + r->own_index;
    const uint64_t trailer = (uint64_t)r->own_index << 32;

    h.offset8 = h.offset8 ? h.offset8 : 2;
    h.len8 = (uint16_t)((n + sizeof(h)) / 8);
    __builtin_memcpy(at, &h, sizeof(h));
    ring_copy(at + sizeof(h), bytes, n);
    __builtin_memcpy(at + sizeof(h) + n, &trailer, sizeof(trailer));
    r->own_index = ring_step(r, r->own_index, needed);
    r->known -= needed;
    return OK;
}
