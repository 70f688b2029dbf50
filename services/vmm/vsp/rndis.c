/* A request's head and its buffer are copied by the caller before they come here, so nothing changes
 * while it is checked. Offsets of a buffer count from the request's first field. */
#include "services/vmm/vsp/rndis.h"
#include "lib/abi/nvsp.h"
#include "lib/string.h"

#define MAX_PACKETS        8u
#define MAX_TRANSFER_BYTES 0x4000u
#define ALIGNMENT_SHIFT    3u /* of messages that lie back to back: 8 bytes */
#define LSO_MIN_SEGMENTS   2u
#define DATA_BYTES_MAX     (RNDIS_ANSWER_BYTES_MAX - 32u)

struct buffer {
    const uint8_t *bytes; /* of a SET */
    uint32_t n;
    uint8_t *out; /* of a QUERY: DATA_BYTES_MAX */
    uint32_t out_bytes;
    uint32_t changes;
};

void rndis_reset(struct rndis *r)
{
    r->is_initialized = false;
    r->filter = 0;
    r->takes_rsc_ip4 = r->takes_rsc_ip6 = 0;
    r->mac = r->permanent_mac;
    memset(&r->rss, 0, sizeof(r->rss));
}

static uint32_t put(struct buffer *b, const void *from, uint32_t n)
{
    memcpy(b->out, from, n);
    b->out_bytes = n;
    return RNDIS_STATUS_SUCCESS;
}

static uint32_t put_word(struct buffer *b, uint32_t v)
{
    return put(b, &v, sizeof(v));
}

/* ---- queries ---- */

static uint32_t query_frame_size(struct rndis *r, struct buffer *b)
{
    return put_word(b, r->mtu);
}

static uint32_t query_total_size(struct rndis *r, struct buffer *b)
{
    return put_word(b, r->mtu + ETHERNET_HEADER_BYTES);
}

static uint32_t query_link(struct rndis *r, struct buffer *b)
{
    return put_word(b, !r->link_is_up);
}

static uint32_t query_speed(struct rndis *r, struct buffer *b)
{
    return put_word(b, (uint32_t)min(r->speed_bits / 100, (uint64_t)UINT32_MAX));
}

static uint32_t query_filter(struct rndis *r, struct buffer *b)
{
    return put_word(b, r->filter);
}

static uint32_t query_ready(struct rndis *r, struct buffer *b)
{
    (void)r;
    return put_word(b, 0);
}

static uint32_t query_permanent_mac(struct rndis *r, struct buffer *b)
{
    return put(b, &r->permanent_mac, sizeof(r->permanent_mac));
}

static uint32_t query_mac(struct rndis *r, struct buffer *b)
{
    return put(b, &r->mac, sizeof(r->mac));
}

static uint32_t query_name(struct rndis *r, struct buffer *b)
{
    for (uint32_t i = 0; r->name[i]; i++) {
        b->out[2 * i] = (uint8_t)r->name[i];
        b->out[2 * i + 1] = 0;
        b->out_bytes = 2 * i + 2;
    }
    return RNDIS_STATUS_SUCCESS;
}

/* The guest names the revision that it knows by its NVSP version. */
static uint32_t query_offloads(struct rndis *r, struct buffer *b)
{
    const uint32_t sums = NDIS_CHECKSUM_IP_OPTIONS | NDIS_CHECKSUM_TCP_OPTIONS | NDIS_CHECKSUM_TCP |
                          NDIS_CHECKSUM_UDP;
    const bool is_3 = r->nvsp_version >= NVSP_VERSION_5, is_2 = r->nvsp_version >= NVSP_VERSION_4;
    struct ndis_offload o = {
        .head = { NDIS_TYPE_OFFLOAD,
                  is_3   ? 3
                  : is_2 ? 2
                         : 1,
                  is_3   ? NDIS_OFFLOAD_REVISION_3_BYTES
                  : is_2 ? NDIS_OFFLOAD_REVISION_2_BYTES
                         : NDIS_OFFLOAD_REVISION_1_BYTES },
        .ip4_send_encapsulation = NDIS_ENCAPSULATION_802_3,
        .ip4_send_checksum = sums | NDIS_CHECKSUM_IP,
        .ip4_receive_encapsulation = NDIS_ENCAPSULATION_802_3,
        .ip4_receive_checksum = sums | NDIS_CHECKSUM_IP,
        .ip6_send_encapsulation = NDIS_ENCAPSULATION_802_3,
        .ip6_send_checksum = sums,
        .ip6_receive_encapsulation = NDIS_ENCAPSULATION_802_3,
        .ip6_receive_checksum = sums,
        .lso_ip4_encapsulation = NDIS_ENCAPSULATION_802_3,
        .lso_ip4_max_bytes = LSO_BYTES_MAX,
        .lso_ip4_min_segments = LSO_MIN_SEGMENTS,
        .lso_ip6_encapsulation = NDIS_ENCAPSULATION_802_3,
        .lso_ip6_max_bytes = LSO_BYTES_MAX,
        .lso_ip6_min_segments = LSO_MIN_SEGMENTS,
        .lso_ip6_options = NDIS_LSO_IPV6_EXTENSIONS | NDIS_LSO_IPV6_TCP_OPTIONS,
        .rsc_ip4 = r->nvsp_version >= NVSP_VERSION_6_1,
        .rsc_ip6 = r->nvsp_version >= NVSP_VERSION_6_1,
    };

    return put(b, &o, o.head.bytes);
}

static uint32_t query_rss(struct rndis *r, struct buffer *b)
{
    struct ndis_rss_capabilities c = {
        .head = { NDIS_TYPE_RSS_CAPABILITIES, 2, sizeof(c) },
        .flags = NDIS_HASH_IPV4 | NDIS_HASH_TCP_IPV4 | NDIS_HASH_IPV6 | NDIS_HASH_TCP_IPV6,
        .message_count = r->queue_max,
        .queue_count = r->queue_max,
        .table_entries = NDIS_RSS_TABLE_ENTRIES,
    };

    return put(b, &c, sizeof(c));
}

/* ---- settings ---- */

static uint32_t set_filter(struct rndis *r, struct buffer *b)
{
    uint32_t filter;

    if (b->n != sizeof(filter))
        return RNDIS_STATUS_INVALID_LENGTH;
    memcpy(&filter, b->bytes, sizeof(filter));
    if (filter & ~RNDIS_FILTER_KNOWN)
        return RNDIS_STATUS_NOT_SUPPORTED;
    r->filter = filter;
    b->changes |= RNDIS_NEW_FILTER;
    return RNDIS_STATUS_SUCCESS;
}

/* Checksums need no setting: each frame says what it wants, and takes what it gets. */
static uint32_t set_offloads(struct rndis *r, struct buffer *b)
{
    struct ndis_offload_parameters p = { 0 };
    const uint32_t least = offsetof(struct ndis_offload_parameters, rsc_ip4);

    if (b->n < least || b->n > sizeof(p))
        return RNDIS_STATUS_INVALID_LENGTH;
    memcpy(&p, b->bytes, b->n);
    if (p.head.type != NDIS_TYPE_DEFAULT || !p.head.revision || p.head.bytes < least ||
        p.head.bytes > b->n)
        return RNDIS_STATUS_INVALID_DATA;
    bool has_rsc = p.head.bytes == sizeof(p) && r->nvsp_version >= NVSP_VERSION_6_1;
    if (p.rsc_ip4)
        r->takes_rsc_ip4 = has_rsc && p.rsc_ip4 == NDIS_RSC_ON;
    if (p.rsc_ip6)
        r->takes_rsc_ip6 = has_rsc && p.rsc_ip6 == NDIS_RSC_ON;
    b->changes |= RNDIS_NEW_FILTER;
    return RNDIS_STATUS_SUCCESS;
}

static bool take_table(const struct rndis *r, const struct buffer *b,
                       const struct ndis_rss_parameters *p, struct rndis_rss *out)
{
    uint32_t count = p->table_bytes / (uint32_t)sizeof(uint32_t), queue;

    if (!count || count > NDIS_RSS_TABLE_ENTRIES || p->table_bytes % sizeof(uint32_t) ||
        NDIS_RSS_TABLE_ENTRIES % count || !range_fits(p->table_offset, p->table_bytes, b->n))
        return false;
    for (uint32_t i = 0; i < NDIS_RSS_TABLE_ENTRIES; i++) {
        memcpy(&queue, b->bytes + p->table_offset + i % count * sizeof(queue), sizeof(queue));
        if (queue >= r->queue_max)
            return false;
        out->table[i] = (uint8_t)queue;
    }
    return true;
}

static uint32_t set_rss(struct rndis *r, struct buffer *b)
{
    struct ndis_rss_parameters p;
    struct rndis_rss rss = { .is_on = 1 };

    if (b->n < sizeof(p))
        return RNDIS_STATUS_INVALID_LENGTH;
    memcpy(&p, b->bytes, sizeof(p));
    if (p.head.type != NDIS_TYPE_RSS_PARAMETERS || p.head.bytes < sizeof(p))
        return RNDIS_STATUS_INVALID_DATA;
    b->changes |= RNDIS_NEW_RSS;
    if (p.flags & NDIS_RSS_DISABLE) {
        r->rss.is_on = 0;
        return RNDIS_STATUS_SUCCESS;
    }
    if (p.key_bytes != NDIS_RSS_KEY_BYTES || !range_fits(p.key_offset, p.key_bytes, b->n) ||
        !take_table(r, b, &p, &rss))
        return RNDIS_STATUS_INVALID_DATA;
    memcpy(rss.key, b->bytes + p.key_offset, sizeof(rss.key));
    rss.hash = p.hash;
    r->rss = rss;
    return RNDIS_STATUS_SUCCESS;
}

static bool is_text(const uint8_t *utf16, uint32_t bytes, const char *text)
{
    uint32_t n = (uint32_t)strlen(text);

    if (bytes != 2 * n)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (utf16[2 * i] != (uint8_t)text[i] || utf16[2 * i + 1])
            return false;
    return true;
}

static int hex_digit(uint8_t low, uint8_t high)
{
    uint8_t lower = low | 0x20;

    if (high)
        return -1;
    return low >= '0' && low <= '9'       ? low - '0'
           : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10
                                          : -1;
}

/* Twelve hexadecimal digits in UTF-16. */
static bool take_mac(const uint8_t *utf16, uint32_t bytes, struct mac_address *out)
{
    if (bytes != 24)
        return false;
    for (unsigned i = 0; i < 6; i++) {
        int high = hex_digit(utf16[4 * i], utf16[4 * i + 1]);
        int low = hex_digit(utf16[4 * i + 2], utf16[4 * i + 3]);

        if (high < 0 || low < 0)
            return false;
        out->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return !(out->bytes[0] & 1);
}

static uint32_t set_config(struct rndis *r, struct buffer *b)
{
    struct rndis_config_parameter p;
    struct mac_address mac;

    if (b->n < sizeof(p))
        return RNDIS_STATUS_INVALID_LENGTH;
    memcpy(&p, b->bytes, sizeof(p));
    if (!range_fits(p.name_offset, p.name_bytes, b->n) ||
        !range_fits(p.value_offset, p.value_bytes, b->n))
        return RNDIS_STATUS_INVALID_DATA;
    if (p.type != RNDIS_CONFIG_STRING ||
        !is_text(b->bytes + p.name_offset, p.name_bytes, "NetworkAddress"))
        return RNDIS_STATUS_NOT_SUPPORTED;
    if (!take_mac(b->bytes + p.value_offset, p.value_bytes, &mac))
        return RNDIS_STATUS_INVALID_DATA;
    if (!r->may_change_mac && memcmp(&mac, &r->permanent_mac, sizeof(mac)))
        return RNDIS_STATUS_NOT_ACCEPTED;
    r->mac = mac;
    b->changes |= RNDIS_NEW_MAC;
    return RNDIS_STATUS_SUCCESS;
}

/* ---- the table ---- */

static uint32_t query_list(struct rndis *r, struct buffer *b);

static const struct {
    uint32_t oid;
    uint32_t (*query)(struct rndis *r, struct buffer *b);
    uint32_t (*set)(struct rndis *r, struct buffer *b);
} oids[] = {
    { OID_GEN_SUPPORTED_LIST, query_list, NULL },
    { OID_GEN_HARDWARE_STATUS, query_ready, NULL },
    { OID_GEN_MAXIMUM_FRAME_SIZE, query_frame_size, NULL },
    { OID_GEN_LINK_SPEED, query_speed, NULL },
    { OID_GEN_CURRENT_PACKET_FILTER, query_filter, set_filter },
    { OID_GEN_MAXIMUM_TOTAL_SIZE, query_total_size, NULL },
    { OID_GEN_MEDIA_CONNECT_STATUS, query_link, NULL },
    { OID_GEN_FRIENDLY_NAME, query_name, NULL },
    { OID_GEN_RECEIVE_SCALE_CAPABILITIES, query_rss, NULL },
    { OID_GEN_RECEIVE_SCALE_PARAMETERS, NULL, set_rss },
    { OID_GEN_RNDIS_CONFIG_PARAMETER, NULL, set_config },
    { OID_802_3_PERMANENT_ADDRESS, query_permanent_mac, NULL },
    { OID_802_3_CURRENT_ADDRESS, query_mac, NULL },
    { OID_TCP_OFFLOAD_PARAMETERS, NULL, set_offloads },
    { OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES, query_offloads, NULL },
};
static_assert(sizeof(oids) / sizeof(oids[0]) * 4 <= DATA_BYTES_MAX, "the list fits an answer");
static_assert(2 * PORT_NAME_BYTES <= DATA_BYTES_MAX, "the name fits an answer");
static_assert(sizeof(struct ndis_offload) <= DATA_BYTES_MAX, "the capabilities fit an answer");

static uint32_t query_list(struct rndis *r, struct buffer *b)
{
    (void)r;
    for (uint32_t i = 0; i < array_count(oids); i++)
        memcpy(b->out + 4 * i, &oids[i].oid, sizeof(oids[i].oid));
    b->out_bytes = 4 * (uint32_t)array_count(oids);
    return RNDIS_STATUS_SUCCESS;
}

static uint32_t serve_oid(struct rndis *r, uint32_t type, uint32_t oid, struct buffer *b)
{
    for (uint32_t i = 0; i < array_count(oids); i++) {
        if (oids[i].oid != oid)
            continue;
        if (type == RNDIS_QUERY && oids[i].query)
            return oids[i].query(r, b);
        if (type == RNDIS_SET && oids[i].set)
            return oids[i].set(r, b);
    }
    return RNDIS_STATUS_NOT_SUPPORTED;
}

/* ---- messages ---- */

static uint32_t finish(uint8_t *out, uint32_t type, uint32_t bytes)
{
    struct rndis_head h = { type | RNDIS_COMPLETE, bytes };

    memcpy(out, &h, sizeof(h));
    return bytes;
}

static uint32_t initialize(struct rndis *r, const uint8_t *body, uint32_t n, uint8_t *out)
{
    struct rndis_initialize in;
    struct rndis_initialize_complete c = {
        .major = RNDIS_MAJOR,
        .minor = RNDIS_MINOR,
        .device_flags = RNDIS_CONNECTIONLESS,
        .max_packets = MAX_PACKETS,
        .max_transfer_bytes = MAX_TRANSFER_BYTES,
        .alignment_shift = ALIGNMENT_SHIFT,
    };

    if (n < sizeof(in))
        return 0;
    memcpy(&in, body, sizeof(in));
    c.request = in.request;
    c.status = in.major == RNDIS_MAJOR ? RNDIS_STATUS_SUCCESS : RNDIS_STATUS_NOT_SUPPORTED;
    if (!c.status) {
        rndis_reset(r);
        r->is_initialized = true;
    }
    memcpy(out + sizeof(struct rndis_head), &c, sizeof(c));
    return finish(out, RNDIS_INITIALIZE, sizeof(struct rndis_head) + sizeof(c));
}

/* QUERY and SET. */
static uint32_t ask(struct rndis *r, uint32_t type, const uint8_t *body, uint32_t n, uint8_t *out,
                    uint32_t *changes)
{
    struct rndis_query in;
    struct rndis_query_complete c = { .status = RNDIS_STATUS_NOT_ACCEPTED };
    struct buffer b = { .out = out + sizeof(struct rndis_head) + sizeof(c) };

    if (n < sizeof(in))
        return 0;
    memcpy(&in, body, sizeof(in));
    c.request = in.request;
    bool fits = range_fits(in.offset, in.bytes, n);
    if (fits) {
        b.bytes = body + in.offset;
        b.n = in.bytes;
    }
    if (!fits && in.bytes)
        c.status = RNDIS_STATUS_INVALID_LENGTH;
    else if (r->is_initialized)
        c.status = serve_oid(r, type, in.oid, &b);
    *changes = b.changes;
    c.bytes = b.out_bytes;
    c.offset = b.out_bytes ? sizeof(c) : 0;
    memcpy(out + sizeof(struct rndis_head), &c, sizeof(c));
    return finish(out, type,
                  (uint32_t)sizeof(struct rndis_head) +
                      (type == RNDIS_SET ? (uint32_t)sizeof(struct rndis_set_complete)
                                         : (uint32_t)sizeof(c) + b.out_bytes));
}

static uint32_t keep_alive(const uint8_t *body, uint32_t n, uint8_t *out)
{
    struct rndis_set_complete c = { .status = RNDIS_STATUS_SUCCESS };

    if (n < sizeof(c.request))
        return 0;
    memcpy(&c.request, body, sizeof(c.request));
    memcpy(out + sizeof(struct rndis_head), &c, sizeof(c));
    return finish(out, RNDIS_KEEPALIVE, sizeof(struct rndis_head) + sizeof(c));
}

uint32_t rndis_control(struct rndis *r, const uint8_t *in, uint32_t n, uint8_t *out,
                       uint32_t *out_bytes)
{
    struct rndis_head h = { 0 };
    uint32_t changes = 0;

    *out_bytes = 0;
    if (n >= sizeof(h))
        memcpy(&h, in, sizeof(h));
    if (h.bytes < sizeof(h) || h.bytes > n)
        return RNDIS_IS_STRANGE;
    in += sizeof(h);
    n = h.bytes - (uint32_t)sizeof(h);
    switch (h.type) {
    case RNDIS_INITIALIZE: *out_bytes = initialize(r, in, n, out); break;
    case RNDIS_HALT: rndis_reset(r); return RNDIS_HALTED | RNDIS_NEW_FILTER;
    case RNDIS_QUERY:
    case RNDIS_SET: *out_bytes = ask(r, h.type, in, n, out, &changes); break;
    case RNDIS_KEEPALIVE: *out_bytes = keep_alive(in, n, out); break;
    default: break;
    }
    return *out_bytes ? changes : RNDIS_IS_STRANGE;
}

/* ---- what the guest is told ---- */

static uint32_t indicate(uint8_t *out, uint32_t status, const void *data, uint32_t n)
{
    struct rndis_indicate i = { status, n, n ? sizeof(i) : 0 };
    struct rndis_head h = { RNDIS_INDICATE, (uint32_t)(sizeof(h) + sizeof(i)) + n };

    memcpy(out, &h, sizeof(h));
    memcpy(out + sizeof(h), &i, sizeof(i));
    if (n)
        memcpy(out + sizeof(h) + sizeof(i), data, n);
    return h.bytes;
}

uint32_t rndis_indicate_link(const struct rndis *r, uint8_t *out)
{
    return indicate(out, r->link_is_up ? RNDIS_STATUS_MEDIA_CONNECT : RNDIS_STATUS_MEDIA_DISCONNECT,
                    NULL, 0);
}

uint32_t rndis_indicate_speed(const struct rndis *r, uint8_t *out)
{
    uint32_t speed = (uint32_t)min(r->speed_bits / 100, (uint64_t)UINT32_MAX);

    return indicate(out, RNDIS_STATUS_LINK_SPEED, &speed, sizeof(speed));
}

uint32_t rndis_takes(const struct rndis *r)
{
    uint32_t takes = 0;

    if (r->filter & FILTER_DIRECTED)
        takes |= PORT_TAKES_DIRECTED;
    if (r->filter & (FILTER_MULTICAST | FILTER_ALL_MULTICAST))
        takes |= PORT_TAKES_MULTICAST;
    if (r->filter & FILTER_BROADCAST)
        takes |= PORT_TAKES_BROADCAST;
    if (r->filter & FILTER_PROMISCUOUS)
        takes |= PORT_TAKES_PROMISCUOUS | PORT_TAKES_DIRECTED | PORT_TAKES_MULTICAST |
                 PORT_TAKES_BROADCAST;
    if (r->takes_rsc_ip4)
        takes |= PORT_TAKES_LSO_IPV4;
    if (r->takes_rsc_ip6)
        takes |= PORT_TAKES_LSO_IPV6;
    return takes;
}
