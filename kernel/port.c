#include "kernel/port.h"
#include "kernel/budget.h"
#include "kernel/memory.h"
#include "kernel/partition.h"
#include "kernel/sched.h"

static struct port *find_locked(const struct partition *p, uint32_t connection)
{
    for (unsigned i = 0; i < PARTITION_PORTS_MAX; i++)
        if (p->ports[i] && connection - p->ports[i]->connection < p->ports[i]->connection_count)
            return p->ports[i];
    return NULL;
}

static enum err add(struct partition *p, struct port *port)
{
    enum err err = ERR_FULL;

    spin_lock(&sched_lock);
    for (uint32_t i = 0; i < port->connection_count; i++)
        if (find_locked(p, port->connection + i))
            err = ERR_EXISTS;
    for (unsigned i = 0; err == ERR_FULL && i < PARTITION_PORTS_MAX; i++)
        if (!p->ports[i]) {
            p->ports[i] = port;
            err = OK;
        }
    spin_unlock(&sched_lock);
    return err;
}

enum err port_create(struct partition *p, uint64_t connection, uint64_t flag_count,
                     struct budget *b, struct port **out)
{
    struct port *port;
    enum err err;

    bool spans = flag_count & PORT_SPANS, is_direct = flag_count & PORT_DIRECT;

    flag_count &= ~(uint64_t)(PORT_SPANS | PORT_DIRECT);
    if (flag_count > 64 || ((spans || is_direct) && !flag_count) ||
        connection > UINT32_MAX - flag_count)
        return ERR_ARGUMENT;
    port = object_create(b, OBJECT_PORT, sizeof(*port));
    if (!port)
        return ERR_MEMORY;
    port->connection = (uint32_t)connection;
    port->is_direct = is_direct;
    port->connection_count = spans ? (uint32_t)flag_count : 1;
    port->flag_count = (uint32_t)flag_count;
    if (!flag_count)
        port->queue = kernel_alloc(b, PORT_QUEUE * sizeof(*port->queue));
    err = flag_count || port->queue ? add(p, port) : ERR_MEMORY;
    if (err) {
        object_put(&port->object);
        return err;
    }
    object_get(&p->object);
    port->partition = p;
    *out = port;
    return OK;
}

void port_destroy(struct object *o)
{
    struct port *port = container_of(o, struct port, object);
    struct partition *p = port->partition;

    if (p) {
        spin_lock(&sched_lock);
        for (unsigned i = 0; i < PARTITION_PORTS_MAX; i++)
            if (p->ports[i] == port)
                p->ports[i] = NULL;
        spin_unlock(&sched_lock);
        object_put(&p->object);
    }
    binding_clear(&port->on_arrival);
    if (port->queue)
        kernel_free(o->budget, port->queue, PORT_QUEUE * sizeof(*port->queue));
}

enum err port_take(struct port *p, struct hv_post_message *message, uint64_t *flags)
{
    enum err err = ERR_EMPTY;

    spin_lock(&sched_lock);
    *flags = p->flags;
    p->flags = 0;
    if (p->count) {
        *message = p->queue[p->head];
        p->head = (p->head + 1) % PORT_QUEUE;
        p->count--;
        err = OK;
    } else if (*flags) {
        err = OK;
    }
    spin_unlock(&sched_lock);
    return err;
}

static enum err raise_locked(struct port *port, uint32_t connection, uint32_t flag)
{
    if (!port || !port->flag_count)
        return ERR_NOT_FOUND;
    if (port->connection_count > 1 && !flag)
        flag = connection - port->connection;
    else if (port->connection_count > 1 || flag >= port->flag_count)
        return ERR_ARGUMENT;
    if (port->is_direct && port->on_arrival.signal) {
        signal_raise_locked(port->on_arrival.signal, port->on_arrival.bit << flag);
        return OK;
    }
    port->flags |= 1ull << flag;
    binding_fire_locked(&port->on_arrival);
    return OK;
}

enum err port_signal(struct partition *p, uint32_t connection, uint32_t flag)
{
    enum err err;

    spin_lock(&sched_lock);
    err = raise_locked(find_locked(p, connection), connection, flag);
    spin_unlock(&sched_lock);
    return err;
}

static enum err queue_locked(struct port *port, const struct hv_post_message *m)
{
    if (!port || port->flag_count)
        return ERR_NOT_FOUND;
    if (port->count == PORT_QUEUE)
        return ERR_FULL;
    port->queue[(port->head + port->count++) % PORT_QUEUE] = *m;
    binding_fire_locked(&port->on_arrival);
    return OK;
}

enum err port_post(struct partition *p, const struct hv_post_message *m)
{
    enum err err;

    spin_lock(&sched_lock);
    err = queue_locked(find_locked(p, m->connection), m);
    spin_unlock(&sched_lock);
    return err;
}
