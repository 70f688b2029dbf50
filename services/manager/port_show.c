/* A port and the NIC behind it as JSON, and why its frames go the way they do. */
#include "lib/format.h"
#include "lib/string.h"
#include "services/manager/network_commands.h"
#include "services/manager/switch_board.h"

const char *port_state_name(const struct port *p)
{
    static const char *const names[NIC_STATE_END] = { "offered", "opened", "ready", "broken" };

    if (!port_vm(p) || !vm_is_live(port_vm(p)))
        return "offline";
    return p->has_state ? names[p->nic.state] : "offered";
}

static void mac_field(struct json *j, const char *key, const struct mac_address *m)
{
    char text[MAC_TEXT_BYTES];

    mac_text(m, text);
    json_field_string(j, key, text);
}

static void id_field(struct json *j, const struct port *p)
{
    char id[NIC_ID_TEXT_BYTES];

    nic_id_text(&p->settings.instance_id, id);
    json_field_string(j, "id", id);
}

static const char *on_off(uint32_t v)
{
    return v ? "on" : "off";
}

static bool is_connected(const struct port *p)
{
    static struct port_row row;

    port_row_of(p, &row);
    return p->is_told && row.is_connected;
}

/* What port list, nic list and port show begin with. */
static void summary(struct json *j, const struct port *p)
{
    json_field_string(j, "name", p->name);
    json_field_string(j, "vm", port_vm(p) ? port_vm(p)->name : "");
    json_field_string(j, "switch", network()->switches[p->switch_index].name);
    json_field_string(j, "state", port_state_name(p));
    json_field_bool(j, "connected", is_connected(p));
    json_field_string(j, "link", p->settings.flags & PORT_IS_UP ? "up" : "down");
    mac_field(j, "mac", &p->settings.mac);
    vlan_show(j, &p->settings.vlan);
}

void port_list_entry(struct json *j, const struct port *p)
{
    static struct port_counters c;

    port_counters_of(p, &c);
    json_object_begin(j);
    summary(j, p);
    json_field_number(j, "in_frames", c.in_frames);
    json_field_number(j, "out_frames", c.out_frames);
    json_field_number(j, "drops", counters_drops(&c));
    json_object_end(j);
}

void nic_list_entry(struct json *j, const struct port *p)
{
    json_object_begin(j);
    summary(j, p);
    id_field(j, p);
    json_field_number(j, "speed_bits", p->settings.speed_bits);
    json_field_number(j, "mtu", p->has_state ? p->nic.mtu : 0);
    json_object_end(j);
}

static void policy(struct json *j, const struct port *p)
{
    json_field_string(j, "isolated", on_off(p->settings.flags & PORT_IS_ISOLATED));
    json_field_string(j, "spoofing", on_off(p->settings.flags & PORT_MAY_SPOOF));
    json_field_number(j, "learned_max", p->settings.learned_max);
    json_field_number(j, "speed_bits", p->settings.speed_bits);
}

static void takes(struct json *j, uint32_t bits)
{
    static const char *const names[] = { "directed",    "multicast", "broadcast",
                                         "promiscuous", "lso-ipv4",  "lso-ipv6" };

    json_key(j, "takes");
    json_list_begin(j);
    for (unsigned i = 0; i < array_count(names); i++)
        if (bits & 1u << i)
            json_string(j, names[i]);
    json_list_end(j);
}

/* The vmm's word, then the switch's. */
static void guest(struct json *j, const struct port *p)
{
    static const struct vmm_nic_state none;
    const struct vmm_nic_state *n = p->has_state ? &p->nic : &none;
    char version[16];

    json_field_number(j, "mtu", n->mtu);
    json_key(j, "nvsp_version");
    format(version, sizeof(version), "%u.%u", n->nvsp_version >> 16, n->nvsp_version & 0xffff);
    if (n->nvsp_version)
        json_string(j, version);
    else
        json_null(j);
    json_field_number(j, "channels", n->channel_count);
    takes(j, n->takes);
    mac_field(j, "guest_mac", p->has_state ? &n->mac : &p->settings.mac);
    json_field_number(j, "epoch", p->link.epoch);
    json_field_number(j, "guest_epoch", n->epoch);
    json_field_number(j, "slots", n->slot_count);
    json_field_number(j, "dropped_sends", n->dropped_sends);
}

static void row_fields(struct json *j, const struct port *p)
{
    static struct port_row row;

    port_row_of(p, &row);
    if (!p->is_told)
        memset(&row, 0, sizeof(row));
    json_field_number(j, "free_slots", row.free_slot_count);
    json_field_number(j, "learned_count", row.learned_count);
    json_field_number(j, "generation", row.generation);
}

void port_show(struct json *j, const struct port *p)
{
    static struct port_counters c;

    port_counters_of(p, &c);
    json_object_begin(j);
    summary(j, p);
    id_field(j, p);
    policy(j, p);
    guest(j, p);
    row_fields(j, p);
    counters_show(j, &c);
    json_object_end(j);
}

/* ---- port explain ---- */

static void step(struct json *j, const char *name, const char *state, const char *why)
{
    json_object_begin(j);
    json_field_string(j, "step", name);
    json_field_string(j, "state", state);
    json_field_string(j, "why", why);
    json_object_end(j);
}

static const char *state_of(bool is_good)
{
    return is_good ? "ok" : "stops";
}

static void explain_guest(struct json *j, const struct port *p)
{
    static const char *const whys[NIC_STATE_END] = {
        "the guest has not opened its NIC: does it have the driver hv_netvsc?",
        "the driver negotiates; or its interface is not up in the guest",
        "the driver has lent its buffers",
        "the guest broke the protocol; the NIC is closed until it connects again",
    };
    bool is_ready = p->has_state && p->nic.state == NIC_READY;

    step(j, "driver", state_of(is_ready),
         p->has_state ? whys[p->nic.state] : "the vmm has not said anything of the NIC yet");
}

static void explain_link(struct json *j, const struct port *p)
{
    bool is_up = p->settings.flags & PORT_IS_UP;

    step(j, "link", state_of(is_up), is_up ? "the link is up" : "nic set link=up");
    step(j, "switch", state_of(switch_program_is_up()),
         switch_program_is_up() ? "the switch program runs" : "it is being started again");
    step(j, "connection", state_of(is_connected(p)),
         is_connected(p)              ? "the switch has the guest's buffers"
         : p->link.has_failed         ? "there is not enough memory for the NIC: vm delete"
         : p->link.phase != LINK_DONE ? "switch and vmm have not been joined yet"
                                      : "the vmm has not handed over the guest's buffers");
}

static void explain_policy(struct json *j, const struct port *p)
{
    char vlan[VLAN_TEXT_BYTES], why[VLAN_TEXT_BYTES + 160];

    vlan_text(&p->settings.vlan, vlan, sizeof(vlan));
    if (p->settings.vlan.mode == VLAN_TRUNK && p->settings.vlan.id)
        format(why, sizeof(why), "vlan=%s; untagged frames are of VLAN %u", vlan,
               p->settings.vlan.id);
    else if (p->settings.vlan.mode == VLAN_UNTAGGED)
        format(why, sizeof(why), "untagged frames only (port set vlan=)");
    else
        format(why, sizeof(why), "vlan=%s", vlan);
    step(j, "vlan", "ok", why);
    format(why, sizeof(why), "%s; %s",
           p->settings.flags & PORT_MAY_SPOOF
               ? "any source address is taken"
               : "frames from other addresses than its own are dropped",
           p->settings.flags & PORT_IS_ISOLATED ? "reaches only ports that are not isolated"
                                                : "reaches all ports");
    step(j, "policy", "ok", why);
}

void port_explain(struct json *j, const struct port *p)
{
    const struct vm *vm = port_vm(p);
    bool runs = vm && vm_is_running(vm);
    bool has_link = p->link.phase == LINK_DONE || (p->has_state && p->nic.epoch);

    json_object_begin(j);
    json_field_string(j, "name", p->name);
    json_field_string(j, "path", runs && is_connected(p) ? "switch" : "none");
    json_key(j, "steps");
    json_list_begin(j);
    step(j, "vm", state_of(runs),
         runs ? "the VM runs" : "the VM does not run: vm start, vm resume");
    step(j, "vmm", state_of(has_link),
         has_link ? "the vmm has a channel to the switch" : "the vmm has no channel to the switch");
    explain_guest(j, p);
    explain_link(j, p);
    explain_policy(j, p);
    step(j, "vmq", "unavailable", "the switch has no uplink");
    step(j, "vf", "unavailable", "the switch has no uplink");
    json_list_end(j);
    json_object_end(j);
}
