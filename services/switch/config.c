/* A port that changes leaves its switch and joins it anew: what it has taught the switch is forgotten,
 * so that no address stays where the new policy would not have it. Its link and its counters stay. */
#include "services/switch/config.h"
#include "lib/string.h"
#include "services/rt/log.h"
#include "services/switch/link.h"

enum err config_set_switch(struct core *c, const struct switch_config *s)
{
    struct vswitch *v = &c->switches[s->index % SWITCHES_MAX];
    struct switch_row *row = &c->board->switches[s->index % SWITCHES_MAX];

    if (s->index >= SWITCHES_MAX || (s->type != SWITCH_PRIVATE && s->type != SWITCH_INTERNAL))
        return ERR_ARGUMENT;
    v->config = *s;
    v->config.name[sizeof(v->config.name) - 1] = 0;
    if (v->is_set)
        return OK;
    if (!row->is_used)
        memset(row, 0, sizeof(*row));
    row->is_used = 1;
    mac_table_init(&v->macs, c->board->macs[s->index], row, c->seed + s->index);
    v->members.count = 0;
    v->is_set = true;
    return OK;
}

enum err config_remove_switch(struct core *c, uint32_t index)
{
    struct vswitch *v = &c->switches[index % SWITCHES_MAX];

    if (index >= SWITCHES_MAX || !v->is_set)
        return ERR_ARGUMENT;
    if (v->members.count)
        return ERR_STATE;
    v->is_set = false;
    memset(&c->board->switches[index], 0, sizeof(c->board->switches[index]));
    memset(c->board->macs[index], 0, sizeof(c->board->macs[index]));
    return OK;
}

static uint16_t static_vlan(const struct port_config *p)
{
    switch (p->vlan.mode) {
    case VLAN_ACCESS: return p->vlan.id;
    case VLAN_TRUNK: return MAC_ANY_VLAN;
    default: return 0;
    }
}

/* The addresses of all members: one that had to wait for another's comes to its right. */
static void set_statics(struct core *c, struct vswitch *v)
{
    for (uint32_t i = 0; i < v->members.count; i++) {
        const struct port *p = &c->ports[v->members.ports[i]];
        enum err err = mac_table_set_static(&v->macs, p->mac, static_vlan(&p->config), p->index);

        if (err)
            log_line("%s: its address is not in the table: %s", p->config.name, err_name(err));
    }
}

static void leave(struct core *c, struct port *p)
{
    struct vswitch *v = core_switch_of(c, p);

    port_list_remove(&v->members, p->index);
    mac_table_forget(&v->macs, p->index);
    set_statics(c, v);
    p->row->learned_count = 0;
}

static void join(struct core *c, struct port *p, const struct port_config *config)
{
    struct vswitch *v;

    p->config = *config;
    p->config.name[sizeof(p->config.name) - 1] = 0;
    p->mac = frame_mac(config->mac.bytes);
    bucket_init(&p->floods, config->flood_copies_per_second, config->flood_burst, c->now_ns);
    p->row->switch_index = config->switch_index;
    v = core_switch_of(c, p);
    port_list_add(&v->members, p->index);
    set_statics(c, v);
}

enum err config_set_port(struct core *c, const struct port_config *config)
{
    struct port *p = &c->ports[config->index % PORTS_MAX];
    struct port_row *row = &c->board->ports[config->index % PORTS_MAX];

    if (config->index >= PORTS_MAX || config->switch_index >= SWITCHES_MAX ||
        config->mac.bytes[0] & 1 || !vlan_policy_is_good(&config->vlan))
        return ERR_ARGUMENT;
    if (!c->switches[config->switch_index].is_set)
        return ERR_NOT_FOUND;
    if (p->is_set)
        leave(c, p);
    else if (!row->is_used) /* else a predecessor counted there */
        memset(row, 0, sizeof(*row));
    row->is_used = 1;
    p->row = row;
    p->index = (uint16_t)config->index;
    p->is_set = true;
    join(c, p, config);
    return OK;
}

enum err config_remove_port(struct core *c, uint32_t index)
{
    struct port *p = &c->ports[index % PORTS_MAX];

    if (index >= PORTS_MAX || !p->is_set)
        return ERR_ARGUMENT;
    link_close(c, p);
    leave(c, p);
    if (p->is_dirty)
        port_list_remove(&c->dirty, p->index);
    core_clear_row(p->row);
    /* Last: the manager takes what was counted, to the last frame, and clears it. */
    __atomic_store_n(&p->row->is_used, 0, __ATOMIC_RELEASE);
    memset(p, 0, sizeof(*p));
    return OK;
}
