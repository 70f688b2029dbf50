// SOURCES: services/switch/*.c -services/switch/main.c lib/ring.c lib/string.c lib/err.c
// SOURCES: tests/unit/services/switch/fake_net.c
/* A vmm that says anything over its port, beside one that behaves: each frame has one label, the
 * accounting stays exact, and the honest pair's frames arrive. The input is a row of messages: a type,
 * a count, a length, then so many bytes. */
#include <assert.h>
#include <string.h>

#include "tests/unit/services/switch/fake_net.h"

static struct nic bad, good, other;

static void say(const uint8_t *d, size_t n)
{
    static const uint16_t types[] = { PORT_CONNECT, PORT_DISCONNECT, PORT_FILTER, PORT_SEND,
                                      PORT_RETURN,  PORT_SEND,       PORT_SEND,   0xffff };

    if (d[0] & 0x80) {
        struct port_connect m = nic_usual();

        nic_connect(&bad, &m);
    }
    nic_say(&bad, types[d[0] % 8], d[1] % 32, d + 3, (uint32_t)n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct port_config p;
    uint8_t frame[64];

    net_reset();
    for (uint16_t i = 0; i < 3; i++) {
        p = net_config(i);
        p.flags |= i ? 0 : PORT_MAY_SPOOF;
        net_join(i == 0 ? &bad : i == 1 ? &good : &other, &p);
    }
    memcpy(bad.send, data, n < 2048 ? n : 2048);
    while (n > 3) {
        size_t bytes = data[2] < n - 3 ? data[2] : n - 3;

        say(data, bytes);
        data += 3 + bytes;
        n -= 3 + bytes;
        net_settle();
        nic_poll(&bad);
        nic_poll(&good);
        nic_poll(&other);
    }
    nic_send(&good, frame, frame_make(frame, 1, 2, 64), (struct port_send){ 0 });
    net_settle();
    nic_poll(&other);
    assert(other.got_count == 1 && !memcmp(other.got[0].data, frame, 64));
    assert(net_imbalance() == 0);
    return 0;
}
