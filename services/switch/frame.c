/* Nothing here trusts a length: each header is looked at only when it lies in the head whole. */
#include "services/switch/frame.h"
#include "lib/string.h"
#include "services/switch/bytes.h"
#include "services/switch/copy.h"

#define ETHERTYPE_AT   12u
#define ETHERTYPE_IPV4 0x0800u
#define ETHERTYPE_IPV6 0x86ddu
#define ETHERTYPE_TAG  0x8100u /* IEEE 802.1Q */
#define ETHERTYPE_STAG 0x88a8u /* 802.1ad */

#define IPV4_BYTES_MIN 20u
#define IPV6_BYTES     40u
#define TCP_BYTES_MIN  20u
#define UDP_BYTES      8u

/* RFC 8200: extension headers; more than these in one packet no honest sender has. */
#define IPV6_HOP_BY_HOP     0u
#define IPV6_ROUTING        43u
#define IPV6_DESTINATION    60u
#define IPV6_EXTENSIONS_MAX 8u

static bool is_tag(uint16_t ethertype)
{
    return ethertype == ETHERTYPE_TAG || ethertype == ETHERTYPE_STAG;
}

/* Takes the tag at the head's ethertype out of the frame; a second one behind it is only counted. */
static bool take_tag(struct frame *f)
{
    const uint32_t from = ETHERNET_HEADER_BYTES - 2 + VLAN_TAG_BYTES;

    if (f->head_bytes < ETHERNET_HEADER_BYTES + VLAN_TAG_BYTES)
        return false;
    f->tags.tci = be16_get(f->head + ETHERNET_HEADER_BYTES);
    f->tags.count++;
    memmove(f->head + ETHERTYPE_AT, f->head + from, f->head_bytes - from);
    f->head_bytes -= VLAN_TAG_BYTES;
    f->bytes -= VLAN_TAG_BYTES;
    if (f->l4_offset)
        f->l4_offset = (uint16_t)(f->l4_offset - VLAN_TAG_BYTES);
    f->tags.count = (uint16_t)(f->tags.count + is_tag(be16_get(f->head + ETHERTYPE_AT)));
    return true;
}

bool frame_take(struct frame *f, const uint8_t *at, uint32_t bytes)
{
    if (bytes < ETHERNET_HEADER_BYTES)
        return false;
    f->bytes = bytes;
    f->head_bytes = min(bytes, FRAME_HEAD_MAX);
    f->rest = at + f->head_bytes;
    copy_exact(f->head, at, f->head_bytes);
    return likely(!is_tag(be16_get(f->head + ETHERTYPE_AT))) || take_tag(f);
}

void frame_shorten_head(struct frame *f, uint32_t bytes)
{
    f->rest -= f->head_bytes - bytes;
    f->head_bytes = bytes;
}

/* The transport header at l4, and the payload behind it. */
static bool find_payload(const struct frame *f, uint32_t protocol, struct frame_layers *l)
{
    const uint8_t *l4 = f->head + l->l4;
    uint32_t room = min(f->head_bytes, l->end), bytes;

    if (!range_fits(l->l4, protocol == FRAME_PROTOCOL_TCP ? TCP_BYTES_MIN : UDP_BYTES, room))
        return false;
    if (protocol == FRAME_PROTOCOL_UDP) {
        bytes = be16_get(l4 + 4);
        l->payload = (uint16_t)(l->l4 + UDP_BYTES);
        return bytes >= UDP_BYTES && bytes == l->end - l->l4;
    }
    bytes = 4u * (l4[12] >> 4);
    l->payload = (uint16_t)(l->l4 + bytes);
    return bytes >= TCP_BYTES_MIN && range_fits(l->l4, bytes, room);
}

static bool find_in_ipv4(const struct frame *f, uint32_t protocol, struct frame_layers *l)
{
    const uint8_t *ip = f->head + l->l3;
    uint32_t header, total;

    if (!range_fits(l->l3, IPV4_BYTES_MIN, f->head_bytes) || ip[0] >> 4 != 4)
        return false;
    header = 4u * (ip[0] & 15);
    if (header < IPV4_BYTES_MIN || !range_fits(l->l3, header, f->head_bytes))
        return false;
    total = f->flags & PORT_SEND_LSO ? f->bytes - l->l3 : be16_get(ip + 2);
    if (total < header || !range_fits(l->l3, total, f->bytes))
        return false;
    l->l4 = (uint16_t)(l->l3 + header);
    l->payload = l->l4;
    l->end = l->l3 + total;
    if (!protocol)
        return true;
    return ip[9] == protocol && !(be16_get(ip + 6) & 0x3fff); /* no fragment */
}

/* Steps over the extension headers that may stand before a transport header. */
static bool skip_extensions(const struct frame *f, uint32_t next, uint32_t protocol,
                            struct frame_layers *l)
{
    uint32_t at = l->l3 + IPV6_BYTES;

    for (unsigned i = 0; next != protocol; i++) {
        if (next != IPV6_HOP_BY_HOP && next != IPV6_ROUTING && next != IPV6_DESTINATION)
            return false;
        if (i == IPV6_EXTENSIONS_MAX || !range_fits(at, 8, f->head_bytes))
            return false;
        next = f->head[at];
        at += 8u * (f->head[at + 1] + 1u);
    }
    l->l4 = (uint16_t)at; /* below FRAME_HEAD_MAX + 2048 */
    return at <= f->head_bytes && at <= l->end;
}

static bool find_in_ipv6(const struct frame *f, uint32_t protocol, struct frame_layers *l)
{
    const uint8_t *ip = f->head + l->l3;
    uint32_t payload;

    if (!range_fits(l->l3, IPV6_BYTES, f->head_bytes) || ip[0] >> 4 != 6)
        return false;
    payload = f->flags & PORT_SEND_LSO ? f->bytes - l->l3 - IPV6_BYTES : be16_get(ip + 4);
    if (!range_fits(l->l3 + IPV6_BYTES, payload, f->bytes))
        return false;
    l->end = l->l3 + IPV6_BYTES + payload;
    l->is_ipv6 = 1;
    return skip_extensions(f, ip[6], protocol, l);
}

bool frame_find_layers(const struct frame *f, uint32_t protocol, struct frame_layers *out)
{
    struct frame_layers l = { .l3 = ETHERNET_HEADER_BYTES };
    uint16_t ethertype = be16_get(f->head + ETHERTYPE_AT);
    bool is_found;

    if (f->flags & PORT_SEND_IPV6)
        is_found = ethertype == ETHERTYPE_IPV6 && protocol && find_in_ipv6(f, protocol, &l);
    else
        is_found = ethertype == ETHERTYPE_IPV4 && find_in_ipv4(f, protocol, &l);
    if (!is_found || (protocol && !find_payload(f, protocol, &l)))
        return false;
    *out = l;
    return true;
}
