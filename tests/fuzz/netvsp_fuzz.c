// SOURCES: services/vmm/vsp/netvsp*.c services/vmm/vsp/rndis*.c services/vmm/vsp/flow.c
// SOURCES: services/vmm/vmbus/channel.c lib/ring.c lib/string.c
// SOURCES: tests/unit/services/vmm/vsp/fake_nic.c
/* A guest and a switch that say anything to a NIC, while channels open and close, links come and go and
 * buffers are taken away: each slot is in one place, what is in flight and in the arena agrees, no packet
 * is completed twice, and whatever state comes of it can be saved and restored. The input is a row of steps: what, an argument, a length, then so many bytes. */
#include <assert.h>
#include <string.h>

#include "tests/unit/services/vmm/vsp/fake_nic.h"

static struct fake_nic f;
static uint32_t packets, completions;

/* The guest's pages and its send buffer hold the input. */
static void fill(const uint8_t *d, size_t n)
{
    for (unsigned page = 0; page < 4; page++)
        memcpy(f.memory[page], d, n < 4096 ? n : 4096);
    for (unsigned s = 0; s < 4; s++)
        memcpy(f.send + s * NETVSP_SECTION_BYTES, d, n < 4096 ? n : 4096);
}

static void put(unsigned channel, uint16_t type, uint64_t transaction, const void *bytes, size_t n,
                uint16_t offset8)
{
    struct ring_part part = { bytes, n };

    if (!f.n.channels[channel] || f.channels[channel].is_broken)
        return;
    packets += fake_nic_put(&f, channel, type, 1, transaction, &part, n ? 1 : 0, offset8);
}

/* A good frame in one of the forms in which it can be sent. */
static void send(unsigned channel, uint8_t how, const uint8_t *d, size_t n)
{
    uint8_t message[600];
    uint32_t bytes = fake_nic_frame(message, 60 + how, how), cut = n ? d[0] % bytes : 0;

    if (!f.n.channels[channel] || f.channels[channel].is_broken)
        return;
    if (n > 1) /* or nearly so */
        message[d[1] % 48] ^= d[0];
    memcpy(f.send, message, cut);
    memcpy(f.memory[5] + 4090, message + cut, bytes - cut);
    packets += fake_nic_send(&f, channel, cut ? 0 : NVSP_NO_SECTION, cut, 5, 4090, bytes - cut);
}

static void nvsp(unsigned channel, uint8_t type, const uint8_t *d, size_t n)
{
    static const uint32_t types[] = { NVSP_INIT,
                                      NVSP_SEND_NDIS_CONFIG,
                                      NVSP_SEND_RECEIVE_BUFFER,
                                      NVSP_REVOKE_RECEIVE_BUFFER,
                                      NVSP_SEND_SEND_BUFFER,
                                      NVSP_REVOKE_SEND_BUFFER,
                                      NVSP_SEND_RNDIS_PACKET,
                                      NVSP_SUBCHANNEL,
                                      NVSP_SWITCH_DATA_PATH };
    struct nvsp_message m = { .type = types[type % 9] };

    memcpy(m.words, d, n < sizeof(m.words) ? n : sizeof(m.words));
    if (m.type == NVSP_SEND_RECEIVE_BUFFER && type & 0x80)
        m.buffer.gpadl = FAKE_GPADL_RECEIVE, m.buffer.id = NVSP_RECEIVE_BUFFER_ID;
    if (m.type == NVSP_SEND_SEND_BUFFER && type & 0x80)
        m.buffer.gpadl = FAKE_GPADL_SEND, m.buffer.id = NVSP_SEND_BUFFER_ID;
    put(channel, RING_DATA_INBAND, 1, &m, sizeof(m), 0);
}

static void take(unsigned channel, bool returns)
{
    static struct fake_packet p;

    if (!f.n.channels[channel] || !fake_nic_take(&f, channel, &p))
        return;
    completions += p.h.type == RING_COMPLETION;
    if (p.h.type == RING_XFER_PAGES && returns && f.n.channels[channel])
        (void)fake_nic_return(&f, channel, p.h.transaction);
}

static void control(unsigned channel, const uint8_t *d, size_t n)
{
    const uint64_t page = 7;
    struct nvsp_message m = { .type = NVSP_SEND_RNDIS_PACKET,
                              .rndis = { NVSP_CHANNEL_CONTROL, NVSP_NO_SECTION, 0 } };
    struct {
        struct gpa_direct head;
        struct gpa_range range;
        uint64_t page;
        struct nvsp_message m;
    } packet = { { 0, 1 }, { (uint32_t)n, 0 }, page, m };

    memcpy(f.memory[page], d, n);
    put(channel, RING_DATA_GPA_DIRECT, 2, &packet, sizeof(packet), 5);
}

static void channel_step(uint8_t what, unsigned channel)
{
    if (what & 1) {
        if (f.n.channels[channel])
            fake_nic_close(&f, channel);
    } else if (!f.n.channels[channel]) {
        fake_nic_open(&f, channel);
    }
}

static void link_step(uint8_t what)
{
    switch (what % 4) {
    case 0: fake_nic_link(&f); break;
    case 1: netvsp_unlink(&f.n); break;
    case 2: netvsp_gpadl_gone(&f.n, FAKE_GPADL_RECEIVE); break;
    default: netvsp_gpadl_gone(&f.n, FAKE_GPADL_SEND); break;
    }
}

static void manager_step(uint8_t what)
{
    f.config.flags ^= what & (NIC_LINK_IS_UP | NIC_MAY_CHANGE_MAC);
    f.config.speed_bits = what * 1000000ull;
    netvsp_set(&f.n, &f.config);
}

static void step(uint8_t what, uint8_t argument, const uint8_t *d, size_t n)
{
    unsigned channel = argument % 4;

    switch (what % 16) {
    case 0: put(channel, RING_DATA_INBAND, argument, d, n, 0); break;
    case 1:
        put(channel, RING_DATA_GPA_DIRECT, argument, d, n, (uint16_t)(2 + argument / 16));
        break;
    case 2: put(channel, RING_COMPLETION, argument, d, n, 0); break;
    case 3: nvsp(0, argument, d, n); break;
    case 4: control(channel & what >> 4, d, n); break;
    case 5:
    case 6: send(channel, argument, d, n); break;
    case 7: take(channel, argument & 4); break;
    case 8: channel_step(argument >> 2, channel); break;
    case 9: link_step(argument); break;
    case 10:
        (void)fake_nic_say(&f, argument & 1 ? PORT_RECEIVED : PORT_SENT, f.generation, d,
                           (uint32_t)n, (uint16_t)(argument >> 1));
        break;
    case 11: (void)fake_nic_receive(&f, d, (uint32_t)n, 1 + argument, argument); break;
    case 12: fake_nic_read_link(&f); break;
    case 13: manager_step(argument); break;
    case 14:
        f.refuses_memory = argument & 1;
        f.refuses_views = argument & 2;
        break;
    default: fill(d, n); break;
    }
}

static void save_and_restore(void)
{
    static uint8_t one[NETVSP_RECORD_BYTES_MAX], two[NETVSP_RECORD_BYTES_MAX];
    static struct fake_nic copy;
    struct channel *open[NIC_CHANNELS_MAX];
    uint32_t n = netvsp_save(&f.n, one);

    fake_nic_copy(&copy, &f, open);
    assert(netvsp_restore(&copy.n, one, n, open) == OK);
    fake_nic_check(&copy);
    assert(netvsp_save(&copy.n, two) == n && !memcmp(one, two, n));
    fake_nic_end(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (!n)
        return 0;
    packets = completions = 0;
    if (data[0] & 1) {
        fake_nic_ready(&f, 4, data[0] & 2 ? 9000 : 1500);
    } else {
        fake_nic_init(&f, 4);
        fake_nic_open(&f, 0);
    }
    for (data++, n--; n >= 3;) {
        size_t bytes = data[2] < n - 3 ? data[2] : n - 3;

        step(data[0], data[1], data + 3, bytes);
        fake_nic_check(&f);
        assert(completions <= packets);
        data += 3 + bytes;
        n -= 3 + bytes;
    }
    save_and_restore();
    fake_nic_end(&f);
    return 0;
}
