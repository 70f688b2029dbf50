/* What a guest or its vmm answered, as the result of the request that waits for it. The region that
 * may come with an answer is taken off the channel in any case, and closed at once. */
#include "lib/format.h"
#include "lib/string.h"
#include "services/manager/commands.h"
#include "services/manager/event.h"
#include "services/manager/guest.h"
#include "services/manager/reply.h"
#include "services/rt/sys.h"

struct answer {
    struct request *request;
    const struct vm *vm;
    const struct command_line *command;
    struct reply_reader items;
};

static struct reply_item item; /* the one that is being looked at */

static const char *const pools[] = { "external", "guest", "auto", "auto-external",
                                     "auto-internal" };

/* ---- lists ---- */

static enum err put_items(struct json *j, struct answer *a)
{
    enum err err;

    json_list_begin(j);
    while ((err = reply_next_item(&a->items, &item)) == OK) {
        json_object_begin(j);
        json_key(j, "key");
        json_bytes(j, item.key, item.key_n);
        json_key(j, "value");
        json_bytes(j, item.value, item.value_n);
        json_object_end(j);
    }
    json_list_end(j);
    return err;
}

static void put_addresses(struct json *j, const char *family)
{
    for (size_t i = 0; i < item.value_n;) {
        size_t n = 0;

        while (i + n < item.value_n && item.value[i + n] != ';')
            n++;
        if (n) {
            json_object_begin(j);
            json_key(j, "address");
            json_bytes(j, item.value + i, n);
            json_field_string(j, "family", family);
            json_object_end(j);
        }
        i += n + 1;
    }
}

static enum err put_ip(struct json *j, struct answer *a)
{
    enum err err;

    json_list_begin(j);
    while ((err = reply_next_item(&a->items, &item)) == OK) {
        if (strcmp(item.key, "NetworkAddressIPv4") == 0)
            put_addresses(j, "ipv4");
        if (strcmp(item.key, "NetworkAddressIPv6") == 0)
            put_addresses(j, "ipv6");
    }
    json_list_end(j);
    return err;
}

static enum err put_adapter(struct json *j, struct answer *a)
{
    static const char *const fields[][2] = { { "address", "address" },
                                             { "netmask", "netmask" },
                                             { "gateway", "gateway" },
                                             { "name-server", "dns" },
                                             { "dhcp", "dhcp" } };
    enum err err;

    json_object_begin(j);
    json_field_string(j, "adapter", command_value(a->command, "adapter")->text);
    while ((err = reply_next_item(&a->items, &item)) == OK)
        for (unsigned i = 0; i < array_count(fields); i++)
            if (strcmp(item.key, fields[i][0]) == 0) {
                json_key(j, fields[i][1]);
                json_bytes(j, item.value, item.value_n);
            }
    json_object_end(j);
    return err;
}

static void put_guid(struct json *j, const char *key, const struct guid *g)
{
    char text[40];
    size_t n = format(text, sizeof(text), "%08x-%04x-%04x-", g->a, g->b, g->c);

    for (unsigned i = 0; i < sizeof(g->d); i++)
        n += format(text + n, sizeof(text) - n, i == 2 ? "-%02x" : "%02x", g->d[i]);
    json_field_string(j, key, text);
}

static void put_channel(struct json *j, const struct vmm_channel *c)
{
    static const char *const states[] = { "free", "waiting", "offered", "open", "revoked" };
    char version[16];

    json_object_begin(j);
    json_field_number(j, "id", c->id);
    if (c->service < SERVICE_COUNT)
        json_field_string(j, "service", service_name(c->service));
    else
        json_field_null(j, "service");
    json_field_number(j, "subchannel", c->subchannel);
    json_field_string(j, "state", c->state < array_count(states) ? states[c->state] : "unknown");
    format(version, sizeof(version), "%u.%u", c->version.major, c->version.minor);
    if (c->version.major)
        json_field_string(j, "version", version);
    else
        json_field_null(j, "version");
    json_field_number(j, "target_vp", c->target_vp);
    json_field_number(j, "signals_in", c->signals_in);
    json_field_number(j, "signals_out", c->signals_out);
    json_field_number(j, "packets_in", c->packets_in);
    json_field_number(j, "packets_out", c->packets_out);
    json_field_number(j, "in_bytes", c->bytes_in);
    json_field_number(j, "out_bytes", c->bytes_out);
    put_guid(j, "class", &c->class_id);
    put_guid(j, "instance", &c->instance_id);
    json_object_end(j);
}

static enum err put_channels(struct json *j, struct answer *a)
{
    const struct value *from = command_value(a->command, "from");
    const struct value *count = command_value(a->command, "count");
    uint64_t left = count->is_set ? count->number : UINT64_MAX;
    struct vmm_channel channel;
    enum err err;

    json_list_begin(j);
    while ((err = reply_next_channel(&a->items, &channel)) == OK)
        if (channel.id >= from->number && left) {
            put_channel(j, &channel);
            left--;
        }
    json_list_end(j);
    return err;
}

/* ---- single things ---- */

static void put_command_text(struct json *j, const struct answer *a, const char *key)
{
    const struct value *v = command_value(a->command, key);

    if (!v->is_set)
        return;
    json_key(j, key);
    json_bytes(j, v->text, v->n);
}

static enum err put_kvp(struct json *j, struct answer *a)
{
    const struct value *pool = command_value(a->command, "pool");
    bool is_get = a->request->query == QUERY_KVP_GET;
    enum err err = is_get ? reply_next_item(&a->items, &item) : OK;

    if (err)
        return err;
    json_object_begin(j);
    put_command_text(j, a, "key");
    if (is_get) {
        json_key(j, "value");
        json_bytes(j, item.value, item.value_n);
    } else {
        put_command_text(j, a, "value");
    }
    json_field_string(j, "pool",
                      pool->is_set ? pools[pool->number % array_count(pools)]
                      : is_get     ? "auto"
                                   : "external");
    json_object_end(j);
    return ERR_EMPTY;
}

static enum err put_done(struct json *j, struct answer *a)
{
    static const char *const keys[] = { "adapter", "address", "netmask", "gateway",
                                        "dns",     "dhcp",    "source",  "to" };
    uint32_t query = a->request->query;

    json_object_begin(j);
    json_field_string(j, "name", a->vm->name);
    for (unsigned i = 0; i < array_count(keys); i++)
        put_command_text(j, a, keys[i]);
    if (query == QUERY_FREEZE || query == QUERY_THAW)
        json_field_bool(j, "frozen", query == QUERY_FREEZE);
    json_object_end(j);
    return ERR_EMPTY;
}

/* Returns ERR_EMPTY when all was there. */
static enum err put(struct json *j, struct answer *a)
{
    switch (a->request->query) {
    case QUERY_KVP_LIST:
        return a->command->command->id == COMMAND_VM_IP ? put_ip(j, a) : put_items(j, a);
    case QUERY_KVP_GET:
    case QUERY_KVP_SET:
    case QUERY_KVP_DELETE: return put_kvp(j, a);
    case QUERY_IP_GET: return put_adapter(j, a);
    case QUERY_CHANNELS: return put_channels(j, a);
    default: return put_done(j, a);
    }
}

/* ---- answering ---- */

static void answer_failure(struct request *r, const struct vmm_reply *reply)
{
    static const struct {
        uint32_t err;
        enum error_code code;
    } codes[] = {
        { ERR_TIMED_OUT, ERROR_TIMED_OUT }, { ERR_UNSUPPORTED, ERROR_UNSUPPORTED },
        { ERR_NOT_FOUND, ERROR_NOT_FOUND }, { ERR_STATE, ERROR_WRONG_STATE },
        { ERR_ARGUMENT, ERROR_USAGE },      { ERR_MEMORY, ERROR_NO_MEMORY },
    };
    enum error_code code = ERROR_FAILED;
    char message[sizeof(reply->message)], hint[sizeof(reply->hint)];

    for (unsigned i = 0; i < array_count(codes); i++)
        if (reply->err == codes[i].err)
            code = codes[i].code;
    memcpy(message, reply->message, sizeof(message));
    memcpy(hint, reply->hint, sizeof(hint));
    message[sizeof(message) - 1] = hint[sizeof(hint) - 1] = 0;
    answer_error(r, code, NULL, hint, "%s", message[0] ? message : "the guest could not");
}

static void answer_result(struct answer *a)
{
    struct json *j = answer_begin(a->request);

    if (put(j, a) == ERR_EMPTY)
        answer_end(a->request);
    else
        answer_error(a->request, ERROR_FAILED, NULL, "log show",
                     "the vmm's answer is not what it announced");
}

static void answer(struct request *r, const struct vm *vm, const struct vmm_reply *reply,
                   const void *at)
{
    struct answer a = { .request = r, .vm = vm, .command = request_command(r) };

    reply_begin(&a.items, at, at ? reply->bytes : 0, at ? reply->count : 0);
    if (reply->err)
        answer_failure(r, reply);
    else if (!a.command)
        answer_error(r, ERROR_FAILED, NULL, "log show", "the command is lost");
    else if (r->query == QUERY_SHUTDOWN)
        request_wait_guest_end(r);
    else
        answer_result(&a);
}

static void answer_from(struct request *r, const struct vm *vm, const struct vmm_reply *reply,
                        handle_t region)
{
    void *at = NULL;
    bool is_there =
        reply->bytes <= reply_bytes_max(r->query) && region != HANDLE_NONE &&
        sys_region_map(region, 0, round_up(reply->bytes, PAGE_BYTES), PROT_READ, &at) == OK;

    if (is_there)
        answer(r, vm, reply, at);
    else
        answer_error(r, ERROR_FAILED, NULL, "log show", "the vmm's list cannot be read");
    if (is_there)
        sys_unmap(at);
}

void guest_take_reply(struct vm *vm, uint32_t sequence, const struct vmm_reply *reply)
{
    struct request *r = request_of_reply(vm, sequence);
    handle_t region = HANDLE_NONE;
    bool has_region = reply->bytes && !reply->err;

    if (has_region && sys_channel_take_handle(vm->channel, &region))
        region = HANDLE_NONE;
    if (r && has_region)
        answer_from(r, vm, reply, region);
    else if (r)
        answer(r, vm, reply, NULL);
    if (region != HANDLE_NONE)
        sys_handle_close(region);
}
