// SOURCES: lib/ring.c
/* Any content of the shared pages: the reader's packets lie in the ring, and what the writer says
 * of the room is kept. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ring.h"

#define DATA 512u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint8_t *page = calloc(1, sizeof(struct ring_control) + DATA);
    struct ring_packet h, out = { .type = RING_DATA_INBAND };
    struct ring reader, writer;
    uint8_t packet[DATA];
    bool signal;

    memcpy(page, data, min(n, (size_t)16));
    if (n > 16)
        memcpy(page + sizeof(struct ring_control), data + 16, min(n - 16, (size_t)DATA));
    if (ring_attach_reader(&reader, page, DATA) == OK)
        for (unsigned i = 0; i < 64 && ring_peek(&reader, &h) == OK; i++) {
            assert(ring_packet_bytes(&h) < DATA &&
                   ring_payload_offset(&h) <= ring_packet_bytes(&h));
            if (ring_read(&reader, &h, 0, packet, ring_packet_bytes(&h)))
                abort();
            ring_advance(&reader, &h);
            assert(reader.own_index < DATA && reader.own_index % 8 == 0);
            (void)!ring_commit(&reader);
        }
    if (ring_attach_writer(&writer, page, DATA) == OK)
        for (unsigned i = 0; i < 64; i++) {
            struct ring_part part = { packet, n % 100 };

            if (ring_write(&writer, &out, &part, 1, &signal))
                break;
            assert(writer.own_index < DATA && writer.own_index % 8 == 0);
        }
    free(page);
    return 0;
}
