/* What the vmm says of its buffers is checked by the kernel when they are mapped: a view that is not of
 * that length, or that cannot be written, is refused there, since an access behind its end would be
 * our death. Revoking it later only takes its contents away. */
#include "services/switch/link.h"
#include "lib/string.h"
#include "services/rt/sys.h"

#define CONNECT_ROOM_MIN 64u /* the shortest frame and its padding */

static enum err attach(struct port *p)
{
    uint8_t *at;
    void *mapped;
    enum err err = sys_channel_map(p->channel, &mapped);

    if (err)
        return err;
    p->mapped = at = mapped;
    err = ring_attach_writer(&p->out, at, PORT_LINK_DATA_BYTES);
    if (!err)
        err = ring_attach_reader(&p->in, at + PAGE_BYTES + PORT_LINK_DATA_BYTES,
                                 PORT_LINK_DATA_BYTES);
    return err;
}

enum err link_open(struct core *c, struct port *p, handle_t channel)
{
    enum err err;

    link_close(c, p);
    p->channel = channel;
    p->has_link = true;
    err = attach(p);
    if (!err)
        err = sys_bind(channel, BIND_CHANNEL, c->signal, WAKE_PORTS + p->index % WAKE_PORTS_COUNT);
    if (err) {
        link_close(c, p);
        return err;
    }
    drr_add(&c->drr, p->index); /* what was sent before it was bound has raised nothing */
    return OK;
}

void link_close(struct core *c, struct port *p)
{
    if (!p->has_link)
        return;
    link_disconnect(c, p);
    drr_remove(&c->drr, p->index);
    if (p->mapped)
        sys_unmap(p->mapped);
    sys_handle_close(p->channel);
    p->mapped = NULL;
    p->channel = HANDLE_NONE;
    p->has_link = false;
    memset(&p->reading, 0, sizeof(p->reading));
}

static void release(struct connection *n)
{
    for (unsigned i = 0; i < LENT_COUNT; i++) {
        if (n->lent[i])
            sys_unmap(n->lent[i]);
        if (n->handles[i] != HANDLE_NONE)
            sys_handle_close(n->handles[i]);
    }
    memset(n, 0, sizeof(*n));
}

/* Frames that were put into slots but not named yet are lost with the slots, like those that the
 * vmm has not read: they have gone out. */
void link_disconnect(struct core *c, struct port *p)
{
    p->batch_count = p->sent_count = 0;
    p->sent_bytes = 0;
    release(&p->connection);
    p->row->is_connected = p->row->generation = p->row->mtu = 0;
    p->row->takes = p->row->slot_count = p->row->free_slot_count = 0;
}

/* Each field alone, in a form that cannot overflow. */
static bool is_good(const struct port_connect *m, uint32_t generation)
{
    return generation && m->send_bytes && m->receive_bytes && m->arena_bytes && m->slot_count &&
           m->slot_count <= SLOTS_MAX && m->frame_offset < m->slot_bytes &&
           m->slot_bytes - m->frame_offset >= CONNECT_ROOM_MIN &&
           (uint64_t)m->slot_bytes * m->slot_count <= m->receive_bytes && m->mtu >= MTU_MIN &&
           m->mtu <= MTU_MAX;
}

static enum err take_handles(struct port *p, struct connection *n)
{
    for (unsigned i = 0; i < LENT_SLOTS; i++)
        if (sys_channel_take_handle(p->channel, &n->handles[i]))
            return ERR_GUEST;
    return OK;
}

static enum err map_lent(struct connection *n, const struct port_connect *m)
{
    void *at;
    enum err err = sys_view_map_checked(n->handles[LENT_SEND], m->send_bytes, PROT_READ, &at);

    if (err)
        return err;
    n->lent[LENT_SEND] = at;
    err = sys_view_map_checked(n->handles[LENT_RECEIVE], m->receive_bytes, PROT_READ | PROT_WRITE,
                               &at);
    if (err)
        return err;
    n->lent[LENT_RECEIVE] = at;
    err = sys_region_map(n->handles[LENT_ARENA], 0, m->arena_bytes, PROT_READ, &at);
    if (!err)
        n->lent[LENT_ARENA] = at;
    return err;
}

/* Our own list of the free slots. */
static enum err make_slots(struct core *c, struct connection *n, uint32_t count)
{
    uint64_t bytes = round_up(slots_bytes(count), PAGE_BYTES);
    void *at;
    enum err err = sys_region_create(c->budget, bytes, &n->handles[LENT_SLOTS]);

    if (!err)
        err = sys_region_map(n->handles[LENT_SLOTS], 0, bytes, PROT_READ | PROT_WRITE, &at);
    if (err)
        return err;
    n->lent[LENT_SLOTS] = at;
    slots_init(&n->slots, at, count);
    return OK;
}

static void connected(struct port *p, uint32_t generation, const struct port_connect *m)
{
    struct connection *n = &p->connection;

    n->generation = p->row->generation = generation;
    n->slot_bytes = m->slot_bytes;
    n->frame_offset = m->frame_offset;
    n->room = m->slot_bytes - m->frame_offset;
    n->mtu = p->row->mtu = m->mtu;
    n->longest = min(m->mtu + ETHERNET_HEADER_BYTES, n->room);
    n->send_bytes = m->send_bytes;
    n->arena_bytes = m->arena_bytes;
    p->row->slot_count = m->slot_count;
    p->row->is_connected = 1;
}

enum err link_connect(struct core *c, struct port *p, uint32_t generation,
                      const struct port_connect *m)
{
    struct connection *n = &p->connection;
    enum err err;

    link_disconnect(c, p);
    err = take_handles(p, n);
    if (!err)
        err = is_good(m, generation) ? map_lent(n, m) : ERR_GUEST;
    if (!err)
        err = make_slots(c, n, m->slot_count);
    if (err)
        release(n);
    else
        connected(p, generation, m);
    return err;
}
