/* The manager's questions, and their answers. Each service has one question at a time; what a list
 * holds goes into a region whose handle is sent before the answer. */
#include "services/vmm/service_answers.h"
#include <stdarg.h>

#include "lib/format.h"
#include "services/rt/service_name.h"
#include "lib/string.h"
#include "services/rt/sys.h"
#include "services/vmm/machine.h"
#include "services/vmm/services.h"

static const char *const daemons[SERVICE_COUNT] = { [SERVICE_KVP] = "hv_kvp_daemon",
                                                    [SERVICE_VSS] = "hv_vss_daemon",
                                                    [SERVICE_FCOPY] = "hv_fcopy_daemon" };

/* ---- sending ---- */

static void send(struct services *s, uint32_t sequence, struct vmm_reply *r, handle_t region)
{
    if (region != HANDLE_NONE && !r->err &&
        sys_channel_send_handle(s->control->channel, region, RIGHT_READ))
        *r = (struct vmm_reply){ .err = ERR_FULL, .message = "too many answers are on their way" };
    if (region != HANDLE_NONE)
        sys_handle_close(region);
    control_send(s->control, VMM_REPLY, sequence, r, sizeof(*r));
}

PRINTF_LIKE(4, 5)
static void refuse(struct services *s, uint32_t sequence, enum err err, const char *fmt, ...)
{
    struct vmm_reply r = { .err = err };
    va_list args;

    va_start(args, fmt);
    format_v(r.message, sizeof(r.message), fmt, args);
    va_end(args);
    string_copy(r.hint, sizeof(r.hint), err == ERR_FULL ? "try again" : "services list --explain");
    send(s, sequence, &r, HANDLE_NONE);
}

/* The question of @service is answered; 0: nobody asked. */
static uint32_t take_sequence(struct services *s, enum vm_service service)
{
    uint32_t sequence = s->asked[service];

    s->asked[service] = 0;
    return sequence;
}

/* Why @service cannot be asked, or what became of it. */
static void explain(struct services *s, enum vm_service service, uint32_t sequence, enum err err)
{
    const char *name = service_name(service), *daemon = daemons[service];

    if (err == ERR_GONE)
        refuse(s, sequence, err, "the guest took back %s meanwhile", name);
    else if (err == ERR_TIMED_OUT || err == ERR_UNSUPPORTED)
        refuse(s, sequence, err, "%s does not answer in the guest%s%s%s", name, daemon ? ": " : "",
               daemon ? daemon : "", daemon ? " is not running; start hyperv-daemons" : "");
    else if (err == ERR_ARGUMENT)
        refuse(s, sequence, err, "the text is too long for %s, or not of its form", name);
    else
        refuse(s, sequence, err, "%s: the guest answered with an error", name);
}

static void finish(struct services *s, enum vm_service service, enum err err)
{
    uint32_t sequence = take_sequence(s, service);
    struct vmm_reply r = { .err = OK };

    if (sequence && err)
        explain(s, service, sequence, err);
    else if (sequence)
        send(s, sequence, &r, HANDLE_NONE);
}

/* ---- lists ---- */

static enum err begin_items(struct reply_items *items, handle_t budget, uint64_t bytes)
{
    void *at;
    enum err err = sys_region_create(budget, round_up(bytes, PAGE_BYTES), &items->region);

    if (err)
        return err;
    err =
        sys_region_map(items->region, 0, round_up(bytes, PAGE_BYTES), PROT_READ | PROT_WRITE, &at);
    if (err)
        sys_handle_close(items->region);
    else
        items->at = at;
    return err;
}

void service_answers_item(void *ctx, const char *key, const char *value)
{
    struct services *s = ctx;
    struct reply_items *items = &s->items;
    struct vmm_item head = { (uint32_t)strlen(key), (uint32_t)strlen(value) };
    uint64_t bytes = sizeof(head) + head.key_bytes + head.value_bytes;

    if (!items->at && begin_items(items, s->machine->budget, VMM_ITEMS_BYTES_MAX))
        items->is_full = true;
    if (items->is_full || VMM_ITEMS_BYTES_MAX - items->used < bytes) {
        items->is_full = true;
        return;
    }
    uint8_t *to = items->at + items->used;
    memcpy(to, &head, sizeof(head));
    memcpy(to + sizeof(head), key, head.key_bytes);
    memcpy(to + sizeof(head) + head.key_bytes, value, head.value_bytes);
    items->used += bytes;
    items->count++;
}

void service_answers_kvp(void *ctx, enum err err)
{
    struct services *s = ctx;
    struct reply_items items = s->items;
    uint32_t sequence = take_sequence(s, SERVICE_KVP);
    struct vmm_reply r = { .count = items.count, .bytes = items.used };

    s->items = (struct reply_items){ 0 };
    if (items.at)
        sys_unmap(items.at);
    if (!err && !items.is_full) {
        send(s, sequence, &r, items.at ? items.region : HANDLE_NONE);
        return;
    }
    if (items.at)
        sys_handle_close(items.region);
    if (err == ERR_NOT_FOUND)
        refuse(s, sequence, err, "the guest has no such %s",
               s->kvp.request.operation == KVP_GET_IP || s->kvp.request.operation == KVP_SET_IP
                   ? "adapter"
                   : "key");
    else if (err)
        explain(s, SERVICE_KVP, sequence, err);
    else
        refuse(s, sequence, ERR_FULL, "the guest's list is longer than %lu KiB",
               VMM_ITEMS_BYTES_MAX >> 10);
}

static void fill_channel(struct services *s, const struct channel *c, struct vmm_channel *out)
{
    *out = (struct vmm_channel){ .class_id = c->device->class_id,
                                 .instance_id = c->device->instance_id,
                                 .id = c->id,
                                 .subchannel = c->subchannel,
                                 .state = c->state,
                                 .service = SERVICE_COUNT,
                                 .target_vp = c->target_vp,
                                 .signals_in = c->signals_in,
                                 .signals_out = c->signals_out,
                                 .packets_in = c->packets_in,
                                 .packets_out = c->packets_out,
                                 .bytes_in = c->bytes_in,
                                 .bytes_out = c->bytes_out };
    for (unsigned i = 0; i < SERVICE_COUNT; i++) {
        const struct ic *ic = services_ic(s, (enum vm_service)i);

        if (c->device != &ic->device)
            continue;
        out->service = i;
        out->version = ic->state == IC_READY ? ic->version : out->version;
    }
}

static void answer_channels(struct services *s, uint32_t sequence)
{
    const struct server *server = &s->vmbus->server;
    struct reply_items items = { 0 };
    struct vmm_reply r = { 0 };
    uint64_t bytes = max(server->channel_limit, 1u) * sizeof(struct vmm_channel);

    if (begin_items(&items, s->machine->budget, bytes)) {
        refuse(s, sequence, ERR_MEMORY, "the VM has no memory left for the list");
        return;
    }
    for (uint32_t id = 1; id < server->channel_limit; id++)
        if (server_channel(server, id))
            fill_channel(s, server_channel(server, id),
                         &((struct vmm_channel *)(void *)items.at)[r.count++]);
    r.bytes = r.count * sizeof(struct vmm_channel);
    sys_unmap(items.at);
    send(s, sequence, &r, items.region);
}

/* ---- the other services ---- */

void service_answers_shutdown(void *ctx, enum err err)
{
    struct services *s = ctx;
    uint32_t sequence = s->asked[SERVICE_SHUTDOWN];

    if (sequence && err == ERR_UNSUPPORTED) {
        take_sequence(s, SERVICE_SHUTDOWN);
        refuse(s, sequence, err, "the guest refused to shut down");
        return;
    }
    finish(s, SERVICE_SHUTDOWN, err);
}

void service_answers_vss(void *ctx, enum err err)
{
    struct services *s = ctx;

    if (err == ERR_TIMED_OUT) { /* nobody's answer */
        s->thaw_count++;
        s->is_dirty = true;
        return;
    }
    finish(s, SERVICE_VSS, err);
}

void service_answers_fcopy(void *ctx, enum err err)
{
    struct services *s = ctx;
    uint32_t sequence = s->asked[SERVICE_FCOPY];

    if (s->copied)
        sys_unmap(s->copied);
    s->copied = NULL;
    if (sequence && (err == ERR_IO || err == ERR_FULL)) {
        take_sequence(s, SERVICE_FCOPY);
        refuse(s, sequence, ERR_IO, "the guest could not write the file%s",
               err == ERR_FULL ? ": its disk is full" : "; does its folder allow it?");
        return;
    }
    finish(s, SERVICE_FCOPY, err);
}

/* ---- questions ---- */

static enum err ask_kvp(struct services *s, const struct vmm_query *q)
{
    static const uint8_t operations[] = {
        [QUERY_KVP_GET] = KVP_GET,   [QUERY_KVP_SET] = KVP_SET,   [QUERY_KVP_DELETE] = KVP_DELETE,
        [QUERY_KVP_LIST] = KVP_LIST, [QUERY_IP_GET] = KVP_GET_IP, [QUERY_IP_SET] = KVP_SET_IP
    };
    static struct kvp_request r;

    r = (struct kvp_request){ .operation = operations[q->kind], .pool = q->argument };
    static_assert(sizeof(r.key) == sizeof(q->key) && sizeof(r.value) == sizeof(q->value),
                  "a question is a request");
    memcpy(r.key, q->key, sizeof(r.key));
    memcpy(r.value, q->value, sizeof(r.value));
    return kvp_ask(&s->kvp, &r);
}

static enum err ask_copy(struct services *s, const struct vmm_query *q, handle_t region)
{
    bool has_end = !q->value[sizeof(q->value) - 1];
    enum err err = region == HANDLE_NONE || !has_end ? ERR_ARGUMENT : OK;

    if (!err && q->number)
        err = sys_region_map(region, 0, round_up(q->number, PAGE_BYTES), PROT_READ, &s->copied);
    if (!err)
        err = fcopy_start(&s->fcopy, q->value, s->copied, q->number);
    if (err && s->copied) {
        sys_unmap(s->copied);
        s->copied = NULL;
    }
    return err;
}

static enum vm_service service_of(uint32_t kind)
{
    switch (kind) {
    case QUERY_SHUTDOWN: return SERVICE_SHUTDOWN;
    case QUERY_FREEZE:
    case QUERY_THAW: return SERVICE_VSS;
    case QUERY_COPY: return SERVICE_FCOPY;
    default: return SERVICE_KVP;
    }
}

static enum err ask(struct services *s, const struct vmm_query *q, handle_t region)
{
    switch (q->kind) {
    case QUERY_SHUTDOWN:
        return q->argument <= SHUTDOWN_HIBERNATE
                   ? shutdown_request(&s->shutdown, (enum shutdown_mode)q->argument)
                   : ERR_ARGUMENT;
    case QUERY_FREEZE: return vss_freeze(&s->vss, q->number);
    case QUERY_THAW: return vss_thaw(&s->vss);
    case QUERY_COPY: return ask_copy(s, q, region);
    default: return ask_kvp(s, q);
    }
}

/* The service could not be asked. */
static void cannot(struct services *s, const struct vmm_query *q, uint32_t sequence, enum err err)
{
    enum vm_service service = service_of(q->kind);
    const struct ic *ic = services_ic(s, service);

    if (!ic->device.is_enabled)
        refuse(s, sequence, ERR_STATE, "%s is switched off for this VM; services enable",
               service_name(service));
    else if (ic->state == IC_CLOSED && service == SERVICE_FCOPY)
        refuse(
            s, sequence, ERR_STATE,
            "nothing in the guest uses fcopy: hv_fcopy_daemon is not running; start hyperv-daemons "
            "(before Linux 6.10 also load hv_utils)");
    else if (ic->state == IC_CLOSED)
        refuse(s, sequence, ERR_STATE, "the guest's driver for %s is not loaded (hv_utils)",
               service_name(service));
    else if (ic->state == IC_NEGOTIATING || err == ERR_TIMED_OUT)
        explain(s, service, sequence, ERR_TIMED_OUT);
    else if (ic->state == IC_UNUSABLE)
        refuse(s, sequence, ERR_UNSUPPORTED, "the guest speaks no version of %s that is known here",
               service_name(service));
    else if (q->kind == QUERY_THAW && err == ERR_UNSUPPORTED)
        explain(s, service, sequence, err);
    else if (q->kind == QUERY_THAW || (q->kind == QUERY_FREEZE && s->vss.state != VSS_THAWED))
        refuse(s, sequence, ERR_STATE, "the guest is%s frozen",
               q->kind == QUERY_THAW ? " not" : " already");
    else if (err == ERR_STATE || err == ERR_FULL)
        refuse(s, sequence, ERR_FULL, "%s is busy", service_name(service));
    else if (err == ERR_UNSUPPORTED)
        refuse(s, sequence, err, "the guest's %s is too old for that", service_name(service));
    else
        explain(s, service, sequence, err);
}

void services_ask(struct services *s, uint32_t sequence, const struct vmm_query *q, handle_t region)
{
    enum vm_service service = service_of(q->kind);

    if (q->kind == QUERY_CHANNELS) {
        answer_channels(s, sequence);
    } else if (q->kind >= QUERY_KIND_COUNT || s->asked[service]) {
        refuse(s, sequence, ERR_FULL, "%s is busy with another request", service_name(service));
    } else {
        s->asked[service] = sequence;
        enum err err = ask(s, q, region);
        if (err) {
            s->asked[service] = 0;
            cannot(s, q, sequence, err);
        }
    }
    if (region != HANDLE_NONE)
        sys_handle_close(region);
}
