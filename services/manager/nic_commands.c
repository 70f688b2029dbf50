/* nic ..., port ...: the settings of a NIC and of its port, which are one. */
#include "lib/format.h"
#include "lib/string.h"
#include "services/manager/event.h"
#include "services/manager/host.h"
#include "services/manager/network_commands.h"
#include "services/manager/switch_board.h"

struct port *port_named(struct request *r, const struct value *v)
{
    struct port *p = port_find(v->text);

    if (!p)
        answer_error(r, ERROR_NOT_FOUND, v, "port list", "no port named %s", v->text);
    return p;
}

/* ---- what both set ---- */

static bool take_mac(struct request *r, const struct value *v, unsigned index, const struct port *p,
                     struct mac_address *out)
{
    static const struct mac_address zero;
    struct mac_address mac = { { 0 } };
    struct port *other;

    if (!mac_parse(v->text, &mac) || mac_is_equal(&mac, &zero) || mac.bytes[0] & 1) {
        answer_error(r, ERROR_USAGE, v, "an address such as 02:42:48:00:00:01",
                     mac.bytes[0] & 1 ? "%s is an address of a group" : "%s is no address of a NIC",
                     v->text);
        return false;
    }
    other = port_with_mac(index, &mac, p, false);
    if (other) {
        answer_error(r, ERROR_EXISTS, v, "port list", "%s has %s on the same switch", other->name,
                     v->text);
        return false;
    }
    *out = mac;
    return true;
}

static bool take_vlan(struct request *r, const struct command_line *c, struct vlan_setting *out)
{
    const struct value *vlan = command_value(c, "vlan"), *native = command_value(c, "native");
    struct vlan_setting v = *out;

    if (vlan->is_set && !vlan_parse(vlan->text, &v)) {
        answer_error(r, ERROR_USAGE, vlan, "none, 1 to 4094, trunk, trunk:5,7-9",
                     "vlan=%.60s cannot be", vlan->text);
        return false;
    }
    if (native->is_set && (v.mode != VLAN_TRUNK || native->number > VLAN_ID_MAX)) {
        answer_error(r, ERROR_USAGE, native, "vlan=trunk, and native= from 0 (none) to 4094",
                     v.mode != VLAN_TRUNK ? "native= is for a trunk only" : "native=%s cannot be",
                     native->text);
        return false;
    }
    if (native->is_set)
        v.id = (uint16_t)native->number;
    *out = v;
    return true;
}

static void take_flag(const struct value *v, uint32_t bit, uint32_t *flags)
{
    if (v->is_set)
        *flags = v->number ? *flags | bit : *flags & ~bit;
}

bool nic_settings_take(struct request *r, const struct command_line *c, unsigned index,
                       const struct port *p, struct nic_settings *s)
{
    const struct value *mac = command_value(c, "mac"), *learned = command_value(c, "learned");

    if (mac->is_set && !take_mac(r, mac, index, p, &s->mac))
        return false;
    if (!take_vlan(r, c, &s->vlan))
        return false;
    if (learned->is_set && learned->number > LEARNED_MAX) {
        answer_error(r, ERROR_USAGE, learned, "a number from 0 to 4096", "learned=%s cannot be",
                     learned->text);
        return false;
    }
    if (learned->is_set)
        s->learned_max = (uint32_t)learned->number;
    take_flag(command_value(c, "isolated"), PORT_IS_ISOLATED, &s->flags);
    take_flag(command_value(c, "spoofing"), PORT_MAY_SPOOF, &s->flags);
    take_flag(command_value(c, "link"), PORT_IS_UP, &s->flags);
    return true;
}

/* ---- nic ---- */

/* NULL: @r has been answered or waits until the VM is no longer busy. */
static struct vm *vm_named(struct request *r, const struct value *name)
{
    struct vm *vm = vm_find(name->text);

    if (!vm) {
        answer_error(r, ERROR_NOT_FOUND, name, "vm list", "no VM named %s", name->text);
        return NULL;
    }
    if (!vm->machine.is_born || vm->machine.operation != OPERATION_NONE) {
        request_defer(r, vm->name);
        return NULL;
    }
    return vm;
}

static bool has_room(struct request *r, const struct vm *vm, unsigned *number)
{
    for (*number = 0; *number < VMM_NICS_MAX && port_of_nic(vm, *number);)
        ++*number;
    if (*number == VMM_NICS_MAX) {
        answer_error(r, ERROR_UNSUPPORTED, NULL, "nic remove", "%s has %u NICs already", vm->name,
                     VMM_NICS_MAX);
        return false;
    }
    if (!port_free_count()) {
        answer_error(r, ERROR_NO_MEMORY, NULL, "nic remove", "there are %u ports already",
                     PORTS_MAX);
        return false;
    }
    if (vm->machine.phase == VMM_UP && host_free_bytes() < NIC_BUDGET_BYTES) {
        answer_error(r, ERROR_NO_MEMORY, NULL, "vm delete",
                     "%lu MiB are needed for a NIC, %lu MiB are free", NIC_BUDGET_BYTES >> 20,
                     host_free_bytes() >> 20);
        return false;
    }
    return true;
}

static void emit(enum event_id id, const struct port *p, const struct vm *vm)
{
    char buffer[256], mac[MAC_TEXT_BYTES];
    struct json j;

    mac_text(&p->settings.mac, mac);
    json_init(&j, buffer, sizeof(buffer));
    json_object_begin(&j);
    json_field_string(&j, "port", p->name);
    json_field_string(&j, "switch", network()->switches[p->switch_index].name);
    json_field_string(&j, "mac", mac);
    json_object_end(&j);
    event_emit(id, vm->name, &j, "%s %s %s", p->name, id == EVENT_NIC_ADDED ? "joins" : "leaves",
               network()->switches[p->switch_index].name);
}

static void answer_port(struct request *r, const struct port *p)
{
    port_show(answer_begin(r), p);
    answer_end(r);
}

static void add(struct request *r, const struct command_line *c)
{
    struct nic_settings settings = { .flags = PORT_IS_UP,
                                     .learned_max = LEARNED_USUAL,
                                     .speed_bits = SPEED_BITS_USUAL };
    struct vm *vm = vm_named(r, command_value(c, "VM"));
    struct network_switch *s = vm ? switch_named(r, command_value(c, "switch")) : NULL;

    if (!s || !has_room(r, vm, &settings.number))
        return;
    settings.mac = nic_default_mac(vm, settings.number);
    if (!nic_settings_take(r, c, switch_index(s), NULL, &settings))
        return;
    settings.instance_id = nic_instance_id(vm, settings.number, &settings.mac);
    struct port *p = port_add(vm, switch_index(s), &settings);
    if (!p)
        return;
    emit(EVENT_NIC_ADDED, p, vm);
    answer_port(r, p);
}

static void remove(struct request *r, struct port *p)
{
    struct vm *vm = port_vm(p);

    if (vm->machine.operation != OPERATION_NONE) {
        request_defer(r, vm->name);
        return;
    }
    emit(EVENT_NIC_REMOVED, p, vm);
    port_show(answer_begin(r), p);
    port_remove(p);
    answer_end(r);
}

static void list_nics(struct request *r, const struct vm *vm)
{
    struct json *j = answer_begin(r);

    json_list_begin(j);
    for (unsigned number = 0; number < VMM_NICS_MAX; number++)
        if (port_of_nic(vm, number))
            nic_list_entry(j, port_of_nic(vm, number));
    json_list_end(j);
    answer_end(r);
}

static bool any_is_set(const struct command_line *c)
{
    bool is_set = false;

    for (unsigned i = 0; c->command->arguments[i].kind != VALUE_NONE; i++)
        is_set |= !(c->command->arguments[i].flags & ARGUMENT_OBJECT) && c->values[i].is_set;
    return is_set;
}

/* The vmm is told of all but VLANs, the switch of all but the speed: each once is simplest. */
static void set(struct request *r, const struct command_line *c, struct port *p)
{
    const struct value *speed = command_value(c, "speed");
    struct nic_settings settings = p->settings;

    if (!any_is_set(c)) {
        answer_error(r, ERROR_USAGE, NULL,
                     c->command->id == COMMAND_NIC_SET
                         ? "link=, speed="
                         : "vlan=, native=, mac=, isolated=, spoofing=, learned=",
                     "nothing to set");
        return;
    }
    if (port_vm(p)->machine.operation != OPERATION_NONE) {
        request_defer(r, port_vm(p)->name);
        return;
    }
    if (!nic_settings_take(r, c, p->switch_index, p, &settings))
        return;
    if (speed->is_set)
        settings.speed_bits = speed->number;
    p->settings = settings;
    p->needs_set = p->needs_nic_set = 1;
    answer_port(r, p);
}

void nic_command(struct request *r, const struct command_line *c)
{
    struct port *p;

    if (c->command->id == COMMAND_NIC_ADD) {
        add(r, c);
        return;
    }
    if (c->command->id == COMMAND_NIC_LIST) {
        const struct value *name = command_value(c, "VM");
        const struct vm *vm = vm_find(name->text);

        if (vm)
            list_nics(r, vm);
        else
            answer_error(r, ERROR_NOT_FOUND, name, "vm list", "no VM named %s", name->text);
        return;
    }
    p = port_named(r, command_value(c, "PORT"));
    if (p && c->command->id == COMMAND_NIC_SET)
        set(r, c, p);
    else if (p)
        remove(r, p);
}

/* ---- port ---- */

static void list_ports(struct request *r, const struct network_switch *only)
{
    struct json *j = answer_begin(r);

    json_list_begin(j);
    for (unsigned i = 0; i < PORTS_MAX; i++)
        if (port_at(i) && (!only || port_at(i)->switch_index == switch_index(only)))
            port_list_entry(j, port_at(i));
    json_list_end(j);
    answer_end(r);
}

void port_command(struct request *r, const struct command_line *c)
{
    const struct value *name = command_value(c, "switch");
    struct port *p;

    if (c->command->id == COMMAND_PORT_LIST) {
        const struct network_switch *only = name->is_set ? switch_named(r, name) : NULL;

        if (only || !name->is_set)
            list_ports(r, only);
        return;
    }
    p = port_named(r, command_value(c, "PORT"));
    if (!p)
        return;
    switch (c->command->id) {
    case COMMAND_PORT_SET: set(r, c, p); break;
    case COMMAND_PORT_SHOW: answer_port(r, p); break;
    default: port_explain(answer_begin(r), p); answer_end(r);
    }
}

/* ---- starting and restoring a VM ---- */

bool network_may_start(struct request *r, const struct vm *vm)
{
    unsigned count = 0;

    for (unsigned number = 0; number < VMM_NICS_MAX; number++) {
        const struct port *p = port_of_nic(vm, number);
        const struct port *other =
            p ? port_with_mac(p->switch_index, &p->settings.mac, p, true) : NULL;

        if (other && port_vm(other) != vm) {
            answer_error(r, ERROR_WRONG_STATE, NULL, "port set mac=, or vm poweroff",
                         "%s has the address of %s, whose VM is not stopped", p->name, other->name);
            return false;
        }
        count += p && p->link.budget == HANDLE_NONE;
    }
    if (count && host_free_bytes() < count * NIC_BUDGET_BYTES) {
        answer_error(r, ERROR_NO_MEMORY, NULL, "vm delete",
                     "%lu MiB are needed for its NICs, %lu MiB are free",
                     count * NIC_BUDGET_BYTES >> 20, host_free_bytes() >> 20);
        return false;
    }
    return true;
}

bool network_may_restore(struct request *r, const struct nic_settings *nics, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const struct network_switch *s = switch_find(nics[i].switch_name);
        const struct port *other;

        if (!s) {
            answer_error(r, ERROR_NOT_FOUND, NULL, "switch create",
                         "there is no switch named %s, on which its NIC %u was",
                         nics[i].switch_name, nics[i].number);
            return false;
        }
        other = port_with_mac(switch_index(s), &nics[i].mac, NULL, true);
        if (other) {
            answer_error(r, ERROR_EXISTS, NULL, "vm poweroff, or nic remove",
                         "%s has the address of its NIC %u, and its VM is not stopped", other->name,
                         nics[i].number);
            return false;
        }
    }
    if (count <= port_free_count())
        return true;
    answer_error(r, ERROR_NO_MEMORY, NULL, "nic remove", "there are %u ports already", PORTS_MAX);
    return false;
}

void network_restore(struct vm *vm, const struct nic_settings *nics, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const struct network_switch *s = switch_find(nics[i].switch_name);
        struct port *p = s ? port_add(vm, switch_index(s), &nics[i]) : NULL;

        if (p)
            emit(EVENT_NIC_ADDED, p, vm);
    }
}
