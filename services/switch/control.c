/* The manager is trusted, but its messages are checked like any others: a mistake of its must not
 * become a fault here. */
#include "services/switch/control.h"
#include "lib/string.h"
#include "services/rt/log.h"
#include "services/rt/sys.h"
#include "services/switch/config.h"
#include "services/switch/link.h"

union payload {
    struct switch_config set;
    struct switch_index index;
    struct port_config port;
    struct capture_start capture;
};

enum err control_open(struct control *k, handle_t channel, void *mapped, uint32_t data_bytes)
{
    uint8_t *at = mapped;
    enum err err = ring_attach_writer(&k->out, at, data_bytes);

    if (!err)
        err = ring_attach_reader(&k->in, at + PAGE_BYTES + data_bytes, data_bytes);
    k->channel = channel;
    return err;
}

void control_send(struct control *k, uint32_t type, uint32_t index)
{
    struct ring_packet packet = { .type = RING_DATA_INBAND };
    struct switch_message head = { type, 0 };
    struct switch_index payload = { index, 0 };
    struct ring_part parts[] = { { &head, sizeof(head) }, { &payload, sizeof(payload) } };
    bool wants_signal;
    enum err err = ring_write(&k->out, &packet, parts, 2, &wants_signal);

    if (err)
        log_line("message 0x%x to the manager is lost: %s", type, err_name(err));
    else
        sys_channel_signal(k->channel); /* few messages: none waits for a mask */
}

/* The handle that came with the message is taken, whatever the message is good for. */
static enum err link(struct control *k, struct core *c, uint32_t index)
{
    handle_t channel;
    enum err err = sys_channel_take_handle(k->channel, &channel);

    if (err)
        return err;
    if (index >= PORTS_MAX || !c->ports[index].is_set) {
        sys_handle_close(channel);
        err = ERR_NOT_FOUND;
    } else {
        err = link_open(c, &c->ports[index], channel);
    }
    control_send(k, SWITCH_TAKEN, index);
    return err;
}

static enum err start_capture(struct control *k, struct core *c, const struct capture_start *s)
{
    handle_t region;
    enum err err = sys_channel_take_handle(k->channel, &region);

    if (err)
        return err;
    err = capture_start(&c->captures, s, region);
    if (err)
        sys_handle_close(region);
    return err;
}

static enum err obey(struct control *k, struct core *c, uint32_t type, const union payload *p)
{
    switch (type) {
    case SWITCH_SET: return config_set_switch(c, &p->set);
    case SWITCH_REMOVE: return config_remove_switch(c, p->index.index);
    case PORT_SET: return config_set_port(c, &p->port);
    case PORT_REMOVE: return config_remove_port(c, p->index.index);
    case PORT_LINK: return link(k, c, p->index.index);
    case CAPTURE_START: return start_capture(k, c, &p->capture);
    case CAPTURE_STOP: return capture_stop(&c->captures, p->index.index);
    default: return ERR_UNSUPPORTED;
    }
}

static uint32_t bytes_of(uint32_t type)
{
    switch (type) {
    case SWITCH_SET: return sizeof(struct switch_config);
    case PORT_SET: return sizeof(struct port_config);
    case CAPTURE_START: return sizeof(struct capture_start);
    default: return sizeof(struct switch_index);
    }
}

static enum err take_message(struct control *k, struct core *c, const struct ring_packet *packet,
                             uint32_t *type)
{
    uint32_t at = ring_payload_offset(packet), bytes = ring_payload_bytes(packet);
    struct switch_message m = { 0 };
    union payload payload;
    enum err err;

    if (bytes < sizeof(m) || ring_read(&k->in, packet, at, &m, sizeof(m)))
        return ERR_FORMAT;
    *type = m.type;
    if (bytes - sizeof(m) < bytes_of(m.type))
        return ERR_FORMAT;
    memset(&payload, 0, sizeof(payload));
    err = ring_read(&k->in, packet, at + (uint32_t)sizeof(m), &payload, bytes_of(m.type));
    return err ? err : obey(k, c, m.type, &payload);
}

static void refused(struct control *k, struct core *c, uint32_t type, enum err err)
{
    c->board->unknown_count++;
    if (!k->has_refused)
        log_line("message 0x%x of the manager is refused: %s", type, err_name(err));
    k->has_refused = true;
}

void control_serve(struct control *k, struct core *c)
{
    struct ring_packet packet;
    enum err err;

    while (ring_peek(&k->in, &packet) == OK) {
        uint32_t type = 0;

        err = take_message(k, c, &packet, &type);
        if (err)
            refused(k, c, type, err);
        ring_advance(&k->in, &packet);
        if (ring_commit(&k->in))
            sys_channel_signal(k->channel);
    }
}
