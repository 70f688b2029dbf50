// SOURCES: services/switch/frame.c services/switch/offload.c services/switch/checksum.c
// SOURCES: services/switch/segment.c services/switch/vlan.c
/* Any frame with any request: what is found lies inside the frame and its head, and nothing else is
 * read. The first bytes are flags, mss, l4_offset and tci. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "services/switch/offload.h"

static void check_layers(const struct frame *f)
{
    const struct frame_layers *l = &f->layers;

    assert(l->l3 <= l->l4 && l->l4 <= l->payload && l->payload <= f->head_bytes);
    assert(l->payload <= l->end && l->end <= f->bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint16_t said[4];
    struct frame f = { 0 };
    uint8_t *bytes; /* of its own size, so that a byte too much is seen */

    if (n < sizeof(said) || n > 9100)
        return 0;
    memcpy(said, data, sizeof(said));
    n -= sizeof(said);
    bytes = malloc(n + 1);
    memcpy(bytes, data + sizeof(said), n);
    f.flags = said[0];
    f.mss = said[1];
    f.l4_offset = said[2];
    f.tags = (struct vlan_tags){ said[3], said[0] & PORT_SEND_HAS_TAG ? 1 : 0 };
    if (n && frame_take(&f, bytes, (uint32_t)n)) {
        assert(f.head_bytes >= ETHERNET_HEADER_BYTES && f.head_bytes <= FRAME_HEAD_MAX);
        assert(f.rest + (f.bytes - f.head_bytes) == bytes + n);
        if (f.flags & OFFLOAD_REQUESTS && offload_prepare(&f)) {
            check_layers(&f);
            assert(f.rest + (f.bytes - f.head_bytes) == bytes + n);
        }
    }
    free(bytes);
    return 0;
}
