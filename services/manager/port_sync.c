/* Each turn compares what is wanted of a port with what switch and vmm have been told, and does the
 * next step of what is missing. A step that finds no room is tried again: nothing is queued here.
 *
 * The switch knows the ports of those VMs only that have a vmm: it has nothing to do for the others,
 * and the pages that a guest lent are given back as soon as its vmm ends. */
#include "lib/abi/port_link.h"
#include "lib/string.h"
#include "services/manager/event.h"
#include "services/manager/host.h"
#include "services/manager/network.h"
#include "services/manager/switch_board.h"
#include "services/manager/vmm.h"
#include "services/rt/sys.h"

#define RETRY_NS        (2 * NS_PER_MS) /* when a queue was full, or a removal is awaited */
#define REMOVE_LIMIT_NS NS_PER_SECOND
#define FAILED_RETRY_NS NS_PER_SECOND
#define COPIES_USUAL    20000u /* a second, of flooded frames */
#define COPIES_BURST    4096u

static void drop(handle_t *h)
{
    handle_t old = *h;

    *h = HANDLE_NONE;
    if (old != HANDLE_NONE)
        sys_handle_close(old);
}

/* The VM whose vmm can be told of @p, or NULL. */
static struct vm *vmm_of(const struct port *p)
{
    struct vm *vm = port_vm(p);

    return vm && vm->machine.phase == VMM_UP ? vm : NULL;
}

/* ---- the switch: ports ---- */

static struct port_row *row_of(const struct port *p)
{
    struct switch_board *board = switch_program_board();

    return board ? &board->ports[port_index(p)] : NULL;
}

/* Takes over what was counted under this port, before somebody else counts there. */
static void fold(struct port *p)
{
    struct port_row *row = row_of(p);

    if (row) {
        port_counters_add(&p->kept, &row->counters);
        memset(&row->counters, 0, sizeof(row->counters));
        if (!switch_program_is_up())
            row->is_used = 0; /* a new program begins with these rows */
    }
    p->is_removing = 0;
}

static enum err tell_removal(struct port *p, uint64_t now)
{
    struct switch_index m = { .index = port_index(p) };
    enum err err = switch_send(PORT_REMOVE, &m, sizeof(m));

    if (err && err != ERR_STATE)
        return err;
    p->is_told = 0;
    p->link.is_taken = 0;
    p->is_removing = 1;
    p->removing_ns = now;
    if (err) /* there is nobody who counts */
        fold(p);
    return OK;
}

static void await_removal(struct port *p, uint64_t now)
{
    if (!row_of(p) || !__atomic_load_n(&row_of(p)->is_used, __ATOMIC_ACQUIRE) ||
        !switch_program_is_up() || now - p->removing_ns >= REMOVE_LIMIT_NS)
        fold(p);
}

static enum err tell_port(struct port *p)
{
    static struct port_config c; /* too large for the stack to be careless about */
    enum err err;

    memset(&c, 0, sizeof(c));
    c.index = port_index(p);
    c.switch_index = p->switch_index;
    c.flags = p->settings.flags;
    c.learned_max = p->settings.learned_max;
    c.flood_copies_per_second = COPIES_USUAL;
    c.flood_burst = COPIES_BURST;
    c.mac = p->settings.mac;
    vlan_policy(&p->settings.vlan, &c.vlan);
    string_copy(c.name, sizeof(c.name), p->name);
    err = switch_send(PORT_SET, &c, sizeof(c));
    if (err)
        return err;
    p->is_told = 1;
    p->needs_set = 0;
    return OK;
}

/* ---- links ---- */

static void drop_link(struct port_link *l)
{
    drop(&l->switch_end);
    drop(&l->vmm_end);
    l->phase = LINK_NONE;
    l->is_handed = l->vmm_handles = l->is_taken = 0;
}

static void link_failed(struct port *p, enum err err)
{
    p->link.retry_ns = sys_clock() + FAILED_RETRY_NS;
    if (!p->link.has_failed)
        event_emit(EVENT_NIC_NOT_LINKED, port_vm(p)->name, NULL,
                   "%s is not linked to its switch: %s; %lu MiB are free", p->name, err_name(err),
                   host_free_bytes() >> 20);
    p->link.has_failed = 1;
}

static enum err make_link(struct port *p)
{
    struct port_link *l = &p->link;
    handle_t ends[2];
    enum err err = OK;

    if (l->budget == HANDLE_NONE)
        err = sys_budget_create(network_root(), NIC_BUDGET_BYTES, &l->budget);
    if (!err)
        err = sys_channel_create(l->budget, PORT_LINK_DATA_BYTES, ends);
    if (err) {
        link_failed(p, err);
        drop(&l->budget);
        return err;
    }
    l->switch_end = ends[0];
    l->vmm_end = ends[1];
    l->epoch++;
    l->is_wanted = 0;
    l->phase = LINK_MADE;
    return OK;
}

/* The handle is sent only when the message behind it will have room. */
static enum err link_switch(struct port *p)
{
    struct switch_index m = { .index = port_index(p) };
    struct port_link *l = &p->link;

    if (!switch_has_room(sizeof(m)))
        return ERR_FULL;
    if (!l->is_handed) {
        enum err err = switch_send_handle(l->switch_end, RIGHT_ALL);

        if (err)
            return err;
        l->is_handed = 1;
    }
    l->is_handed = l->has_failed = 0;
    l->phase = LINK_TO_VMM;
    enum err err = switch_send(PORT_LINK, &m, sizeof(m));
    drop(&l->switch_end);
    return err;
}

/* Two handles and a message: what has been sent is noted after each, and nothing else that comes with
 * a handle goes to this vmm in between. */
static enum err link_vmm(struct port *p, struct vm *vm)
{
    struct port_link *l = &p->link;
    struct vmm_nic_link m = { .number = p->settings.number, .epoch = l->epoch };
    enum err err = OK;

    if (!l->vmm_handles) {
        err = sys_channel_send_handle(vm->channel, l->vmm_end, RIGHT_ALL);
        if (err)
            return err;
        l->vmm_handles = 1;
        drop(&l->vmm_end);
    }
    if (l->vmm_handles == 1) {
        err = sys_channel_send_handle(vm->channel, l->budget, RIGHT_ALL);
        if (err)
            return err;
        l->vmm_handles = 2;
    }
    l->vmm_handles = 0;
    l->phase = LINK_DONE;
    err = vmm_tell(vm, VMM_NIC_LINK, 0, &m, sizeof(m));
    if (err == ERR_FULL) {
        l->vmm_handles = 2;
        l->phase = LINK_TO_VMM;
    }
    return err;
}

static bool is_half_sent(const struct port *p)
{
    return p->link.phase == LINK_TO_VMM && p->link.vmm_handles;
}

bool network_is_sending(const struct vm *vm)
{
    for (unsigned i = 0; i < PORTS_MAX; i++) {
        const struct port *p = &network()->ports[i];

        if (p->state != PORT_FREE && is_half_sent(p) && port_vm(p) == vm)
            return true;
    }
    return false;
}

static enum err sync_link(struct port *p, struct vm *vm)
{
    struct port_link *l = &p->link;
    enum err err = OK;

    if (l->has_failed && sys_clock() < l->retry_ns)
        return OK;
    if ((l->phase == LINK_NONE || l->phase == LINK_DONE) && l->is_wanted)
        err = make_link(p);
    if (!err && l->phase == LINK_MADE)
        err = link_switch(p);
    if (!err && l->phase == LINK_TO_VMM && (is_half_sent(p) || !network_is_sending(vm)))
        err = link_vmm(p, vm);
    if (err && err != ERR_FULL && !l->has_failed)
        link_failed(p, err);
    return err;
}

/* ---- vmms ---- */

static void nic_of(const struct port *p, struct vmm_nic *out)
{
    *out = (struct vmm_nic){ .number = p->settings.number,
                             .flags = NIC_IS_PRESENT,
                             .speed_bits = p->settings.speed_bits,
                             .mac = p->settings.mac,
                             .instance_id = p->settings.instance_id };
    if (p->settings.flags & PORT_IS_UP)
        out->flags |= NIC_LINK_IS_UP;
    if (p->settings.flags & PORT_MAY_SPOOF)
        out->flags |= NIC_MAY_CHANGE_MAC;
    string_copy(out->name, sizeof(out->name), p->name);
}

void network_fill_config(const struct vm *vm, struct vmm_config *c)
{
    for (unsigned i = 0; i < PORTS_MAX; i++) {
        struct port *p = port_at(i);

        if (!p || port_vm(p) != vm)
            continue;
        nic_of(p, &c->nics[p->settings.number]);
        c->nic_count++;
        p->needs_nic_set = 0;
        p->vmm_knows = 1;
        p->link.is_wanted = 1;
    }
}

static enum err tell_vmm(struct port *p, const struct vm *vm, enum vmm_message_type type)
{
    struct vmm_nic nic;

    nic_of(p, &nic);
    enum err err = vmm_tell(vm, type, 0, &nic, sizeof(nic));
    if (err)
        return err;
    if (type == VMM_NIC_SET && !p->vmm_knows)
        p->link.is_wanted = 1;
    p->vmm_knows = type == VMM_NIC_SET;
    p->needs_nic_set = 0;
    return OK;
}

/* ---- one port ---- */

/* Its vmm is gone or never was: what joined it to the switch goes, too. */
static void forget_vmm(struct port *p, const struct vm *vm)
{
    drop_link(&p->link);
    drop(&p->link.budget);
    p->has_state = 0;
    if (vm && vm->machine.phase == VMM_BOOTING)
        return; /* the one that comes up has been configured */
    p->link.is_wanted = 0;
    p->vmm_knows = 0;
}

static enum err sync_leaver(struct port *p, struct vm *vm, uint64_t now)
{
    struct vm *owner = port_vm(p);
    enum err err = OK;

    if (vm && is_half_sent(p))
        err = link_vmm(p, vm);
    if (!err && vm && p->vmm_knows)
        err = tell_vmm(p, vm, VMM_NIC_REMOVE);
    if (err)
        return err;
    if (owner && owner->machine.phase == VMM_BOOTING && p->vmm_knows)
        return ERR_FULL; /* it has it in its configuration */
    if (p->is_told)
        err = tell_removal(p, now);
    if (err || p->is_removing)
        return ERR_FULL;
    drop_link(&p->link);
    drop(&p->link.budget);
    port_counters_add(&network()->switches[p->switch_index].gone, &p->kept);
    memset(p, 0, sizeof(*p));
    return OK;
}

/* The vmm has not been told that the NIC went which had this number before. */
static bool has_predecessor(const struct port *p)
{
    for (unsigned i = 0; i < PORTS_MAX; i++) {
        const struct port *other = &network()->ports[i];

        if (other->state == PORT_LEAVING && other->vmm_knows && other->vm_slot == p->vm_slot &&
            other->vm_generation == p->vm_generation &&
            other->settings.number == p->settings.number)
            return true;
    }
    return false;
}

/* ERR_FULL: there is more to do, later. */
static enum err sync_port(struct port *p, uint64_t now)
{
    struct vm *vm = vmm_of(p);
    enum err err = OK;

    if (p->is_removing)
        await_removal(p, now);
    if (!vm)
        forget_vmm(p, port_vm(p));
    if (p->state == PORT_LEAVING)
        return sync_leaver(p, vm, now);
    if (!vm)
        err = p->is_told ? tell_removal(p, now) : OK;
    else if (p->needs_nic_set && has_predecessor(p))
        err = ERR_FULL;
    else if (p->needs_nic_set)
        err = tell_vmm(p, vm, VMM_NIC_SET);
    if (err || p->is_removing)
        return ERR_FULL;
    if (!vm || !switch_program_is_up())
        return OK;
    if (!p->is_told || p->needs_set)
        err = tell_port(p);
    return err ? err : sync_link(p, vm);
}

/* ---- all ---- */

/* Its ports go before it. */
static enum err remove_switch(struct network_switch *s)
{
    struct switch_index m = { .index = switch_index(s) };
    enum err err =
        switch_has_leavers(m.index) ? ERR_FULL : switch_send(SWITCH_REMOVE, &m, sizeof(m));

    if (!err)
        s->needs_remove = 0;
    return err;
}

static enum err sync_switch(struct network_switch *s)
{
    struct switch_config c = { .index = switch_index(s),
                               .type = s->type,
                               .ageing_ns = s->ageing_s * NS_PER_SECOND,
                               .utc_base_ns = host_utc_base_ns() };

    if (!s->is_used)
        return remove_switch(s);
    string_copy(c.name, sizeof(c.name), s->name);
    enum err err = switch_send(SWITCH_SET, &c, sizeof(c));
    if (!err)
        s->needs_set = 0;
    return err;
}

void network_send_time(void)
{
    for (unsigned i = 0; i < SWITCHES_MAX; i++)
        network()->switches[i].needs_set = network()->switches[i].is_used;
}

void network_program_ended(void)
{
    struct network *n = network();

    network_send_time();
    for (unsigned i = 0; i < SWITCHES_MAX; i++)
        n->switches[i].needs_remove = 0;
    for (unsigned i = 0; i < PORTS_MAX; i++) {
        struct port *p = &n->ports[i];

        if (p->state == PORT_FREE)
            continue;
        if (p->is_removing)
            fold(p);
        p->needs_set = p->is_told;
        p->link.is_wanted = 1;
        if (!is_half_sent(p))
            drop_link(&p->link);
    }
    for (unsigned i = 0; i < CAPTURES_MAX; i++)
        if (n->captures[i].state == CAPTURE_RUNNING)
            n->captures[i].state = CAPTURE_STOPPED;
}

/* Leavers first: their numbers may be given out again already. */
uint64_t network_pump(uint64_t now)
{
    struct network *n = network();
    bool has_more = false;

    if (n->program.phase == SWITCH_NONE)
        return DEADLINE_NEVER; /* there never was a switch */
    uint64_t next = switch_program_pump(now);
    for (unsigned i = 0; i < SWITCHES_MAX && switch_program_is_up(); i++)
        if (n->switches[i].is_used ? n->switches[i].needs_set : n->switches[i].needs_remove)
            has_more |= sync_switch(&n->switches[i]) != OK;
    for (unsigned leaving = 1; leaving != UINT32_MAX; leaving--)
        for (unsigned i = 0; i < PORTS_MAX; i++)
            if (n->ports[i].state == (leaving ? PORT_LEAVING : PORT_WANTED))
                has_more |= sync_port(&n->ports[i], now) != OK;
    next = min(next, port_drops_pump(now));
    return has_more ? min(next, now + RETRY_NS) : next;
}

/* ---- what vmms say ---- */

static void emit_connection(const struct port *p, bool is_connected)
{
    char buffer[160], mac[MAC_TEXT_BYTES];
    struct json j;

    mac_text(&p->nic.mac, mac);
    json_init(&j, buffer, sizeof(buffer));
    json_object_begin(&j);
    json_field_string(&j, "port", p->name);
    json_field_string(&j, "mac", mac);
    json_field_number(&j, "mtu", p->nic.mtu);
    json_object_end(&j);
    event_emit(is_connected ? EVENT_PORT_CONNECTED : EVENT_PORT_DISCONNECTED, port_vm(p)->name, &j,
               is_connected ? "%s: the guest's driver is ready" : "%s: the guest has left its NIC",
               p->name);
}

bool network_take_nic_state(struct vm *vm, const struct vmm_nic_state *state)
{
    struct port *p;

    if (state->number >= VMM_NICS_MAX || state->state >= NIC_STATE_END ||
        state->channel_count > NIC_CHANNELS_MAX || state->mtu > UINT16_MAX)
        return false;
    p = port_of_nic(vm, state->number);
    if (!p)
        return true; /* it was removed meanwhile */
    bool was_ready = p->has_state && p->nic.state == NIC_READY;
    p->nic = *state;
    p->has_state = 1;
    if (was_ready != (state->state == NIC_READY))
        emit_connection(p, !was_ready);
    return true;
}
