/* The whole's TCP checksum field holds the sum of the pseudo header without a length, and stays the
 * same for all segments: each adds its own length to it. */
#include "services/switch/segment.h"
#include "services/switch/bytes.h"
#include "services/switch/checksum.h"
#include "services/switch/copy.h"
#include "services/switch/offload.h"

#define IPV4_LENGTH_AT 2u
#define IPV4_ID_AT     4u
#define IPV6_LENGTH_AT 4u
#define IPV6_BYTES     40u

#define TCP_SEQUENCE_AT 4u
#define TCP_FLAGS_AT    13u
#define TCP_FIN         0x01u
#define TCP_SYN         0x02u
#define TCP_RST         0x04u
#define TCP_PSH         0x08u
#define TCP_URG         0x20u
#define TCP_CWR         0x80u
#define TCP_CHECKSUM_AT 16u

uint32_t segment_count(const struct frame *f)
{
    uint32_t payload = f->bytes - f->layers.payload;
    uint32_t count = f->mss ? (payload + f->mss - 1) / f->mss : 0;
    uint8_t flags = f->head[f->layers.l4 + TCP_FLAGS_AT];

    if (flags & (TCP_SYN | TCP_RST | TCP_URG) || count > SEGMENTS_MAX)
        return 0;
    return count;
}

void segment_set_length(uint8_t *head, const struct frame_layers *l, uint32_t end)
{
    uint8_t *ip = head + l->l3;

    if (l->is_ipv6) {
        be16_put(ip + IPV6_LENGTH_AT, (uint16_t)(end - l->l3 - IPV6_BYTES));
        return;
    }
    be16_put(ip + IPV4_LENGTH_AT, (uint16_t)(end - l->l3));
    offload_finish_ipv4(ip, l->l4 - l->l3);
}

static void set_tcp(const struct frame *f, uint32_t n, uint32_t count, struct segment *s)
{
    const struct frame_layers *l = &f->layers;
    uint8_t *tcp = s->head + l->l4, gone = 0;
    uint32_t tcp_bytes = l->payload - l->l4 + s->payload_bytes;
    uint64_t sum = __builtin_bswap16((uint16_t)tcp_bytes);
    uint16_t field;

    if (n)
        gone |= TCP_CWR;
    if (n + 1 < count)
        gone |= TCP_FIN | TCP_PSH;
    tcp[TCP_FLAGS_AT] &= (uint8_t)~gone;
    be32_put(tcp + TCP_SEQUENCE_AT, be32_get(tcp + TCP_SEQUENCE_AT) + s->payload_offset);
    sum = checksum_add(sum, tcp, l->payload - l->l4);
    field = checksum_finish(checksum_add(sum, f->rest + s->payload_offset, s->payload_bytes));
    __builtin_memcpy(tcp + TCP_CHECKSUM_AT, &field, sizeof(field));
}

void segment_make(const struct frame *f, uint32_t n, uint32_t count, struct segment *out)
{
    const struct frame_layers *l = &f->layers;
    uint32_t payload = f->bytes - l->payload;
    uint8_t *ip = out->head + l->l3;

    copy_exact(out->head, f->head, l->payload);
    out->payload_offset = n * f->mss;
    out->payload_bytes = min((uint32_t)f->mss, payload - out->payload_offset);
    if (!l->is_ipv6)
        be16_put(ip + IPV4_ID_AT, (uint16_t)(be16_get(ip + IPV4_ID_AT) + n));
    segment_set_length(out->head, l, l->payload + out->payload_bytes);
    set_tcp(f, n, count, out);
}
