/* Lookups, adding and removing. Nothing here tells anybody: that is port_sync.c's part. */
#include "services/manager/network.h"
#include "lib/format.h"
#include "lib/string.h"
#include "services/manager/host.h"
#include "services/rt/sys.h"

static struct network *net;
static handle_t root;

void network_init(struct network *n, handle_t root_budget, handle_t signal)
{
    net = n;
    root = root_budget;
    switch_program_init(&n->program, root_budget, signal);
}

struct network *network(void)
{
    return net;
}

handle_t network_root(void)
{
    return root;
}

/* ---- switches ---- */

struct network_switch *switch_find(const char *name)
{
    for (unsigned i = 0; i < SWITCHES_MAX; i++)
        if (net->switches[i].is_used && strcmp(net->switches[i].name, name) == 0)
            return &net->switches[i];
    return NULL;
}

unsigned switch_index(const struct network_switch *s)
{
    return (unsigned)(s - net->switches);
}

bool switch_has_ports(const struct network_switch *s)
{
    for (unsigned i = 0; i < PORTS_MAX; i++)
        if (port_at(i) && port_at(i)->switch_index == switch_index(s))
            return true;
    return false;
}

/* A switch whose ports are still leaving keeps its place until they have left. */
bool switch_has_leavers(unsigned index)
{
    for (unsigned i = 0; i < PORTS_MAX; i++)
        if (net->ports[i].state == PORT_LEAVING && net->ports[i].switch_index == index)
            return true;
    return false;
}

struct network_switch *switch_allocate(const char *name)
{
    for (unsigned i = 0; i < SWITCHES_MAX; i++) {
        struct network_switch *s = &net->switches[i];

        if (s->is_used || s->needs_remove || switch_has_leavers(i))
            continue;
        memset(s, 0, sizeof(*s));
        string_copy(s->name, sizeof(s->name), name);
        s->ageing_s = AGEING_USUAL_S;
        s->is_used = s->needs_set = 1;
        return s;
    }
    return NULL;
}

/* ---- ports ---- */

struct vm *port_vm(const struct port *p)
{
    return vm_find_generation(p->vm_slot, p->vm_generation);
}

struct port *port_at(unsigned index)
{
    return index < PORTS_MAX && net->ports[index].state == PORT_WANTED ? &net->ports[index] : NULL;
}

unsigned port_index(const struct port *p)
{
    return (unsigned)(p - net->ports);
}

struct port *port_find(const char *name)
{
    for (unsigned i = 0; i < PORTS_MAX; i++)
        if (port_at(i) && strcmp(net->ports[i].name, name) == 0)
            return &net->ports[i];
    return NULL;
}

struct port *port_of_nic(const struct vm *vm, unsigned number)
{
    for (unsigned i = 0; i < PORTS_MAX; i++)
        if (port_at(i) && port_vm(&net->ports[i]) == vm && net->ports[i].settings.number == number)
            return &net->ports[i];
    return NULL;
}

static bool has_vmm(const struct port *p)
{
    const struct vm *vm = port_vm(p);

    return vm && (vm->machine.phase == VMM_BOOTING || vm->machine.phase == VMM_UP);
}

struct port *port_with_mac(unsigned index, const struct mac_address *mac, const struct port *but,
                           bool with_vmm)
{
    for (unsigned i = 0; i < PORTS_MAX; i++) {
        struct port *p = port_at(i);

        if (p && p != but && p->switch_index == index && mac_is_equal(&p->settings.mac, mac) &&
            (!with_vmm || has_vmm(p)))
            return p;
    }
    return NULL;
}

unsigned port_free_count(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < PORTS_MAX; i++)
        n += net->ports[i].state == PORT_FREE;
    return n;
}

struct port *port_add(struct vm *vm, unsigned index, const struct nic_settings *settings)
{
    for (unsigned i = 0; i < PORTS_MAX; i++) {
        struct port *p = &net->ports[i];

        if (p->state != PORT_FREE)
            continue;
        memset(p, 0, sizeof(*p));
        p->vm_slot = vm_slot(vm);
        p->vm_generation = vm->generation;
        p->switch_index = index;
        p->settings = *settings;
        p->needs_nic_set = 1;
        format(p->name, sizeof(p->name), "%s/nic%u", vm->name, settings->number);
        p->state = PORT_WANTED;
        return p;
    }
    return NULL;
}

void port_remove(struct port *p)
{
    p->state = PORT_LEAVING;
}

void network_forget_vm(const struct vm *vm)
{
    for (unsigned i = 0; i < PORTS_MAX; i++)
        if (port_at(i) && port_vm(&net->ports[i]) == vm)
            port_remove(&net->ports[i]);
}

/* ---- addresses ---- */

void nic_id_text(const struct guid *g, char out[NIC_ID_TEXT_BYTES])
{
    format(out, NIC_ID_TEXT_BYTES, "{%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x}", g->a, g->b,
           g->c, g->d[0], g->d[1], g->d[2], g->d[3], g->d[4], g->d[5], g->d[6], g->d[7]);
}

/* FNV-1a over @text, from @seed on. */
static uint32_t hash(uint32_t seed, const char *text)
{
    for (; *text; text++)
        seed = (seed ^ (uint8_t)*text) * 16777619u;
    return seed;
}

static bool mac_is_taken(const struct mac_address *mac)
{
    for (unsigned i = 0; i < SWITCHES_MAX; i++)
        if (port_with_mac(i, mac, NULL, false))
            return true;
    return false;
}

/* Locally administered, "BH" behind it, then what host, VM and NIC make of it. */
struct mac_address nic_default_mac(const struct vm *vm, unsigned number)
{
    uint32_t h = hash(hash(2166136261u, host_name()), vm->name) + number;
    struct mac_address mac = { { 0x02, 0x42, 0x48 } };

    do {
        mac.bytes[3] = (uint8_t)(h >> 16);
        mac.bytes[4] = (uint8_t)(h >> 8);
        mac.bytes[5] = (uint8_t)h;
        h++;
    } while (mac_is_taken(&mac));
    return mac;
}

struct guid nic_instance_id(const struct vm *vm, unsigned number, const struct mac_address *mac)
{
    uint32_t h = hash(hash(2166136261u, host_name()), vm->name);
    struct guid id = { .a = h, .b = (uint16_t)number, .c = 0x8000 };

    id.d[0] = 0x80; /* with c: a UUID of version 8, whose content is its maker's affair */
    memcpy(id.d + 2, mac->bytes, sizeof(mac->bytes));
    return id;
}

/* ---- save ---- */

unsigned network_save_nics(const struct vm *vm, struct nic_settings out[VMM_NICS_MAX])
{
    unsigned n = 0;

    for (unsigned number = 0; number < VMM_NICS_MAX; number++) {
        const struct port *p = port_of_nic(vm, number);

        if (!p)
            continue;
        out[n] = p->settings;
        string_copy(out[n].switch_name, sizeof(out[n].switch_name),
                    net->switches[p->switch_index].name);
        n++;
    }
    return n;
}

/* ---- after a restart of the manager ---- */

bool nic_settings_are_good(const struct nic_settings *s)
{
    static const struct mac_address zero;

    return s->number < VMM_NICS_MAX && s->learned_max <= LEARNED_MAX &&
           s->speed_bits <= SPEED_BITS_MAX && vlan_is_good(&s->vlan) &&
           !s->switch_name[sizeof(s->switch_name) - 1] && !(s->mac.bytes[0] & 1) &&
           !mac_is_equal(&s->mac, &zero);
}

static bool switch_is_good(const struct network_switch *s)
{
    return s->name[0] && !s->name[sizeof(s->name) - 1] && s->type <= SWITCH_INTERNAL &&
           s->ageing_s >= 1 && s->ageing_s <= AGEING_S_MAX;
}

static bool port_is_good(const struct port *p)
{
    return p->state < PORT_STATE_END && p->name[0] && !p->name[sizeof(p->name) - 1] &&
           p->switch_index < SWITCHES_MAX &&
           (p->state == PORT_LEAVING || net->switches[p->switch_index].is_used) &&
           nic_settings_are_good(&p->settings) && p->link.phase < LINK_PHASE_END &&
           p->link.vmm_handles <= 2 && p->nic.state < NIC_STATE_END;
}

static bool capture_is_good(const struct capture *c)
{
    return c->state < CAPTURE_STATE_END && !c->name[sizeof(c->name) - 1] &&
           c->switch_index < SWITCHES_MAX &&
           (c->port_index < PORTS_MAX || c->port_index == CAPTURE_ALL_PORTS);
}

/* What is damaged is cleared; its handles are then nobody's and are closed with the leftovers. */
static bool keep_what_is_good(void)
{
    bool is_good = true;

    for (unsigned i = 0; i < SWITCHES_MAX; i++)
        if (net->switches[i].is_used && !switch_is_good(&net->switches[i])) {
            memset(&net->switches[i], 0, sizeof(net->switches[i]));
            is_good = false;
        }
    for (unsigned i = 0; i < PORTS_MAX; i++)
        if (net->ports[i].state != PORT_FREE && !port_is_good(&net->ports[i])) {
            memset(&net->ports[i], 0, sizeof(net->ports[i]));
            is_good = false;
        }
    for (unsigned i = 0; i < CAPTURES_MAX; i++)
        if (net->captures[i].state != CAPTURE_FREE && !capture_is_good(&net->captures[i])) {
            memset(&net->captures[i], 0, sizeof(net->captures[i]));
            is_good = false;
        }
    return is_good;
}

/* A VM that was not adopted has no NICs; a handle may be on its way to the switch without its message:
 * then only a new program knows where it stands. */
bool network_adopt(void)
{
    bool is_good = keep_what_is_good(), is_torn = !is_good;

    for (unsigned i = 0; i < PORTS_MAX; i++) {
        struct port *p = &net->ports[i];

        if (p->state == PORT_WANTED && !port_vm(p))
            port_remove(p);
        is_torn |= p->state != PORT_FREE && p->link.is_handed;
    }
    if (is_torn && net->program.process != HANDLE_NONE)
        sys_process_kill(net->program.process);
    enum err err = switch_program_adopt();
    return is_good && !err;
}

void network_mark_handles(const struct network *n, void (*mark)(handle_t h))
{
    const struct switch_program *p = &n->program;

    mark(p->budget);
    mark(p->board);
    mark(p->channel);
    mark(p->process);
    for (unsigned i = 0; i < PORTS_MAX; i++) {
        const struct port_link *l = &n->ports[i].link;

        if (n->ports[i].state == PORT_FREE)
            continue;
        mark(l->budget);
        mark(l->switch_end);
        mark(l->vmm_end);
    }
    for (unsigned i = 0; i < CAPTURES_MAX; i++)
        if (n->captures[i].state != CAPTURE_FREE)
            mark(n->captures[i].region);
}
