#include "services/vmm/control.h"
#include "lib/string.h"
#include "services/rt/log.h"
#include "services/rt/startup.h"
#include "services/rt/sys.h"
#include "services/vmm/save.h"
#include "services/vmm/services.h"

enum err control_open(struct control *c)
{
    const struct startup_grant *g = startup_grant(VMM_GRANT_CONTROL);
    uint32_t data_bytes;
    uint8_t *at;
    void *mapped;
    enum err err = g ? sys_channel_map(g->handle, &mapped) : ERR_NOT_FOUND;

    if (err)
        return err;
    c->channel = g->handle;
    data_bytes = (uint32_t)g->bytes;
    at = mapped;
    err = ring_attach_writer(&c->out, at, data_bytes);
    if (!err)
        err = ring_attach_reader(&c->in, at + PAGE_BYTES + data_bytes, data_bytes);
    return err;
}

void control_send(struct control *c, uint32_t type, uint32_t sequence, const void *payload,
                  uint32_t bytes)
{
    struct vmm_message head = { type, sequence };
    struct ring_packet packet = { .type = RING_DATA_INBAND };
    struct ring_part parts[] = { { &head, sizeof(head) }, { payload, bytes } };
    bool wants_signal = false;
    enum err err = ring_write(&c->out, &packet, parts, payload ? 2 : 1, &wants_signal);

    if (err)
        log_line("message 0x%x to the manager is lost: %s", type, err_name(err));
    else
        sys_channel_signal(c->channel); /* few messages: none waits for a mask */
}

static void answer(struct control *c, uint32_t sequence, enum err err)
{
    struct vmm_answer a = { .err = err };

    control_send(c, VMM_ANSWER, sequence, &a, sizeof(a));
}

/* The region that was sent with the message: the last one, should others have been left. */
static handle_t take_region(const struct control *c)
{
    handle_t image = HANDLE_NONE, next;

    while (sys_channel_take_handle(c->channel, &next) == OK) {
        if (image != HANDLE_NONE)
            sys_handle_close(image);
        image = next;
    }
    return image;
}

static void link_nic(const struct control *c, struct services *s, const struct vmm_nic_link *m)
{
    handle_t link = HANDLE_NONE, budget = HANDLE_NONE;

    if (sys_channel_take_handle(c->channel, &link) == OK &&
        sys_channel_take_handle(c->channel, &budget) != OK)
        budget = HANDLE_NONE;
    nics_link(&s->nics, m, link, budget);
}

static void save(struct control *c, struct machine *m, struct services *s, uint32_t sequence)
{
    struct vmm_saved saved;
    handle_t image = take_region(c);
    enum err err = image == HANDLE_NONE ? ERR_HANDLE : machine_save(m, s, image, &saved);

    if (image != HANDLE_NONE)
        sys_handle_close(image);
    if (err)
        answer(c, sequence, err);
    else
        control_send(c, VMM_SAVED, sequence, &saved, sizeof(saved));
}

static void run(struct control *c, struct machine *m, struct services *s, uint32_t sequence)
{
    uint32_t state = __atomic_load_n(&m->state, __ATOMIC_ACQUIRE);

    if (state < MACHINE_ENDING)
        services_resumed(s);
    machine_run(m);
    answer(c, sequence, state >= MACHINE_ENDING ? ERR_STATE : OK);
}

/* What is shorter than it should be is filled up with zeros. */
union payload {
    struct vmm_services services;
    struct vmm_time time;
    struct vmm_query query;
    struct vmm_nic nic;
    struct vmm_nic_link nic_link;
};

static void obey(struct control *c, struct machine *m, struct services *s,
                 const struct vmm_message *message, const union payload *p)
{
    switch (message->type) {
    case VMM_START:
    case VMM_RESUME: run(c, m, s, message->sequence); break;
    case VMM_PAUSE:
        machine_pause(m);
        c->pause_sequence = message->sequence; /* answered when all vCPUs have parked */
        break;
    case VMM_SAVE: save(c, m, s, message->sequence); break;
    case VMM_SERVICES: services_enable(s, &p->services); break;
    case VMM_TIME: services_set_time(s, &p->time); break;
    case VMM_QUERY:
        services_ask(s, message->sequence, &p->query,
                     p->query.kind == QUERY_COPY ? take_region(c) : HANDLE_NONE);
        break;
    case VMM_NIC_SET: nics_set(&s->nics, &p->nic); break;
    case VMM_NIC_REMOVE: nics_remove(&s->nics, p->nic.number); break;
    case VMM_NIC_LINK: link_nic(c, s, &p->nic_link); break;
    default: answer(c, message->sequence, ERR_UNSUPPORTED);
    }
}

static void take_message(struct control *c, struct machine *m, struct services *s,
                         const struct ring_packet *packet)
{
    static union payload payload; /* one service thread */
    struct vmm_message message;
    uint32_t offset = ring_payload_offset(packet), bytes = ring_payload_bytes(packet);

    if (bytes < sizeof(message) || ring_read(&c->in, packet, offset, &message, sizeof(message)))
        return;
    bytes = min(bytes - (uint32_t)sizeof(message), (uint32_t)sizeof(payload));
    memset(&payload, 0, sizeof(payload));
    if (ring_read(&c->in, packet, offset + (uint32_t)sizeof(message), &payload, bytes) == OK)
        obey(c, m, s, &message, &payload);
}

static void take_messages(struct control *c, struct machine *m, struct services *s)
{
    struct ring_packet packet;
    enum err err;

    while ((err = ring_peek(&c->in, &packet)) == OK) {
        take_message(c, m, s, &packet);
        ring_advance(&c->in, &packet);
    }
    if (ring_commit(&c->in))
        sys_channel_signal(c->channel);
    if (err != ERR_EMPTY)
        log_line("the manager's ring is broken: %s", err_name(err));
}

static void tell_panic(struct control *c, struct machine *m)
{
    if (!__atomic_load_n(&m->has_panic, __ATOMIC_ACQUIRE))
        return;
    control_send(c, VMM_PANIC, 0, &m->panic, sizeof(m->panic));
    __atomic_store_n(&m->has_panic, 0, __ATOMIC_RELEASE);
}

void control_serve(struct control *c, struct machine *m, struct services *s)
{
    take_messages(c, m, s);
    tell_panic(c, m);
    machine_input(m);
    uint32_t state = __atomic_load_n(&m->state, __ATOMIC_ACQUIRE);
    bool is_ended = state == MACHINE_ENDED;

    if (is_ended && !c->has_told_end) { /* first: it answers what is asked of the VM, too */
        c->has_told_end = true;
        control_send(c, VMM_ENDED, 0, &m->end, sizeof(m->end));
    }
    if (c->pause_sequence && (is_ended || machine_is_paused(m))) {
        answer(c, c->pause_sequence, is_ended ? ERR_STATE : OK);
        c->pause_sequence = 0;
    }
}
