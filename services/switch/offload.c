/* A checksum is finished once, when the frame comes in, not in each copy; the bytes that it covers are
 * read where the sender has them, and who changes them meanwhile has spoilt its own frame. */
#include "services/switch/offload.h"
#include "services/switch/bytes.h"
#include "services/switch/checksum.h"
#include "services/switch/segment.h"

#define IPV4_CHECKSUM_AT 10u
#define TCP_CHECKSUM_AT  16u
#define UDP_CHECKSUM_AT  6u

void offload_finish_ipv4(uint8_t *ip, uint32_t bytes)
{
    uint16_t sum = 0;

    __builtin_memcpy(ip + IPV4_CHECKSUM_AT, &sum, sizeof(sum));
    sum = checksum_finish(checksum_add(0, ip, bytes));
    __builtin_memcpy(ip + IPV4_CHECKSUM_AT, &sum, sizeof(sum));
}

/* The one protocol of the request; UINT32_MAX: it contradicts itself. */
static uint32_t protocol_of(uint16_t flags)
{
    bool is_tcp = flags & (PORT_SEND_TCP | PORT_SEND_LSO), is_udp = flags & PORT_SEND_UDP;
    bool is_ipv4 = flags & PORT_SEND_IPV4, is_ipv6 = flags & PORT_SEND_IPV6;

    if ((is_tcp && is_udp) || (is_ipv4 && is_ipv6))
        return UINT32_MAX;
    if (flags & PORT_SEND_IP_HEADER && is_ipv6)
        return UINT32_MAX;
    if (!is_tcp && !is_udp)
        return 0;
    return !is_ipv4 && !is_ipv6 ? UINT32_MAX : is_tcp ? FRAME_PROTOCOL_TCP : FRAME_PROTOCOL_UDP;
}

/* The sum over the transport's header, whose field holds the pseudo header's, and its payload. A UDP
 * checksum of 0 would mean that there is none. */
static void finish_transport(struct frame *f)
{
    const struct frame_layers *l = &f->layers;
    bool is_udp = f->flags & PORT_SEND_UDP;
    uint64_t sum = checksum_add(0, f->head + l->l4, l->payload - l->l4);
    uint16_t field = checksum_finish(checksum_add(sum, f->rest, l->end - l->payload));

    if (is_udp && !field)
        field = 0xffff;
    __builtin_memcpy(f->head + l->l4 + (is_udp ? UDP_CHECKSUM_AT : TCP_CHECKSUM_AT), &field,
                     sizeof(field));
    f->received_flags |= is_udp ? PORT_RECEIVED_UDP_OK : PORT_RECEIVED_TCP_OK;
}

static void prepare_whole(struct frame *f)
{
    const struct frame_layers *l = &f->layers;

    segment_set_length(f->head, l, f->bytes);
    f->received_flags |= PORT_RECEIVED_TCP_OK | (l->is_ipv6 ? 0 : PORT_RECEIVED_IP_OK);
}

bool offload_prepare(struct frame *f)
{
    uint32_t protocol = protocol_of(f->flags);
    struct frame_layers *l = &f->layers;

    if (protocol == UINT32_MAX || !frame_find_layers(f, protocol, l))
        return false;
    if (f->l4_offset && protocol && f->l4_offset != l->l4)
        return false;
    frame_shorten_head(f, l->payload);
    if (f->flags & PORT_SEND_LSO) {
        if (!segment_count(f))
            return false;
        prepare_whole(f);
        return true;
    }
    if (f->flags & PORT_SEND_IP_HEADER) {
        offload_finish_ipv4(f->head + l->l3, l->l4 - l->l3);
        f->received_flags |= PORT_RECEIVED_IP_OK;
    } else if (!l->is_ipv6 && !checksum_finish(checksum_add(0, f->head + l->l3, l->l4 - l->l3))) {
        f->received_flags |= PORT_RECEIVED_IP_OK;
    }
    if (protocol)
        finish_transport(f);
    return true;
}
