#include "services/vmm/vsp/ic.h"
#include "lib/string.h"

static const struct device_ops device_ops;

static struct ic *ic_of(struct device *d)
{
    return container_of(d, struct ic, device);
}

static void enter(struct ic *ic, enum ic_state state)
{
    ic->state = state;
    ic->since_ns = ic_now(ic);
    ic_changed(ic);
}

void ic_init(struct ic *ic, const struct ic_kind *kind, const struct ic_host *host)
{
    *ic = (struct ic){ .device = { .ops = &device_ops,
                                   .class_id = kind->class_id,
                                   .instance_id = kind->instance_id,
                                   .flags = VMBUS_OFFER_PIPE | VMBUS_OFFER_ENUMERATE },
                       .kind = kind,
                       .host = host,
                       .next_ns = IC_NEVER,
                       .read_ns = IC_NEVER };
}

static unsigned count_of(const struct ic_version *list, unsigned capacity)
{
    unsigned n = 0;

    while (n < capacity && (list[n].major || list[n].minor))
        n++;
    return n;
}

struct ic_version ic_newest(const struct ic_version *list, unsigned capacity)
{
    return list[count_of(list, capacity) - 1];
}

bool ic_has_version(const struct ic *ic, unsigned major, unsigned minor)
{
    return ic->version.major > major || (ic->version.major == major && ic->version.minor >= minor);
}

void ic_set_refused(struct ic *ic, bool was_refused)
{
    if (ic->was_refused == was_refused)
        return;
    ic->was_refused = was_refused;
    ic_changed(ic);
}

/* ---- sending ---- */

static enum err send(struct ic *ic, uint16_t type, const struct ring_part *parts, unsigned count)
{
    struct ring_part all[4];
    struct ic_header h = { .pipe_type = IC_PIPE_DATA,
                           .framework = ic->framework,
                           .type = type,
                           .version = ic->version,
                           .transaction = (uint8_t)(ic->transaction + 1),
                           .flags = IC_FLAG_TRANSACTION | IC_FLAG_REQUEST };
    uint32_t bytes = 0;

    if (count >= array_count(all))
        return ERR_ARGUMENT;
    all[0] = (struct ring_part){ &h, sizeof(h) };
    for (unsigned i = 0; i < count; i++) {
        all[i + 1] = parts[i];
        bytes += (uint32_t)parts[i].n;
    }
    h.bytes = (uint16_t)bytes;
    h.pipe_bytes = (uint32_t)sizeof(h) - 8 + bytes;
    enum err err =
        channel_send(ic->device.channel, RING_DATA_INBAND, 0, h.transaction, all, count + 1);
    if (err)
        return err;
    ic->transaction = h.transaction;
    ic->is_waiting = true;
    ic->sent_ns = ic_now(ic);
    return OK;
}

/* What the frame carries is fixed at 3.0 until the guest has chosen. */
static void negotiate(struct ic *ic)
{
    const struct ic_kind *k = ic->kind;
    struct ic_negotiate n = {
        .framework_count = (uint16_t)count_of(k->frameworks, array_count(k->frameworks)),
        .version_count = (uint16_t)count_of(k->versions, array_count(k->versions)),
    };
    struct ring_part parts[] = {
        { &n, sizeof(n) },
        { k->frameworks, n.framework_count * sizeof(struct ic_version) },
        { k->versions, n.version_count * sizeof(struct ic_version) },
    };

    ic->framework = (struct ic_version){ 3, 0 };
    ic->version = (struct ic_version){ 0, 0 };
    (void)!send(ic, IC_NEGOTIATE, parts, array_count(parts)); /* the ring is empty */
}

enum err ic_request(struct ic *ic, const struct ring_part *parts, unsigned count)
{
    if (ic->state != IC_READY || ic->is_waiting)
        return ERR_STATE;
    return send(ic, ic->kind->type, parts, count);
}

/* ---- receiving ---- */

static bool contains(const struct ic_version *list, unsigned capacity, struct ic_version v)
{
    for (unsigned i = 0; i < count_of(list, capacity); i++)
        if (list[i].major == v.major && list[i].minor == v.minor)
            return true;
    return false;
}

/* A guest that knows none of ours says so by counts of 0; what follows them is no version. */
static void take_versions(struct ic *ic, const uint8_t *body, uint32_t n)
{
    struct {
        struct ic_negotiate counts;
        struct ic_version framework, version;
    } PACKED answer;
    const struct ic_kind *k = ic->kind;

    if (n < sizeof(answer)) {
        ic->strange_count++;
        return;
    }
    memcpy(&answer, body, sizeof(answer));
    if (answer.counts.framework_count != 1 || answer.counts.version_count != 1 ||
        !contains(k->frameworks, array_count(k->frameworks), answer.framework) ||
        !contains(k->versions, array_count(k->versions), answer.version)) {
        enter(ic, IC_UNUSABLE);
        return;
    }
    ic->framework = answer.framework;
    ic->version = answer.version;
    enter(ic, IC_READY);
    k->ready(ic);
}

/* Only what answers the request that is under way counts. */
static bool is_answer(const struct ic *ic, const struct ic_header *h, uint32_t n)
{
    uint16_t wanted = ic->state == IC_NEGOTIATING ? IC_NEGOTIATE : ic->kind->type;

    return n >= sizeof(*h) && ic->is_waiting && h->type == wanted &&
           (h->flags & IC_FLAG_RESPONSE) && h->transaction == ic->transaction;
}

static void set_silent(struct ic *ic, bool is_silent)
{
    if (ic->is_silent != is_silent) {
        ic->is_silent = is_silent;
        ic_changed(ic);
    }
}

static void take_packet(struct ic *ic, const struct ring_packet *p, const uint8_t *bytes,
                        uint32_t n)
{
    struct ic_header h;

    memcpy(&h, bytes, sizeof(h)); /* stale where it is short, which is_answer() sees first */
    if (p->type != RING_DATA_INBAND || n > IC_BODY_MAX + sizeof(h) || !is_answer(ic, &h, n)) {
        ic->strange_count++;
        return;
    }
    ic->is_waiting = false;
    set_silent(ic, false);
    if (ic->state == IC_NEGOTIATING)
        take_versions(ic, bytes + sizeof(h), n - (uint32_t)sizeof(h));
    else
        ic->kind->answered(ic, h.status, bytes + sizeof(h), n - (uint32_t)sizeof(h));
}

/* What is there; the rest of more than a turn's packets comes after another pause. */
static void read_channel(struct ic *ic)
{
    static uint8_t bytes[IC_BODY_MAX + sizeof(struct ic_header)]; /* one service thread */
    struct channel *c = ic->device.channel;
    struct ring_packet p;
    uint32_t n;

    ic->read_ns = IC_NEVER;
    c->turn = CHANNEL_TURN_MAX;
    do {
        channel_begin(c);
        while (channel_receive(c, &p, bytes, sizeof(bytes), &n) == OK)
            take_packet(ic, &p, bytes, n);
    } while (!channel_done(c));
    if (c->has_more)
        ic->read_ns = ic_now(ic) + IC_PACE_NS;
}

static void signalled(struct device *d, struct channel *c)
{
    struct ic *ic = ic_of(d);

    (void)c;
    if (ic->read_ns == IC_NEVER)
        ic->read_ns = ic_now(ic) + IC_PACE_NS;
    ic->host->wake(ic->host->ctx);
}

/* ---- the channel ---- */

static void opened(struct device *d, struct channel *c)
{
    struct ic *ic = ic_of(d);

    (void)c;
    ic->is_waiting = ic->is_silent = ic->was_refused = false;
    ic->next_ns = IC_NEVER;
    enter(ic, IC_NEGOTIATING);
    negotiate(ic);
}

static void closed(struct device *d, struct channel *c)
{
    struct ic *ic = ic_of(d);

    (void)c;
    ic->is_waiting = ic->is_silent = ic->was_refused = false;
    ic->next_ns = ic->read_ns = IC_NEVER;
    enter(ic, IC_CLOSED);
    if (ic->kind->closed)
        ic->kind->closed(ic);
}

static const struct device_ops device_ops = { opened, closed, signalled, NULL };

/* ---- time ---- */

static uint64_t silence_limit(const struct ic *ic)
{
    bool counts = ic->is_waiting && !ic->is_silent && ic->silent_after_ns;

    return counts ? ic->sent_ns + ic->silent_after_ns : IC_NEVER;
}

uint64_t ic_next(const struct ic *ic)
{
    uint64_t next = min(ic->kind->tick ? ic->next_ns : IC_NEVER, silence_limit(ic));

    return min(next, ic->read_ns);
}

void ic_tick(struct ic *ic, uint64_t now)
{
    if (now >= ic->read_ns)
        read_channel(ic);
    if (now >= silence_limit(ic)) {
        set_silent(ic, true);
        if (ic->kind->silent)
            ic->kind->silent(ic);
    }
    if (now >= ic->next_ns && ic->kind->tick)
        ic->kind->tick(ic, now);
}

void ic_resumed(struct ic *ic, uint64_t now)
{
    ic->sent_ns = now;
}

/* ---- records ---- */

void ic_save(const struct ic *ic, struct record_ic *out)
{
    *out = (struct record_ic){
        .state = ic->state,
        .framework = { ic->framework.major, ic->framework.minor },
        .version = { ic->version.major, ic->version.minor },
        .transaction = ic->transaction,
        .is_waiting = ic->is_waiting,
        .is_silent = ic->is_silent,
        .was_refused = ic->was_refused,
        .is_enabled = ic->device.is_enabled,
        .is_broken = ic->device.is_broken,
        .strange_count = ic->strange_count,
    };
    if (ic->kind->save)
        ic->kind->save(ic, out->own);
}

enum err ic_restore(struct ic *ic, const struct record_ic *in)
{
    const struct channel *c = ic->device.channel;
    bool is_open = c && c->state == CHANNEL_OPEN && c->is_announced;
    struct ic_version f = { in->framework[0], in->framework[1] };
    struct ic_version v = { in->version[0], in->version[1] };
    const struct ic_kind *k = ic->kind;
    uint64_t now = ic_now(ic);

    if (in->state > IC_UNUSABLE || is_open != (in->state != IC_CLOSED) || in->is_waiting > 1 ||
        in->is_silent > 1 || in->was_refused > 1 || in->is_enabled > 1 || in->is_broken > 1)
        return ERR_FORMAT;
    if (in->state == IC_READY && (!contains(k->frameworks, array_count(k->frameworks), f) ||
                                  !contains(k->versions, array_count(k->versions), v)))
        return ERR_FORMAT;
    ic->state = in->state;
    ic->framework = f;
    ic->version = v;
    ic->transaction = in->transaction;
    ic->is_waiting = in->is_waiting;
    ic->is_silent = in->is_silent;
    ic->was_refused = in->was_refused;
    ic->strange_count = in->strange_count;
    ic->device.is_enabled = in->is_enabled;
    ic->device.is_broken = in->is_broken;
    ic->since_ns = ic->sent_ns = now;
    ic->next_ns = in->state == IC_READY && k->tick ? now : IC_NEVER;
    return !k->restore || k->restore(ic, in->own) ? OK : ERR_FORMAT;
}
