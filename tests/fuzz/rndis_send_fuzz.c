// SOURCES: services/vmm/vsp/rndis_send.c lib/string.c
/* Any head of a guest's data message: what is said of its frame lies inside it. The first two bytes are
 * the room behind the message's begin; the head is at the end of memory of its own. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "services/vmm/vsp/rndis_send.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct rndis_send out;
    uint16_t room;

    if (n < sizeof(room))
        return 0;
    memcpy(&room, data, sizeof(room));
    uint32_t head_bytes = room < RNDIS_SEND_HEAD_MAX ? room : RNDIS_SEND_HEAD_MAX;
    uint8_t *head = calloc(1, head_bytes + 1);
    uint8_t *at = head + 1; /* unaligned */
    n -= sizeof(room);
    if (n)
        memcpy(at, data + sizeof(room), n < head_bytes ? n : head_bytes);
    enum err err = rndis_send_parse(at, room, &out);
    assert(err == OK || err == ERR_GUEST);
    assert(out.message_bytes <= room);
    if (!err) {
        assert(range_fits(out.data_offset, out.data_bytes, out.message_bytes));
        assert(out.data_offset >= 44);
        assert(!(out.flags & PORT_SEND_LSO) || out.mss);
    }
    free(head);
    return 0;
}
