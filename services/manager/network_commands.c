/* switch ..., and from the id of the other commands of the network to what does them. */
#include "services/manager/network_commands.h"
#include "lib/format.h"
#include "lib/string.h"
#include "services/manager/host.h"
#include "services/manager/switch_board.h"

struct network_switch *switch_named(struct request *r, const struct value *v)
{
    struct network_switch *s = switch_find(v->text);

    if (!s)
        answer_error(r, ERROR_NOT_FOUND, v, "switch list", "no switch named %s", v->text);
    return s;
}

static const char *type_name(uint32_t type)
{
    return type == SWITCH_INTERNAL ? "internal" : "private";
}

static unsigned count_ports(const struct network_switch *s)
{
    unsigned n = 0;

    for (unsigned i = 0; i < PORTS_MAX; i++)
        n += port_at(i) && port_at(i)->switch_index == switch_index(s);
    return n;
}

static void summary(struct json *j, const struct network_switch *s)
{
    struct switch_row row;

    switch_row_of(s, &row);
    json_field_string(j, "name", s->name);
    json_field_string(j, "type", type_name(s->type));
    json_field_number(j, "ageing_s", s->ageing_s);
    json_field_bool(j, "running", switch_program_is_up() && !s->needs_set);
    json_field_number(j, "port_count", count_ports(s));
    json_field_number(j, "learned_count", row.learned_count);
}

static void list(struct request *r)
{
    struct json *j = answer_begin(r);

    json_list_begin(j);
    for (unsigned i = 0; i < SWITCHES_MAX; i++) {
        if (!network()->switches[i].is_used)
            continue;
        json_object_begin(j);
        summary(j, &network()->switches[i]);
        json_object_end(j);
    }
    json_list_end(j);
    answer_end(r);
}

/* ---- show ---- */

static void ports(struct json *j, const struct network_switch *s)
{
    json_key(j, "ports");
    json_list_begin(j);
    for (unsigned i = 0; i < PORTS_MAX; i++)
        if (port_at(i) && port_at(i)->switch_index == switch_index(s))
            port_list_entry(j, port_at(i));
    json_list_end(j);
}

static void totals(struct json *j, const struct network_switch *s)
{
    static struct port_counters c;
    int64_t balance;

    switch_counters(s, &c);
    balance = counters_balance(&c);
    json_key(j, "totals");
    json_object_begin(j);
    counters_show(j, &c);
    json_field_number(j, "drops", counters_drops(&c));
    json_object_end(j);
    json_key(j, "balance");
    if (balance < 0) {
        char text[24];

        json_raw(j, text, format(text, sizeof(text), "-%lu", 0 - (uint64_t)balance));
    } else {
        json_number(j, (uint64_t)balance);
    }
}

static void show(struct request *r, const struct network_switch *s)
{
    struct json *j = answer_begin(r);
    struct switch_row row;

    switch_row_of(s, &row);
    json_object_begin(j);
    summary(j, s);
    ports(j, s);
    totals(j, s);
    json_field_number(j, "learned_total", row.learned_total);
    json_field_number(j, "moved_total", row.moved_total);
    json_field_number(j, "aged_total", row.aged_total);
    json_field_number(j, "refused_total", row.refused_total);
    json_key(j, "addresses");
    macs_show(j, s);
    json_object_end(j);
    answer_end(r);
}

/* ---- create, set, delete ---- */

static bool take_ageing(struct request *r, const struct command_line *c, uint32_t *out)
{
    const struct value *v = command_value(c, "ageing");

    if (v->is_set && (v->number < 1 || v->number > AGEING_S_MAX)) {
        answer_error(r, ERROR_USAGE, v, "seconds, from 1 to 1000000", "ageing=%s cannot be",
                     v->text);
        return false;
    }
    if (v->is_set)
        *out = (uint32_t)v->number;
    return true;
}

static void refuse_program(struct request *r, enum err err)
{
    if (err == ERR_MEMORY)
        answer_error(r, ERROR_NO_MEMORY, NULL, "vm delete",
                     "not enough memory for the switch program; %lu MiB are free",
                     host_free_bytes() >> 20);
    else
        answer_error(r, ERROR_FAILED, NULL, "log show", "the switch program cannot be started: %s",
                     err_name(err));
}

static void create(struct request *r, const struct command_line *c)
{
    const struct value *name = command_value(c, "NAME");
    uint32_t ageing_s = AGEING_USUAL_S;

    if (switch_find(name->text)) {
        answer_error(r, ERROR_EXISTS, name, "switch list", "there is a switch named %s",
                     name->text);
        return;
    }
    if (!take_ageing(r, c, &ageing_s))
        return;
    struct network_switch *s = switch_allocate(name->text);
    if (!s) {
        answer_error(r, ERROR_NO_MEMORY, NULL, "switch delete", "there are %u switches already",
                     SWITCHES_MAX);
        return;
    }
    s->type = (uint32_t)command_value(c, "type")->number;
    s->ageing_s = ageing_s;
    enum err err = switch_program_start();
    if (err) {
        s->is_used = 0;
        refuse_program(r, err);
        return;
    }
    show(r, s);
}

static void set(struct request *r, const struct command_line *c, struct network_switch *s)
{
    if (!command_value(c, "ageing")->is_set) {
        answer_error(r, ERROR_USAGE, NULL, "ageing=", "nothing to set");
        return;
    }
    if (!take_ageing(r, c, &s->ageing_s))
        return;
    s->needs_set = 1;
    show(r, s);
}

/* Names the first of its ports, which are in the way. */
static void refuse_ports(struct request *r, const struct network_switch *s)
{
    char names[160] = "";
    size_t used = 0;

    for (unsigned i = 0; i < PORTS_MAX; i++)
        if (port_at(i) && port_at(i)->switch_index == switch_index(s))
            used += format(names + used, sizeof(names) - used, "%s%s", used ? ", " : "",
                           port_at(i)->name);
    answer_error(r, ERROR_WRONG_STATE, NULL, "nic remove", "%s has ports: %s", s->name, names);
}

static void delete (struct request *r, struct network_switch *s)
{
    if (switch_has_ports(s)) {
        refuse_ports(r, s);
        return;
    }
    for (unsigned i = 0; i < CAPTURES_MAX; i++) {
        struct capture *c = &network()->captures[i];

        if (c->state == CAPTURE_RUNNING && c->switch_index == switch_index(s))
            capture_stop(c);
    }
    struct json *j = answer_begin(r);
    json_object_begin(j);
    summary(j, s);
    json_object_end(j);
    s->is_used = 0;
    s->needs_remove = 1;
    answer_end(r);
}

static void switch_command(struct request *r, const struct command_line *c)
{
    struct network_switch *s;

    if (c->command->id == COMMAND_SWITCH_LIST) {
        list(r);
        return;
    }
    if (c->command->id == COMMAND_SWITCH_CREATE) {
        create(r, c);
        return;
    }
    s = switch_named(r, command_value(c, "NAME"));
    if (!s)
        return;
    switch (c->command->id) {
    case COMMAND_SWITCH_SHOW: show(r, s); break;
    case COMMAND_SWITCH_SET: set(r, c, s); break;
    default: delete (r, s);
    }
}

void network_command(struct request *r, const struct command_line *c)
{
    switch (c->command->id) {
    case COMMAND_NIC_ADD:
    case COMMAND_NIC_REMOVE:
    case COMMAND_NIC_SET:
    case COMMAND_NIC_LIST: nic_command(r, c); break;
    case COMMAND_PORT_LIST:
    case COMMAND_PORT_SHOW:
    case COMMAND_PORT_SET:
    case COMMAND_PORT_EXPLAIN: port_command(r, c); break;
    case COMMAND_CAPTURE_START:
    case COMMAND_CAPTURE_STOP:
    case COMMAND_CAPTURE_LIST:
    case COMMAND_CAPTURE_SAVE:
    case COMMAND_CAPTURE_DELETE: capture_command(r, c); break;
    default: switch_command(r, c);
    }
}
