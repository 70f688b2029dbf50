/* vm shutdown, vm kvp, vm ip, vm freeze, vm thaw, vm copy, channel list: questions to a guest or its
 * vmm. Each is sent and its request waits; guest_answers.c takes up the answer. */
#include "lib/format.h"
#include "lib/string.h"
#include "services/manager/commands.h"
#include "services/manager/guest.h"
#include "services/manager/network.h"
#include "services/manager/vmm.h"
#include "services/rt/startup.h"
#include "services/rt/sys.h"

#define KVP_LIMIT_NS    (45 * NS_PER_SECOND)
#define FREEZE_LIMIT_NS (120 * NS_PER_SECOND)
#define COPY_LIMIT_NS   (300 * NS_PER_SECOND)
#define SECONDS_MAX     86400u
#define SHUTDOWN_WAIT_S 60u
#define FREEZE_USUAL_S  60u
#define COPY_BYTES_MAX  GIB(1)
#define GUID_TEXT_BYTES 36u
#define POOL_EXTERNAL   0u
#define POOL_AUTO       2u

static struct vmm_query query; /* the one that is being made */

static struct vmm_query *new_query(enum vmm_query_kind kind)
{
    memset(&query, 0, sizeof(query));
    query.kind = kind;
    return &query;
}

static bool send_handle(struct request *r, const struct vm *vm, handle_t region)
{
    enum err err =
        region != HANDLE_NONE ? sys_channel_send_handle(vm->channel, region, RIGHT_READ) : OK;

    if (err)
        answer_error(r, ERROR_FAILED, NULL, "try again", "the vmm's channel takes no file: %s",
                     err_name(err));
    return !err;
}

/* Sends what new_query() began, behind @region if there is one, and lets @r wait. */
static void ask(struct request *r, struct vm *vm, uint32_t service, handle_t region,
                uint64_t limit_ns)
{
    if (!send_handle(r, vm, region))
        return;
    request_wait_reply(r, vm, ++vm->query_sequence, (enum vmm_query_kind)query.kind, service,
                       sys_clock() + limit_ns);
    enum err err = vmm_tell(vm, VMM_QUERY, vm->query_sequence, &query, sizeof(query));
    if (err)
        answer_error(r, ERROR_FAILED, NULL, "try again", "the vmm's channel takes no message: %s",
                     err_name(err));
}

/* ---- shutdown ---- */

static bool seconds_of(struct request *r, const struct value *v, uint64_t usual, uint64_t *out)
{
    *out = v->is_set ? v->number : usual;
    if (*out >= 1 && *out <= SECONDS_MAX)
        return true;
    answer_error(r, ERROR_USAGE, v, "a number of seconds from 1 to 86400", "%s cannot be", v->text);
    return false;
}

static void shut_down(struct request *r, struct vm *vm, const struct command_line *c)
{
    uint64_t seconds;

    if (!seconds_of(r, command_value(c, "wait"), SHUTDOWN_WAIT_S, &seconds))
        return;
    r->mode = (uint32_t)command_value(c, "mode")->number;
    new_query(QUERY_SHUTDOWN)->argument = r->mode;
    ask(r, vm, SERVICE_SHUTDOWN, HANDLE_NONE, seconds * NS_PER_SECOND);
}

/* ---- kvp ---- */

static bool text_fits(struct request *r, const struct value *v, char *to, size_t capacity)
{
    if (v->n < capacity)
        return string_copy(to, capacity, v->text);
    answer_error(r, ERROR_USAGE, v, "a shorter text", "%u bytes are too long, at most %zu go", v->n,
                 capacity - 1);
    return false;
}

static bool has_key(struct request *r, const struct value *key, const char *name)
{
    if (key->n)
        return true;
    answer_error(r, ERROR_USAGE, key, name, "%s is missing", name);
    return false;
}

static void kvp(struct request *r, struct vm *vm, const struct command_line *c)
{
    static const enum vmm_query_kind kinds[] = { QUERY_KVP_LIST, QUERY_KVP_GET, QUERY_KVP_SET,
                                                 QUERY_KVP_DELETE };
    const struct value *key = command_value(c, "key"), *value = command_value(c, "value");
    const struct value *pool = command_value(c, "pool");
    enum vmm_query_kind kind = kinds[command_value(c, "ACTION")->number];
    bool changes = kind == QUERY_KVP_SET || kind == QUERY_KVP_DELETE;
    struct vmm_query *q = new_query(kind);

    if (kind != QUERY_KVP_LIST && !has_key(r, key, "key="))
        return;
    if (kind == QUERY_KVP_SET && !value->is_set) {
        answer_error(r, ERROR_USAGE, NULL, "value=", "value= is missing");
        return;
    }
    if (!text_fits(r, key, q->key, sizeof(q->key)) ||
        !text_fits(r, value, q->value, sizeof(q->value)))
        return;
    q->argument = pool->is_set ? (uint32_t)pool->number : changes ? POOL_EXTERNAL : POOL_AUTO;
    ask(r, vm, SERVICE_KVP, HANDLE_NONE, KVP_LIMIT_NS);
}

/* ---- ip ---- */

/* A GUID as Linux compares it: lower case, in braces. */
static bool take_guid(const struct value *v, char *to)
{
    const char *text = v->text;
    size_t n = v->n;

    if (n == GUID_TEXT_BYTES + 2 && text[0] == '{' && text[n - 1] == '}')
        text++, n -= 2;
    if (n != GUID_TEXT_BYTES)
        return false;
    to[0] = '{';
    for (size_t i = 0; i < n; i++) {
        char c = text[i] >= 'A' && text[i] <= 'F' ? (char)(text[i] + 32) : text[i];
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (is_dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        to[i + 1] = c;
    }
    to[n + 1] = '}';
    to[n + 2] = 0;
    return true;
}

/* The fields of an adapter, one behind the other, each with its NUL. False: too long. */
static bool put_adapter(const struct command_line *c, char *to, size_t capacity)
{
    static const char *const keys[] = { "address", "netmask", "gateway", "dns" };
    const struct value *dhcp = command_value(c, "dhcp");
    size_t used = 0;

    for (unsigned i = 0; i < array_count(keys); i++) {
        const struct value *v = command_value(c, keys[i]);

        if (v->n + 1 > capacity - used - sizeof("dhcp"))
            return false;
        memcpy(to + used, v->text, v->n + 1);
        used += v->n + 1;
    }
    return string_copy(to + used, capacity - used, dhcp->number ? "dhcp" : "");
}

static bool changes_adapter(const struct command_line *c)
{
    static const char *const keys[] = { "address", "netmask", "gateway", "dns", "dhcp" };
    bool changes = false;

    for (unsigned i = 0; i < array_count(keys); i++)
        changes |= command_value(c, keys[i])->is_set;
    return changes;
}

/* The port of @vm that is named so or whose NIC has this GUID, or NULL. */
static const struct port *port_of_adapter(const struct vm *vm, const char *text, const char *guid)
{
    char id[NIC_ID_TEXT_BYTES];

    for (unsigned i = 0; i < PORTS_MAX; i++) {
        const struct port *p = port_at(i);

        if (!p || port_vm(p) != vm)
            continue;
        nic_id_text(&p->settings.instance_id, id);
        if (!strcmp(p->name, text) || !strcmp(id, guid))
            return p;
    }
    return NULL;
}

/* Linux' daemon finds the adapter that is to be set by its GUID, but the one that is to be told of
 * by the address that it has now, in upper case (hv_kvp_daemon.c, kvp_get_if_name() and
 * kvp_mac_to_if_name()). False: no adapter. */
static bool name_adapter(const struct vm *vm, const struct value *v, struct vmm_query *q)
{
    bool is_guid = take_guid(v, q->key);
    const struct port *p = port_of_adapter(vm, v->text, q->key);

    if (p && q->kind == QUERY_IP_SET) {
        nic_id_text(&p->settings.instance_id, q->key);
    } else if (p) {
        mac_text(p->has_state ? &p->nic.mac : &p->settings.mac, q->key);
        for (char *at = q->key; *at; at++)
            *at = *at >= 'a' && *at <= 'f' ? (char)(*at - 32) : *at;
    }
    return p || is_guid;
}

static void ip(struct request *r, struct vm *vm, const struct command_line *c)
{
    const struct value *adapter = command_value(c, "adapter");
    bool changes = changes_adapter(c);
    struct vmm_query *q = new_query(!adapter->is_set ? QUERY_KVP_LIST
                                    : changes        ? QUERY_IP_SET
                                                     : QUERY_IP_GET);

    if (!adapter->is_set && changes) {
        answer_error(r, ERROR_USAGE, NULL, "adapter=: see nic list", "adapter= is missing");
        return;
    }
    if (adapter->is_set && !name_adapter(vm, adapter, q)) {
        answer_error(r, ERROR_USAGE, adapter, "a port or a GUID: see nic list",
                     "\"%.60s\" is no adapter", adapter->text);
        return;
    }
    if (changes && !put_adapter(c, q->value, sizeof(q->value))) {
        answer_error(r, ERROR_USAGE, NULL, "fewer addresses", "the addresses are too long");
        return;
    }
    q->argument = adapter->is_set ? 0 : POOL_AUTO;
    ask(r, vm, SERVICE_KVP, HANDLE_NONE, KVP_LIMIT_NS);
}

/* ---- backup ---- */

static void freeze(struct request *r, struct vm *vm, const struct command_line *c)
{
    uint64_t seconds;

    if (!seconds_of(r, command_value(c, "limit"), FREEZE_USUAL_S, &seconds))
        return;
    new_query(QUERY_FREEZE)->number = seconds * NS_PER_SECOND;
    ask(r, vm, SERVICE_VSS, HANDLE_NONE, FREEZE_LIMIT_NS);
}

/* ---- copy ---- */

static void copy(struct request *r, struct vm *vm, const struct command_line *c)
{
    const struct value *source = command_value(c, "source"), *to = command_value(c, "to");
    const struct startup_grant *g = startup_grant(source->text);
    struct vmm_query *q = new_query(QUERY_COPY);

    if (!g || g->kind != GRANT_MODULE) {
        answer_error(r, ERROR_NOT_FOUND, source, "put the file among the boot modules",
                     "no boot module named %.100s", source->text);
        return;
    }
    if (g->bytes > COPY_BYTES_MAX) {
        answer_error(r, ERROR_UNSUPPORTED, source, "a smaller file",
                     "the file has more than 1 GiB");
        return;
    }
    if (to->text[0] != '/' || to->text[to->n - 1] == '/') {
        answer_error(r, ERROR_USAGE, to, "a path such as /root/file",
                     "\"%.60s\" is no full path of a file", to->text);
        return;
    }
    if (!text_fits(r, to, q->value, sizeof(q->value)))
        return;
    q->number = g->bytes;
    ask(r, vm, SERVICE_FCOPY, g->handle, COPY_LIMIT_NS);
}

/* ---- all of them ---- */

static uint32_t service_of(enum command_id id)
{
    switch (id) {
    case COMMAND_VM_SHUTDOWN: return SERVICE_SHUTDOWN;
    case COMMAND_VM_KVP:
    case COMMAND_VM_IP: return SERVICE_KVP;
    case COMMAND_VM_FREEZE:
    case COMMAND_VM_THAW: return SERVICE_VSS;
    case COMMAND_VM_COPY: return SERVICE_FCOPY;
    default: return SERVICE_COUNT;
    }
}

void guest_command(struct request *r, struct vm *vm, const struct command_line *c)
{
    uint32_t service = service_of(c->command->id);

    if (vm->machine.operation != OPERATION_NONE) {
        request_defer(r, vm->name);
        return;
    }
    if (!vm_is_running(vm)) {
        answer_error(
            r, ERROR_WRONG_STATE, NULL, vm->machine.state == VM_PAUSED ? "vm resume" : "vm start",
            "%s is %s: its guest cannot be asked", vm->name, vm_state_name(vm->machine.state));
        return;
    }
    if (request_guest_count() >= REQUEST_GUESTS_MAX) {
        answer_error(r, ERROR_FAILED, NULL, "try again", "%u requests wait for guests already",
                     REQUEST_GUESTS_MAX);
        return;
    }
    if (service != SERVICE_COUNT && request_has_asked(vm, service)) {
        request_defer_service(r, vm, service);
        return;
    }
    switch (c->command->id) {
    case COMMAND_VM_SHUTDOWN: shut_down(r, vm, c); break;
    case COMMAND_VM_KVP: kvp(r, vm, c); break;
    case COMMAND_VM_IP: ip(r, vm, c); break;
    case COMMAND_VM_FREEZE: freeze(r, vm, c); break;
    case COMMAND_VM_THAW:
        new_query(QUERY_THAW);
        ask(r, vm, SERVICE_VSS, HANDLE_NONE, FREEZE_LIMIT_NS);
        break;
    case COMMAND_VM_COPY: copy(r, vm, c); break;
    default: new_query(QUERY_CHANNELS); ask(r, vm, SERVICE_COUNT, HANDLE_NONE, KVP_LIMIT_NS);
    }
}
