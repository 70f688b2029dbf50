#include "services/switch/pcapng.h"
#include "lib/string.h"
#include "services/switch/copy.h"

#define BLOCK_SECTION   0x0a0d0d0au
#define BLOCK_INTERFACE 1u
#define BLOCK_PACKET    6u
#define BLOCK_FRAMING   12u /* type, length, and the length again at its end */

#define BYTE_ORDER_MAGIC  0x1a2b3c4du
#define LINKTYPE_ETHERNET 1u
#define TIME_IN_NS        9u /* 10^-9 */

#define OPTION_END          0u
#define OPTION_COMMENT      1u
#define OPTION_IF_NAME      2u
#define OPTION_IF_TSRESOL   9u
#define OPTION_PACKET_FLAGS 2u
#define OPTION_PACKET_QUEUE 6u
#define OPTION_BYTES        4u

static void put(struct pcapng *p, const void *bytes, uint32_t n)
{
    copy_exact(p->at + p->used, bytes, n);
    p->used += n;
}

static void put32(struct pcapng *p, uint32_t v)
{
    put(p, &v, sizeof(v));
}

static void pad(struct pcapng *p)
{
    static const uint8_t zeros[4];

    put(p, zeros, -(uint32_t)p->used & 3);
}

static uint32_t padded(uint32_t n)
{
    return (n + 3) & ~3u;
}

static void put_option(struct pcapng *p, uint32_t code, const void *bytes, uint32_t n)
{
    put32(p, code | n << 16);
    put(p, bytes, n);
    pad(p);
}

/* @body: bytes between the framing. */
static bool begin(struct pcapng *p, uint32_t type, uint32_t body)
{
    if (!range_fits(p->used, body + BLOCK_FRAMING, p->capacity))
        return false;
    put32(p, type);
    put32(p, body + BLOCK_FRAMING);
    return true;
}

static bool end(struct pcapng *p, uint32_t body)
{
    put32(p, body + BLOCK_FRAMING);
    return true;
}

bool pcapng_section(struct pcapng *p)
{
    if (!begin(p, BLOCK_SECTION, 16))
        return false;
    put32(p, BYTE_ORDER_MAGIC);
    put32(p, 1); /* version 1.0 */
    put32(p, UINT32_MAX);
    put32(p, UINT32_MAX); /* its length is not said */
    return end(p, 16);
}

bool pcapng_interface(struct pcapng *p, const char *name, uint32_t snap_bytes)
{
    uint32_t name_bytes = (uint32_t)strlen(name);
    uint32_t body = 8 + OPTION_BYTES + padded(name_bytes) + 2 * OPTION_BYTES + OPTION_BYTES;
    uint8_t resolution = TIME_IN_NS;

    if (!begin(p, BLOCK_INTERFACE, body))
        return false;
    put32(p, LINKTYPE_ETHERNET);
    put32(p, snap_bytes);
    put_option(p, OPTION_IF_NAME, name, name_bytes);
    put_option(p, OPTION_IF_TSRESOL, &resolution, 1);
    put32(p, OPTION_END);
    return end(p, body);
}

static void put_parts(struct pcapng *p, const struct pcapng_packet *packet, uint32_t n)
{
    for (unsigned i = 0; i < array_count(packet->parts) && n; i++) {
        uint32_t part = min(n, packet->parts[i].n);

        put(p, packet->parts[i].bytes, part);
        n -= part;
    }
    pad(p);
}

bool pcapng_packet(struct pcapng *p, const struct pcapng_packet *packet)
{
    uint32_t snapped = min(packet->bytes, packet->snap_bytes);
    uint32_t text = packet->comment ? (uint32_t)strlen(packet->comment) : 0;
    uint32_t body = 20 + padded(snapped) + 2 * (OPTION_BYTES + 4) + OPTION_BYTES +
                    (text ? OPTION_BYTES + padded(text) : 0);

    if (!begin(p, BLOCK_PACKET, body))
        return false;
    put32(p, packet->interface);
    put32(p, (uint32_t)(packet->time_ns >> 32));
    put32(p, (uint32_t)packet->time_ns);
    put32(p, snapped);
    put32(p, packet->bytes);
    put_parts(p, packet, snapped);
    put_option(p, OPTION_PACKET_FLAGS, &packet->direction, 4);
    put_option(p, OPTION_PACKET_QUEUE, &packet->queue, 4);
    if (text)
        put_option(p, OPTION_COMMENT, packet->comment, text);
    put32(p, OPTION_END);
    return end(p, body);
}
