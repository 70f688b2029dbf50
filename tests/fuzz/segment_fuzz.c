// SOURCES: services/switch/frame.c services/switch/offload.c services/switch/checksum.c
// SOURCES: services/switch/segment.c services/switch/vlan.c
/* A frame to be cut, with any headers: its segments are as many as was said, and have the payload
 * whole and in order. The first bytes are mss and which IP it is; the payload is made up. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "services/switch/offload.h"
#include "services/switch/segment.h"

static void cut(const struct frame *f)
{
    uint32_t count = segment_count(f), at = 0;
    struct segment s;

    assert(count && count <= SEGMENTS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        segment_make(f, i, count, &s);
        assert(s.payload_offset == at && s.payload_bytes && s.payload_bytes <= f->mss);
        at += s.payload_bytes;
    }
    assert(at == f->bytes - f->layers.payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct frame f = { 0 };
    uint16_t said[2];
    uint32_t bytes;
    uint8_t *all;

    if (n < sizeof(said) + ETHERNET_HEADER_BYTES || n > 1000)
        return 0;
    memcpy(said, data, sizeof(said));
    n -= sizeof(said);
    bytes = (uint32_t)n + said[1] % 60000u;
    all = calloc(1, bytes);
    memcpy(all, data + sizeof(said), n);
    f.mss = said[0];
    f.flags = PORT_SEND_LSO | (said[1] & 1 ? PORT_SEND_IPV6 : PORT_SEND_IPV4);
    if (frame_take(&f, all, bytes) && offload_prepare(&f))
        cut(&f);
    free(all);
    return 0;
}
