/* Every length is compared with what is left before it is added to anything. The loop over per-packet
 * information ends because each entry must be longer than its head. */
#include "services/vmm/vsp/rndis_send.h"
#include "lib/field.h"

static void take_checksum(uint32_t v, struct rndis_send *out)
{
    if (v & SEND_CHECKSUM_TCP)
        out->flags |= PORT_SEND_TCP;
    else if (v & SEND_CHECKSUM_UDP)
        out->flags |= PORT_SEND_UDP;
    if (v & SEND_CHECKSUM_IP_HEADER)
        out->flags |= PORT_SEND_IP_HEADER;
    if (v & SEND_CHECKSUM_IPV4)
        out->flags |= PORT_SEND_IPV4;
    else if (v & SEND_CHECKSUM_IPV6)
        out->flags |= PORT_SEND_IPV6;
    out->l4_offset = (uint16_t)field_get(v, SEND_CHECKSUM_TCP_OFFSET);
}

static enum err take_lso(uint32_t v, struct rndis_send *out)
{
    uint32_t mss = field_get(v, LSO_MSS);

    if (!(v & LSO_IS_V2) || !mss || mss > UINT16_MAX)
        return ERR_GUEST;
    out->flags |= PORT_SEND_LSO | PORT_SEND_TCP;
    out->flags |= v & LSO_IS_IPV6 ? PORT_SEND_IPV6 : PORT_SEND_IPV4;
    out->mss = (uint16_t)mss;
    out->l4_offset = (uint16_t)field_get(v, LSO_TCP_OFFSET);
    return OK;
}

static void take_tag(uint32_t v, struct rndis_send *out)
{
    out->flags |= PORT_SEND_HAS_TAG;
    out->tci = (uint16_t)(field_get(v, TAG_PRIORITY) << 13 | field_get(v, TAG_CFI) << 12 |
                          field_get(v, TAG_VLAN_ID));
}

static enum err take_info(uint32_t type, uint32_t v, struct rndis_send *out)
{
    switch (type) {
    case RNDIS_INFO_CHECKSUM: take_checksum(v, out); return OK;
    case RNDIS_INFO_LSO: return take_lso(v, out);
    case RNDIS_INFO_TAG: take_tag(v, out); return OK;
    default: return OK; /* what we do not know is a hint that we do without */
    }
}

/* One entry of the @left bytes at @at; *@bytes: how long it is. */
static enum err step(const uint8_t *at, uint32_t left, struct rndis_send *out, uint32_t *bytes)
{
    struct rndis_info info;
    uint32_t v;

    if (left < sizeof(info))
        return ERR_GUEST;
    __builtin_memcpy(&info, at, sizeof(info));
    if (info.bytes < sizeof(info) || info.bytes > left || info.offset < sizeof(info) ||
        !range_fits(info.offset, sizeof(v), info.bytes))
        return ERR_GUEST;
    __builtin_memcpy(&v, at + info.offset, sizeof(v));
    *bytes = info.bytes;
    return take_info(info.type, v, out);
}

static enum err take_infos(const uint8_t *head, uint32_t n, const struct rndis_packet *p,
                           struct rndis_send *out)
{
    uint32_t at, left = p->info_bytes, bytes;
    enum err err = OK;

    if (!p->info_offset || !left)
        return OK;
    if (p->info_offset < sizeof(*p) ||
        !range_fits((uint64_t)p->info_offset + sizeof(struct rndis_head), left, n))
        return ERR_GUEST;
    at = p->info_offset + (uint32_t)sizeof(struct rndis_head);
    for (; left && !err; at += bytes, left -= bytes) {
        err = step(head + at, left, out, &bytes);
        if (err)
            break;
    }
    return err;
}

enum err rndis_send_parse(const uint8_t *head, uint32_t room, struct rndis_send *out)
{
    const uint32_t least = sizeof(struct rndis_head) + sizeof(struct rndis_packet);
    struct rndis_head h;
    struct rndis_packet p;

    *out = (struct rndis_send){ 0 };
    if (room < sizeof(h))
        return ERR_GUEST;
    __builtin_memcpy(&h, head, sizeof(h));
    if (h.bytes < sizeof(h) || h.bytes > room)
        return ERR_GUEST;
    out->message_bytes = h.bytes;
    if (h.type != RNDIS_PACKET || h.bytes < least)
        return ERR_GUEST;
    __builtin_memcpy(&p, head + sizeof(h), sizeof(p));
    if (!range_fits((uint64_t)p.data_offset + sizeof(h), p.data_bytes, h.bytes) ||
        p.data_offset < sizeof(p))
        return ERR_GUEST;
    out->data_offset = p.data_offset + (uint32_t)sizeof(h);
    out->data_bytes = p.data_bytes;
    return take_infos(head, min(h.bytes, RNDIS_SEND_HEAD_MAX), &p, out);
}
