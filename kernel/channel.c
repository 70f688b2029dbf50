#include "kernel/channel.h"
#include "kernel/budget.h"
#include "kernel/memory.h"

#define DATA_BYTES_MAX MIB(2)

enum err channel_create(struct budget *b, uint64_t data_bytes, struct channel **out)
{
    struct channel *c;

    if (!data_bytes || (data_bytes & PAGE_MASK) || data_bytes > DATA_BYTES_MAX)
        return ERR_ARGUMENT;
    c = object_create(b, OBJECT_CHANNEL, sizeof(*c));
    if (!c)
        return ERR_MEMORY;
    c->lock = SPINLOCK(RANK_HANDLES);
    c->ring_pages = 1 + data_bytes / PAGE_BYTES;
    c->pages = kernel_alloc(b, 3 * c->ring_pages * sizeof(hpa_t));
    for (uint64_t i = 0; c->pages && i < 2 * c->ring_pages; i++)
        if (frames_take(b, 0, FRAME_PROGRAM, &c->pages[i])) {
            object_put(&c->object);
            return ERR_MEMORY;
        }
    if (!c->pages) {
        object_put(&c->object);
        return ERR_MEMORY;
    }
    for (uint64_t i = 0; i < c->ring_pages; i++)
        c->pages[2 * c->ring_pages + i] = c->pages[i];
    *out = c;
    return OK;
}

static void empty_queue(struct channel *c, unsigned end)
{
    struct handle_entry e;

    while (channel_take(c, end, &e) == OK)
        handle_reference_end(e.object);
}

void channel_destroy(struct object *o)
{
    struct channel *c = container_of(o, struct channel, object);

    for (unsigned i = 0; i < 2; i++) {
        empty_queue(c, i);
        binding_clear(&c->ends[i].on_signal);
        binding_clear(&c->ends[i].on_dead);
    }
    for (uint64_t i = 0; c->pages && i < 2 * c->ring_pages; i++)
        if (c->pages[i].v)
            frames_give(o->budget, c->pages[i], 0);
    kernel_free(o->budget, c->pages, 3 * c->ring_pages * sizeof(hpa_t));
}

void channel_end_opened(struct object *o, uint32_t end)
{
    struct channel *c = container_of(o, struct channel, object);

    __atomic_add_fetch(&c->ends[end].handle_count, 1, __ATOMIC_RELAXED);
}

void channel_end_closed(struct object *o, uint32_t end)
{
    struct channel *c = container_of(o, struct channel, object);

    if (__atomic_sub_fetch(&c->ends[end].handle_count, 1, __ATOMIC_ACQ_REL))
        return;
    empty_queue(c, end); /* nobody is left to take them; breaks cycles too */
    binding_latch(&c->ends[!end].on_dead);
}

enum err channel_map(struct channel *c, unsigned end, struct space *s, uint64_t *va)
{
    return space_map_pages(s, &c->object, c->pages + (end ? c->ring_pages : 0), 2 * c->ring_pages,
                           true, va);
}

void channel_signal(struct channel *c, unsigned end)
{
    binding_fire(&c->ends[!end].on_signal);
}

static bool take_role(struct channel *c, enum channel_role role)
{
    uint32_t old = CHANNEL_NEW;

    return __atomic_compare_exchange_n(&c->role, &old, role, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE) ||
           old == role;
}

/* Two that are sent over each other at once both fail. */
enum err channel_nest(struct channel *c, struct channel *sent)
{
    return take_role(c, CHANNEL_CARRIER) && take_role(sent, CHANNEL_CARRIED) ? OK : ERR_ARGUMENT;
}

enum err channel_send(struct channel *c, unsigned end, const struct handle_entry *e)
{
    struct channel_end *to = &c->ends[!end];
    enum err err = ERR_FULL;

    if (!__atomic_load_n(&to->handle_count, __ATOMIC_ACQUIRE))
        return ERR_GONE;
    spin_lock(&c->lock);
    if (to->queue_count < CHANNEL_HANDLES_MAX) {
        to->queue[(to->queue_first + to->queue_count++) % CHANNEL_HANDLES_MAX] = *e;
        object_get(e->object);
        handle_reference_begin(e->object);
        err = OK;
    }
    spin_unlock(&c->lock);
    return err;
}

enum err channel_take(struct channel *c, unsigned end, struct handle_entry *out)
{
    struct channel_end *e = &c->ends[end];
    enum err err = ERR_EMPTY;

    spin_lock(&c->lock);
    if (e->queue_count) {
        *out = e->queue[e->queue_first];
        e->queue_first = (e->queue_first + 1) % CHANNEL_HANDLES_MAX;
        e->queue_count--;
        err = OK;
    }
    spin_unlock(&c->lock);
    return err;
}
