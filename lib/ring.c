/* The other side can rewrite everything while we look, so whatever comes from the shared pages is
 * loaded once into a local, checked there, and used from there. Our own index is never read back. */
#include "lib/ring.h"
#include "lib/string.h"

#define RING_DATA_BYTES_MAX (1u << 30)

static uint32_t load_acquire(const uint32_t *p)
{
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void store_release(uint32_t *p, uint32_t v)
{
    __atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static bool index_is_good(uint32_t index, uint32_t data_bytes)
{
    return index < data_bytes && index % 8 == 0;
}

/* Bytes from @read to @write, going round. */
static uint32_t distance(const struct ring *r, uint32_t read, uint32_t write)
{
    return write >= read ? write - read : r->data_bytes - read + write;
}

void ring_copy_around(const struct ring *r, uint32_t from, void *to, uint32_t n)
{
    uint32_t first = min(n, r->data_bytes - from);

    ring_copy(to, r->data + from, first);
    ring_copy((uint8_t *)to + first, r->data, n - first);
}

static uint32_t copy_in(const struct ring *r, uint32_t to, const void *from, uint32_t n)
{
    uint32_t first = min(n, r->data_bytes - to);

    ring_copy(r->data + to, from, first);
    ring_copy(r->data, (const uint8_t *)from + first, n - first);
    return ring_step(r, to, n);
}

void ring_init(struct ring_control *control)
{
    memset(control, 0, sizeof(*control));
    control->feature_bits = RING_FEATURE_PENDING_SEND;
}

static enum err attach(struct ring *r, void *control, uint32_t data_bytes)
{
    if (!data_bytes || data_bytes % 8 || data_bytes > RING_DATA_BYTES_MAX)
        return ERR_ARGUMENT;
    *r = (struct ring){ .control = control,
                        .data = (uint8_t *)control + sizeof(struct ring_control),
                        .data_bytes = data_bytes };
    return OK;
}

static enum err take_index(struct ring *r, const uint32_t *index)
{
    r->own_index = r->committed_index = load_acquire(index);
    return index_is_good(r->own_index, r->data_bytes) ? OK : ERR_GUEST;
}

enum err ring_attach_writer(struct ring *r, void *control, uint32_t data_bytes)
{
    enum err err = attach(r, control, data_bytes);

    return err ? err : take_index(r, &r->control->write_index);
}

enum err ring_attach_reader(struct ring *r, void *control, uint32_t data_bytes)
{
    enum err err = attach(r, control, data_bytes);

    return err ? err : take_index(r, &r->control->read_index);
}

enum err ring_used(const struct ring *r, uint32_t *used)
{
    uint32_t write = load_acquire(&r->control->write_index);

    if (!index_is_good(write, r->data_bytes))
        return ERR_GUEST;
    *used = distance(r, r->own_index, write);
    return OK;
}

enum err ring_free(const struct ring *r, uint32_t *free)
{
    uint32_t read = load_acquire(&r->control->read_index);

    if (!index_is_good(read, r->data_bytes))
        return ERR_GUEST;
    *free = r->data_bytes - distance(r, read, r->own_index);
    return OK;
}

/* Full as VMBus has it: free space must be more than what is needed, never equal. When it is not,
 * the wish is published first and the space looked at again, or the reader's signal is missed. The wish
 * is not taken back: what was put before it may be published after it, and whoever waits is not always
 * who writes next. It costs a signal when the ring has been as full again. */
enum err ring_look_for_room(struct ring *r, uint32_t needed)
{
    enum err err = ring_free(r, &r->known);

    if (err || r->known > needed)
        return err;
    store_release(&r->control->pending_send_bytes, needed);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    err = ring_free(r, &r->known);
    if (err || r->known > needed)
        return err;
    return ERR_FULL;
}

static void put(struct ring *r, const struct ring_packet *h, const struct ring_part *parts,
                unsigned count, uint32_t padding)
{
    const uint64_t trailer = (uint64_t)r->own_index << 32, zero = 0;
    uint32_t at = copy_in(r, r->own_index, h, sizeof(*h));

    for (unsigned i = 0; i < count; i++)
        if (parts[i].n) /* else bytes may be NULL */
            at = copy_in(r, at, parts[i].bytes, (uint32_t)parts[i].n);
    at = copy_in(r, at, &zero, padding);
    r->own_index = copy_in(r, at, &trailer, sizeof(trailer));
}

enum err ring_put(struct ring *r, const struct ring_packet *header, const struct ring_part *parts,
                  unsigned count)
{
    struct ring_packet h = *header;
    uint32_t bytes = sizeof(h);
    enum err err;

    for (unsigned i = 0; i < count; i++) {
        if (parts[i].n > RING_PACKET_BYTES_MAX - bytes)
            return ERR_ARGUMENT;
        bytes += (uint32_t)parts[i].n;
    }
    uint32_t padding = -bytes & 7;
    h.len8 = (uint16_t)((bytes + padding) / 8);
    h.offset8 = h.offset8 ? h.offset8 : 2;
    uint32_t needed = bytes + padding + RING_TRAILER_BYTES;
    if (needed >= r->data_bytes || h.offset8 < 2 || h.offset8 > h.len8)
        return ERR_ARGUMENT;
    err = r->known > needed ? OK : ring_look_for_room(r, needed);
    if (err)
        return err;
    put(r, &h, parts, count, padding);
    r->known -= needed;
    return OK;
}

bool ring_publish(struct ring *r)
{
    uint32_t old = r->committed_index;

    if (old == r->own_index)
        return false;
    r->committed_index = r->own_index;
    store_release(&r->control->write_index, r->own_index);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* the index before the mask: pairs with ring_mask */
    return !load_acquire(&r->control->interrupt_mask) &&
           load_acquire(&r->control->read_index) == old;
}

enum err ring_write(struct ring *r, const struct ring_packet *header, const struct ring_part *parts,
                    unsigned count, bool *wants_signal)
{
    enum err err = ring_put(r, header, parts, count);

    if (!err)
        *wants_signal = ring_publish(r);
    return err;
}

enum err ring_look(struct ring *r, struct ring_packet *header)
{
    enum err err = ring_used(r, &r->known);

    if (err || r->known < RING_PACKET_BYTES_MIN)
        return err || r->known ? ERR_GUEST : ERR_EMPTY;
    ring_copy_around(r, r->own_index, header, sizeof(*header));
    return ring_header_is_good(header, r->known) ? OK : ERR_GUEST;
}

bool ring_commit(struct ring *r)
{
    uint32_t write = load_acquire(&r->control->write_index);
    uint32_t old = r->committed_index;

    r->committed_index = r->own_index;
    store_release(&r->control->read_index, r->own_index);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* the index before the wish: pairs with reserve */
    uint32_t pending = load_acquire(&r->control->pending_send_bytes);
    if (!pending || old == r->own_index || !index_is_good(write, r->data_bytes))
        return false;
    uint32_t free_before = r->data_bytes - distance(r, old, write);
    uint32_t free_now = r->data_bytes - distance(r, r->own_index, write);
    return free_before <= pending && free_now > pending;
}

void ring_mask(struct ring *r, uint32_t mask)
{
    store_release(&r->control->interrupt_mask, mask);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
