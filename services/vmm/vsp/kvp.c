/* The service has one request at a time: the asker's, or a step of its own reading of the guest's
 * pool AUTO, which tells the inventory what runs there.
 *
 * A single value is looked for in the pool's list. There is a request for it, but Linux's driver
 * leaves the room for the value at 0 bytes on its way to the daemon and then answers an empty one,
 * and the daemon looks for what the guest says of itself in a file where it is not. */
#include "services/vmm/vsp/kvp.h"
#include "lib/string.h"
#include "lib/utf16.h"

#define REFRESH_NS  (30 * NS_PER_SECOND)
#define SILENT_NS   (5 * NS_PER_SECOND)
#define LIST_MAX    1024u /* a guest whose list never ends */
#define KEY_UNITS   256u
#define VALUE_UNITS 1024u
#define TYPE_STRING 1u

enum kvp_run { RUN_NONE, RUN_REFRESH, RUN_ASKED, RUN_ABANDONED };

enum wire_operation { WIRE_SET = 1, WIRE_DELETE, WIRE_ENUMERATE, WIRE_GET_IP, WIRE_SET_IP };

struct data {
    uint32_t type, key_bytes, value_bytes;
    uint16_t key[KEY_UNITS], value[VALUE_UNITS];
} PACKED;

struct body { /* always sent whole: the answer has its length */
    uint8_t operation, pool;
    uint16_t padding;
    union {
        struct data data; /* set */
        struct {
            uint32_t key_bytes;
            uint16_t key[KEY_UNITS];
        } PACKED delete;
        struct {
            uint32_t index;
            struct data data;
        } PACKED enumerate;
    };
} PACKED;
static_assert(sizeof(struct body) == 4 + 4 + 12 + 512 + 2048, "struct hv_kvp_msg");

struct ip_body { /* without the padding */
    uint8_t operation, pool;
    uint16_t adapter[128];
    uint8_t family, is_dhcp;
    uint16_t address[1024], netmask[1024], gateway[512], name_server[1024];
} PACKED;
static_assert(sizeof(struct ip_body) == 2 + 256 + 2 + 2048 + 2048 + 1024 + 2048,
              "hv_kvp_ipaddr_value");

#define FAMILY_IPV4 1u
#define FAMILY_IPV6 2u

static struct kvp *kvp_of(struct ic *ic)
{
    return container_of(ic, struct kvp, ic);
}

/* ---- asking ---- */

static uint32_t put_text(const char *text, uint16_t *units, size_t capacity)
{
    return (uint32_t)(2 * utf8_to_utf16(text, units, capacity));
}

static enum err send_body(struct kvp *k, const struct body *b)
{
    struct ring_part part = { b, sizeof(*b) };

    return ic_request(&k->ic, &part, 1);
}

static enum err send_index(struct kvp *k, uint32_t pool)
{
    static struct body b;

    memset(&b, 0, sizeof(b));
    b.operation = WIRE_ENUMERATE;
    b.pool = (uint8_t)pool;
    b.enumerate.index = k->index;
    return send_body(k, &b);
}

static enum err send_one(struct kvp *k, const struct kvp_request *r)
{
    static struct body b;

    memset(&b, 0, sizeof(b));
    b.operation = r->operation == KVP_SET ? WIRE_SET : WIRE_DELETE;
    b.pool = (uint8_t)r->pool;
    if (r->operation == KVP_DELETE) {
        b.delete.key_bytes = put_text(r->key, (void *)((uint8_t *)&b + 8), KEY_UNITS);
    } else {
        b.data.type = TYPE_STRING;
        b.data.key_bytes = put_text(r->key, (void *)((uint8_t *)&b + 16), KEY_UNITS);
        b.data.value_bytes =
            put_text(r->value, (void *)((uint8_t *)&b + 16 + 2 * KEY_UNITS), VALUE_UNITS);
    }
    return send_body(k, &b);
}

static uint8_t family_of(const char *address)
{
    bool has_colon = false;

    for (; *address; address++)
        has_colon |= *address == ':';
    return has_colon ? FAMILY_IPV6 : FAMILY_IPV4;
}

#define AT(b, member) ((uint8_t *)(b) + offsetof(struct ip_body, member))

static enum err send_ip(struct kvp *k, const struct kvp_request *r)
{
    static struct ip_body b;
    struct ring_part part = { &b, sizeof(b) };
    const char *text = r->value;
    struct {
        void *to;
        size_t units;
    } fields[] = { { AT(&b, address), 1024 },
                   { AT(&b, netmask), 1024 },
                   { AT(&b, gateway), 512 },
                   { AT(&b, name_server), 1024 } };

    memset(&b, 0, sizeof(b));
    b.operation = r->operation == KVP_GET_IP ? WIRE_GET_IP : WIRE_SET_IP;
    utf8_to_utf16(r->key, AT(&b, adapter), 128);
    if (r->operation == KVP_SET_IP) {
        b.family = family_of(text);
        for (unsigned i = 0; i < array_count(fields); i++, text += strlen(text) + 1)
            utf8_to_utf16(text, fields[i].to, fields[i].units);
        b.is_dhcp = *text != 0;
    }
    return ic_request(&k->ic, &part, 1);
}

static enum err send_request(struct kvp *k)
{
    const struct kvp_request *r = &k->request;

    k->index = 0;
    switch (r->operation) {
    case KVP_GET:
    case KVP_LIST: return send_index(k, r->pool);
    case KVP_GET_IP:
    case KVP_SET_IP: return send_ip(k, r);
    default: return send_one(k, r);
    }
}

/* What is to be done next, when nothing is under way. */
static void begin(struct kvp *k)
{
    if (k->ic.state != IC_READY || k->ic.is_waiting)
        return;
    k->running = RUN_NONE;
    if (k->has_request) {
        if (send_request(k) == OK)
            k->running = RUN_ASKED;
    } else if (ic_now(&k->ic) >= k->ic.next_ns) {
        k->index = 0;
        if (send_index(k, KVP_AUTO) == OK)
            k->running = RUN_REFRESH;
    }
}

/* All of the strings end, and fit what they are to fill. */
static bool is_good(const struct kvp_request *r)
{
    static uint16_t scratch[VALUE_UNITS];
    const char *text = r->value;
    bool ends = r->operation < KVP_OPERATION_COUNT && r->pool < KVP_POOL_COUNT &&
                !r->key[sizeof(r->key) - 1] && !r->value[sizeof(r->value) - 1] &&
                !r->value[sizeof(r->value) - 2];

    if (!ends || !utf8_to_utf16(r->key, scratch, r->operation >= KVP_GET_IP ? 128 : KEY_UNITS))
        return false;
    if (r->operation != KVP_SET_IP)
        return utf8_to_utf16(text, scratch, VALUE_UNITS);
    for (unsigned i = 0; i < 5; i++, text += strlen(text) + 1)
        if (text >= r->value + sizeof(r->value) - 5 || !utf8_to_utf16(text, scratch, 512))
            return false;
    return true;
}

enum err kvp_ask(struct kvp *k, const struct kvp_request *r)
{
    if (!is_good(r))
        return ERR_ARGUMENT;
    if (k->ic.is_silent)
        return ERR_TIMED_OUT;
    if (k->ic.state != IC_READY || k->has_request)
        return ERR_STATE;
    k->request = *r;
    k->has_request = true;
    begin(k);
    return OK;
}

/* ---- answers ---- */

static void finish(struct kvp *k, enum err err)
{
    if (!k->has_request)
        return;
    k->has_request = false;
    k->asker.done(k->asker.ctx, err);
}

/* Lengths are the guest's word: what counts is the room, and the NUL. */
static void take_data(const uint8_t *data, char *key, char *value)
{
    utf16_to_utf8(data + offsetof(struct data, key), KEY_UNITS, key, KVP_KEY_BYTES);
    utf16_to_utf8(data + offsetof(struct data, value), VALUE_UNITS, value, KVP_VALUE_BYTES);
}

static void remember(struct kvp *k, const char *key, const char *value)
{
    static const char *const keys[] = {
        [KVP_FACT_NAME] = "FullyQualifiedDomainName",
        [KVP_FACT_OS] = "OSName",
        [KVP_FACT_OS_VERSION] = "OSVersion",
        [KVP_FACT_OS_BUILD] = "OSBuildNumber",
        [KVP_FACT_SERVICES_VERSION] = "IntegrationServicesVersion",
    };
    char text[KVP_FACT_BYTES];

    string_copy(text, sizeof(text), value);
    for (unsigned i = 0; i < KVP_FACT_COUNT; i++)
        if (strcmp(key, keys[i]) == 0 && strcmp(k->facts[i], text) != 0) {
            string_copy(k->facts[i], sizeof(k->facts[i]), text);
            ic_changed(&k->ic);
        }
}

static void tell(struct kvp *k, const char *key, const char *value)
{
    k->asker.item(k->asker.ctx, key, value);
}

enum step { STEP_END, STEP_FOUND, STEP_MORE };

/* One item of a list, or its end. */
static enum step take_item(struct kvp *k, uint32_t status, const uint8_t *body, uint32_t n)
{
    static char key[KVP_KEY_BYTES], value[KVP_VALUE_BYTES];
    bool is_list = k->request.operation == KVP_LIST;

    if (status != IC_STATUS_OK || n < sizeof(struct body) || ++k->index > LIST_MAX)
        return STEP_END;
    take_data(body + offsetof(struct body, enumerate.data), key, value);
    if (k->running == RUN_REFRESH) {
        remember(k, key, value);
        return STEP_MORE;
    }
    if (!is_list && strcmp(key, k->request.key) != 0)
        return STEP_MORE;
    tell(k, key, value);
    return is_list ? STEP_MORE : STEP_FOUND;
}

static void take_list(struct kvp *k, uint32_t status, const uint8_t *body, uint32_t n)
{
    bool is_refresh = k->running == RUN_REFRESH;
    enum step step = take_item(k, status, body, n);

    if (step == STEP_MORE && send_index(k, is_refresh ? KVP_AUTO : k->request.pool) == OK)
        return;
    if (is_refresh)
        k->ic.next_ns = ic_now(&k->ic) + REFRESH_NS;
    else if (step == STEP_FOUND)
        finish(k, OK);
    else if (status != IC_STATUS_NO_MORE)
        finish(k, ERR_IO);
    else
        finish(k, k->request.operation == KVP_GET ? ERR_NOT_FOUND : OK);
}

static void take_ip(struct kvp *k, const uint8_t *body, uint32_t n)
{
    static char text[KVP_VALUE_BYTES];
    static const struct {
        const char *key;
        size_t offset, units;
    } fields[] = { { "address", offsetof(struct ip_body, address), 1024 },
                   { "netmask", offsetof(struct ip_body, netmask), 1024 },
                   { "gateway", offsetof(struct ip_body, gateway), 512 },
                   { "name-server", offsetof(struct ip_body, name_server), 1024 } };

    if (n < sizeof(struct ip_body)) {
        finish(k, ERR_IO);
        return;
    }
    for (unsigned i = 0; i < array_count(fields); i++) {
        utf16_to_utf8(body + fields[i].offset, fields[i].units, text, sizeof(text));
        tell(k, fields[i].key, text);
    }
    tell(k, "dhcp", body[offsetof(struct ip_body, is_dhcp)] ? "on" : "off");
    finish(k, OK);
}

static void take_one(struct kvp *k, uint32_t status, const uint8_t *body, uint32_t n)
{
    uint32_t operation = k->request.operation;

    if (status == IC_STATUS_NO_MORE || status == IC_STATUS_NO_DEVICE) {
        finish(k, operation == KVP_SET ? ERR_IO : ERR_NOT_FOUND);
    } else if (status != IC_STATUS_OK) {
        finish(k, ERR_IO);
    } else if (operation == KVP_GET_IP) {
        take_ip(k, body, n);
    } else {
        finish(k, OK);
    }
}

static void answered(struct ic *ic, uint32_t status, const uint8_t *body, uint32_t n)
{
    struct kvp *k = kvp_of(ic);
    bool is_list = k->request.operation == KVP_LIST || k->request.operation == KVP_GET;

    if (k->running == RUN_REFRESH || (k->running == RUN_ASKED && is_list))
        take_list(k, status, body, n);
    else if (k->running == RUN_ASKED)
        take_one(k, status, body, n);
    begin(k);
}

static void ready(struct ic *ic)
{
    ic->next_ns = ic_now(ic);
}

static void tick(struct ic *ic, uint64_t now)
{
    begin(kvp_of(ic));
    if (ic->next_ns <= now)
        ic->next_ns = now + REFRESH_NS; /* again, should this one come to nothing */
}

static void silent(struct ic *ic)
{
    struct kvp *k = kvp_of(ic);

    k->running = RUN_ABANDONED;
    finish(k, ERR_TIMED_OUT);
}

static void closed(struct ic *ic)
{
    struct kvp *k = kvp_of(ic);

    k->running = RUN_NONE;
    memset(k->facts, 0, sizeof(k->facts));
    finish(k, ERR_GONE);
}

/* The answer to what its host asked before has nobody who waits for it. */
static bool restore(struct ic *ic, const uint64_t own[2])
{
    (void)own;
    kvp_of(ic)->running = RUN_ABANDONED;
    return true;
}

static const struct ic_kind kind = {
    .service = SERVICE_KVP,
    .type = 2,
    .class_id = { 0xa9a0f4e7, 0x5a45, 0x4d96, { 0xb8, 0x27, 0x8a, 0x84, 0x1e, 0x8c, 0x03, 0xe6 } },
    .instance_id = { 0xb1d00004,
                     0x6b68,
                     0x4c1e,
                     { 0x9a, 0x04, 0x62, 0x75, 0x6c, 0x6b, 0x68, 0x64 } },
    .frameworks = { { 1, 0 }, { 3, 0 } },
    .versions = { { 1, 0 }, { 3, 0 }, { 4, 0 } },
    .ready = ready,
    .answered = answered,
    .tick = tick,
    .silent = silent,
    .closed = closed,
    .restore = restore,
};

void kvp_init(struct kvp *k, const struct ic_host *host, const struct kvp_asker *asker)
{
    *k = (struct kvp){ .asker = *asker };
    ic_init(&k->ic, &kind, host);
    k->ic.silent_after_ns = SILENT_NS;
}
