// SOURCES: services/vmm/vsp/rndis.c lib/string.c
/* Any control messages of a guest, one after the other: the answer has a good form and its room, queues
 * stay below their number, an address is no group. The first byte picks the version of NVSP and what the
 * guest may; each message is its length in two bytes, then so many. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/abi/nvsp.h"
#include "services/vmm/vsp/rndis.h"

static struct rndis r;

static void check_answer(const uint8_t *out, uint32_t bytes, uint32_t changes)
{
    struct rndis_head h;

    assert(bytes <= RNDIS_ANSWER_BYTES_MAX);
    assert(!(changes & RNDIS_IS_STRANGE) || !bytes);
    if (!bytes)
        return;
    memcpy(&h, out, sizeof(h));
    assert(h.bytes == bytes && h.type & RNDIS_COMPLETE);
}

static void check_state(void)
{
    assert(!(r.mac.bytes[0] & 1));
    for (uint32_t i = 0; i < NDIS_RSS_TABLE_ENTRIES; i++)
        assert(r.rss.table[i] < r.queue_max);
    assert(r.nvsp_version >= NVSP_VERSION_6_1 || !(r.takes_rsc_ip4 | r.takes_rsc_ip6));
}

static void say(const uint8_t *data, uint32_t n)
{
    uint8_t *in = malloc(n + 1), *out = malloc(RNDIS_ANSWER_BYTES_MAX);
    uint32_t bytes = ~0u, changes;

    memcpy(in, data, n);
    changes = rndis_control(&r, in, n, out, &bytes);
    check_answer(out, bytes, changes);
    check_state();
    free(in);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const uint32_t versions[] = { NVSP_VERSION_1,   NVSP_VERSION_2,  NVSP_VERSION_4,
                                         NVSP_VERSION_5,   NVSP_VERSION_6,  NVSP_VERSION_6_1,
                                         NVSP_VERSION_6_1, NVSP_VERSION_6_1 };
    uint16_t bytes;

    if (!n)
        return 0;
    r = (struct rndis){ .permanent_mac = { { 0, 0x15, 0x5d, 1, 2, 3 } },
                        .may_change_mac = data[0] & 8,
                        .is_initialized = data[0] & 16,
                        .speed_bits = 10000000000ull,
                        .queue_max = 1 + (data[0] >> 5),
                        .name = "web/nic0",
                        .nvsp_version = versions[data[0] & 7],
                        .mtu = 1500 };
    r.mac = r.permanent_mac;
    for (data++, n--; n >= sizeof(bytes); data += bytes, n -= bytes) {
        memcpy(&bytes, data, sizeof(bytes));
        data += sizeof(bytes);
        n -= sizeof(bytes);
        bytes = (uint16_t)(bytes % (RNDIS_CONTROL_BYTES_MAX + 1));
        bytes = bytes < n ? bytes : (uint16_t)n;
        say(data, bytes);
    }
    return 0;
}
