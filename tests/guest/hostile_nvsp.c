/* Attacks on the connection between a guest and its NIC: NVSP messages, buffers, completions, and OIDs.
 * hostile_net has those by frames. Lines 'CASE name n' tell what came of it.
 *
 *     do=order     messages that come too early, twice, or that nobody knows
 *     do=fuzz      10,000 messages of any kind (n=)
 *     do=cycles    opens and closes the NIC for so many seconds (s=)
 *     do=teardown  buffers are taken back while frames are on their way
 *     do=section   parts of the send buffer and pages that cannot be
 *     do=returns   completions that are wrong, or come twice
 *     do=keep      gives no slot back for a while
 *     do=channels  asks for sub-channels
 *     do=oid       questions and settings that cannot be
 */
#include "tests/guest/hostile_net.h"

#define CYCLE_FRAMES 5u

static struct nvsp_message message(uint32_t type, uint32_t a, uint32_t b, uint32_t c)
{
    struct nvsp_message m = { .type = type };

    m.words[0] = a;
    m.words[1] = b;
    m.words[2] = c;
    return m;
}

static uint32_t status_of(uint32_t type, uint32_t a, uint32_t b)
{
    struct nvsp_message m = message(type, a, b, 0);

    return nic_ask(&nic, &m) ? nic.said.words[type == NVSP_INIT ? 2 : 0] : ~0u;
}

/* Opens the NIC and says hello, no more. */
static bool hello(void)
{
    return nic_connect() && nic_open(&nic) &&
           status_of(NVSP_INIT, NVSP_VERSION_6_1, NVSP_VERSION_6_1) == NVSP_STATUS_SUCCESS;
}

/* This message closes the NIC. */
static void closes(struct nvsp_message m)
{
    nic_put(&nic, &m, 99);
    told("closed", nic_is_closed(&nic));
}

/* ---- order ---- */

static void attack_order(void)
{
    const uint32_t lend = NVSP_SEND_RECEIVE_BUFFER, data = NVSP_SEND_RNDIS_PACKET;
    uint64_t nothing = 0;

    if (!nic_connect() || !nic_open(&nic))
        return;
    told("lend-early", status_of(lend, NIC_RECEIVE_GPADL, NVSP_RECEIVE_BUFFER_ID));
    told("version", status_of(NVSP_INIT, 0x70000, 0x70000));
    told("version-0", status_of(NVSP_INIT, 0, 0));
    told("version-range", status_of(NVSP_INIT, NVSP_VERSION_6_1, NVSP_VERSION_5));
    told("init", status_of(NVSP_INIT, NVSP_VERSION_6_1, NVSP_VERSION_6_1));
    told("init-again", status_of(NVSP_INIT, NVSP_VERSION_6_1, NVSP_VERSION_6_1));
    told("lend-nothing", status_of(lend, 77, NVSP_RECEIVE_BUFFER_ID));
    told("lend-ring", status_of(lend, 1, NVSP_RECEIVE_BUFFER_ID));
    told("lend-id", status_of(lend, 77, 5));
    told("channels-early", status_of(NVSP_SUBCHANNEL, 1, 1));
    closes(message(data, NVSP_CHANNEL_DATA, 0, 100));
    if (hello())
        closes(message(7, 0, 0, 0));
    if (hello())
        closes(message(~0u, 0, 0, 0));
    if (hello())
        closes(message(NVSP_INIT_COMPLETE, 0, 0, 0));
    if (hello() && ring_put(&nic.channel, PACKET_INBAND, 1, 5, &nothing, 0)) {
        ring_publish(&nic.channel);
        channel_signal(&nic.channel);
        told("closed", nic_is_closed(&nic));
    }
    if (begin() && pings()) { /* a buffer that was taken back carries nothing any more */
        struct nvsp_message m = message(NVSP_REVOKE_SEND_BUFFER, 0, 0, 0);

        nic_put(&nic, &m, 98);
        closes(message(data, NVSP_CHANNEL_DATA, 0, 100));
    }
    told("after", begin() && works());
}

static struct nvsp_message any_message(uint64_t r)
{
    static const uint8_t types[] = { NVSP_INIT,
                                     NVSP_SEND_NDIS_VERSION,
                                     NVSP_SEND_RECEIVE_BUFFER,
                                     NVSP_SEND_RECEIVE_BUFFER,
                                     NVSP_REVOKE_RECEIVE_BUFFER,
                                     NVSP_SEND_SEND_BUFFER,
                                     NVSP_SEND_SEND_BUFFER,
                                     NVSP_REVOKE_SEND_BUFFER,
                                     NVSP_SEND_RNDIS_PACKET,
                                     NVSP_SEND_NDIS_CONFIG,
                                     NVSP_SWITCH_DATA_PATH,
                                     NVSP_SUBCHANNEL };
    struct nvsp_message m = message(types[r % sizeof(types)], (uint32_t)(r >> 8) % 4,
                                    (uint32_t)(r >> 16) % 8, (uint32_t)(r >> 24) % 7000);

    if (m.type == NVSP_INIT)
        m.words[0] = m.words[1] = NVSP_VERSION_6_1;
    if (m.type == NVSP_SEND_RECEIVE_BUFFER && r >> 40 & 7)
        m.words[1] = NVSP_RECEIVE_BUFFER_ID;
    if (m.type == NVSP_SEND_SEND_BUFFER && r >> 40 & 7)
        m.words[1] = NVSP_SEND_BUFFER_ID;
    if (m.type == NVSP_SEND_RNDIS_PACKET)
        m.words[0] = r >> 44 & 1;
    if (!(r >> 50 & 31))
        m.type = (uint32_t)(r >> 55);
    return m;
}

/* Waits until the host has taken all; true: it has closed the NIC instead. */
static bool is_closed_by_it(void)
{
    struct vmbus_rescind m;

    for (uint32_t i = 0; i < 1000000; i++) {
        nic_serve(&nic);
        while (vmbus_poll(&m, sizeof(m)))
            if (m.header.type == VMBUS_RESCIND)
                return true;
        if (nic.channel.out->read_index == nic.channel.out->write_index)
            return false;
    }
    return true;
}

static void attack_fuzz(void)
{
    uint32_t many = (uint32_t)argument("n", 10000), closed = 0, stuck = 0;
    bool is_up = begin();

    for (uint32_t i = 0; i < many && is_up; i++) {
        struct nvsp_message m = any_message(random_next(&seed));

        stuck += !nic_put(&nic, &m, 1000 + i);
        if (is_closed_by_it()) {
            closed++;
            is_up = random_next(&seed) % 2 ? begin() : hello();
        }
    }
    print("FUZZ closed %u\n", (uint64_t)closed);
    told("closed-some", closed > 50);
    told("stuck", stuck);
    told("after", begin() && works());
}

static void attack_cycles(void)
{
    uint64_t start = rdtsc(), hz = 0, count = 0, torn = 0;

    read_msr(MSR_FREQUENCY, &hz);
    while (rdtsc() - start < argument("s", 5) * hz && count < 10000) {
        if (!(count % 16 ? nic_open(&nic) && nic_lend(&nic) : begin()))
            break;
        for (uint32_t s = 0; s < CYCLE_FRAMES && count % 4 == 0; s++) {
            make(s, peer_echo, 100, false);
            nic_push(&nic, s);
        }
        vmbus_close(nic.channel.id);
        torn += vmbus_teardown(nic.channel.id, 1) &&
                vmbus_teardown(nic.channel.id, NIC_RECEIVE_GPADL) &&
                vmbus_teardown(nic.channel.id, NIC_SEND_GPADL);
        count++;
    }
    print("CYCLES %u\n", count);
    told("all-torn", torn == count && count);
    told("after", begin() && works());
}

static void attack_teardown(void)
{
    uint32_t torn = 0, rounds = (uint32_t)argument("n", 40);

    for (uint32_t i = 0; i < rounds && begin(); i++) {
        for (uint32_t s = 0; s < NIC_SECTIONS; s++) {
            uint8_t *f = make(s, peer_echo, 1000, false);

            nic_address(&nic, f, peer_echo, 0, PEER_TYPE);
            nic_push(&nic, s);
        }
        torn += vmbus_teardown(nic.channel.id, i % 2 ? NIC_RECEIVE_GPADL : NIC_SEND_GPADL);
        for (uint32_t k = 0; k < 1000; k++)
            nic_serve(&nic);
    }
    told("torn-all", torn == rounds);
    told("after", begin() && works());
}

/* ---- what lies where ---- */

static void range_closes(uint64_t count, uint64_t range, uint64_t page)
{
    struct nvsp_message m = message(NVSP_SEND_RNDIS_PACKET, NVSP_CHANNEL_DATA, NVSP_NO_SECTION, 0);
    uint64_t head[3] = { count << 32, range, page };

    if (!begin())
        return;
    nic_put_pages(&nic, PACKET_GPA_DIRECT, head, 3, &m);
    told("closed", nic_is_closed(&nic));
}

static void attack_section(void)
{
    static const uint32_t bad[][2] = {
        { NIC_SECTIONS, 100 }, { NIC_SECTIONS, 0 }, { ~1u, 100 }, { 0x80000000u, 100 },
        { 0x2aaaaaab, 1 },     { 0, 6145 },         { 0, ~0u },   { 9, 0x80000000u }
    };
    struct nvsp_message m = message(NVSP_SEND_RNDIS_PACKET, NVSP_CHANNEL_DATA, NVSP_NO_SECTION, 0);
    uint64_t hole[3] = { 1ull << 32, 100, HOLE >> 12 }, top[3] = { 1ull << 32, 100, ~0ull >> 12 };

    for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (begin())
            closes(message(NVSP_SEND_RNDIS_PACKET, NVSP_CHANNEL_DATA, bad[i][0], bad[i][1]));
    range_closes(1, 4096ull << 32 | 100, 1); /* begins behind its page */
    range_closes(1, ~0u, 1);
    range_closes(1, 8192, 1); /* two pages, one is named */
    range_closes(2, 100, 1);
    range_closes(~0u, 100, 1);
    range_closes(1, 100, ~0ull); /* no page has that number */
    told("up", begin());
    told("hole", nic_put_pages(&nic, PACKET_GPA_DIRECT, hole, 3, &m) &&
                     nic_put_pages(&nic, PACKET_GPA_DIRECT, top, 3, &m));
    told("after", works());
}

/* ---- completions ---- */

/* A frame of the echo's lies here, not given back. */
static bool keep_one(void)
{
    nic.keeps = false;
    if (!begin())
        return false;
    nic.keeps = true;
    return pings();
}

static void attack_returns(void)
{
    static const uint64_t wrong[] = { 99999, ~0ull, 0, 15, 1ull << 32 | 16, 100, 157 };

    for (uint32_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (!keep_one())
            break;
        nic_return(&nic, wrong[i]);
        told("closed", nic_is_closed(&nic));
    }
    if (keep_one()) {
        nic_return(&nic, nic.kept);
        nic_return(&nic, nic.kept);
        told("closed", nic_is_closed(&nic));
    }
    nic.keeps = false;
    told("after", begin() && works());
}

/* Frames for the echo, whose answers find no slot. */
static void push_unanswered(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        nic_address(&nic, make(0, peer_echo, 100, false), peer_echo, 0, PEER_TYPE);
        nic_push(&nic, 0);
        nic_drain(&nic);
    }
}

static void attack_keep(void)
{
    uint64_t kept[256], count = 0;

    if (!begin())
        return;
    nic.keeps = true;
    while (count < 256 && pings())
        kept[count++] = nic.kept;
    told("kept", count);
    push_unanswered(200);
    print("KEPT\n");
    while (get_char() < 0)
        nic_serve(&nic);
    nic.keeps = false;
    for (uint64_t i = 0; i < count; i++)
        nic_return(&nic, kept[i]);
    told("after", works());
}

static void attack_channels(void)
{
    static const uint32_t counts[] = { 65535, ~0u, 0, 1, 65535 };

    if (!begin())
        return;
    told("operation", status_of(NVSP_SUBCHANNEL, 2, 1));
    for (uint32_t i = 0; i < 5; i++) {
        status_of(NVSP_SUBCHANNEL, NVSP_SUBCHANNEL_ALLOCATE, counts[i]);
        told("got", nic.said.subchannel.count);
    }
    told("after", works());
}

/* ---- OIDs ---- */

static uint32_t refused, unanswered;

static void note(uint32_t status)
{
    refused += status != 0 && status != ~0u;
    unanswered += status == ~0u;
}

static void ask_wrong(uint32_t type, uint32_t oid, uint32_t bytes, uint32_t offset)
{
    uint32_t m[16] = { type, 40, 9, oid, bytes, offset, 0, 0x0d, 0, 0 };

    note(nic_control(&nic, m, 40, true));
}

static void set_rss_wrong(uint32_t word, uint32_t value, uint32_t queue)
{
    struct {
        struct ndis_rss_parameters p;
        uint32_t table[16];
        uint8_t key[40];
    } m = {
        .p = { { NDIS_TYPE_RSS_PARAMETERS, 2, 40 }, 0, 0, 0x1701, 64, 0, 40, 40, 0, 104, 0, 0, 0 }
    };

    m.table[3] = queue;
    ((uint32_t *)(void *)&m)[word] = word ? value : ((uint32_t *)(void *)&m)[0];
    note(nic_oid(&nic, RNDIS_SET, OID_GEN_RECEIVE_SCALE_PARAMETERS, &m, sizeof(m)));
}

static void set_config_wrong(uint32_t word, uint32_t value)
{
    uint32_t m[20] = { 20, 28, RNDIS_CONFIG_STRING, 48, 24 };

    m[word] = value;
    note(nic_oid(&nic, RNDIS_SET, OID_GEN_RNDIS_CONFIG_PARAMETER, m, sizeof(m)));
}

static void attack_oid(void)
{
    static const uint32_t lengths[][2] = { { 4, ~0u }, { ~0u, 20 }, { 8, 0xfffffffc }, { 13, 20 },
                                           { 4, 29 },  { 3, 20 },   { 5, 20 },         { 0, 20 } };
    uint32_t filter, m[64], silent = 0;

    if (!begin())
        return;
    for (uint32_t i = 0; i < 8; i++)
        ask_wrong(RNDIS_SET, OID_GEN_CURRENT_PACKET_FILTER, lengths[i][0], lengths[i][1]);
    ask_wrong(RNDIS_SET, OID_802_3_PERMANENT_ADDRESS, 6, 20);
    ask_wrong(RNDIS_SET, OID_TCP_OFFLOAD_PARAMETERS, 12, 20);
    ask_wrong(RNDIS_QUERY, OID_GEN_RECEIVE_SCALE_PARAMETERS, 0, 0);
    ask_wrong(RNDIS_QUERY, ~0u, 0, 0);
    set_rss_wrong(0, 0, 1); /* queues that there are not: one CPU */
    set_rss_wrong(0, 0, ~0u);
    set_rss_wrong(3, 0, 0);     /* no table */
    set_rss_wrong(3, 65532, 0); /* longer than the message */
    set_rss_wrong(4, ~0u, 0);   /* a table that lies nowhere */
    set_rss_wrong(5, 41, 0);    /* a key of another length */
    set_rss_wrong(6, 0xfffffff0, 0);
    set_config_wrong(0, ~0u);
    set_config_wrong(1, ~0u);
    set_config_wrong(3, 0xfffffff0);
    set_config_wrong(4, 0x7fffffff);
    told("refused", refused);
    told("unanswered", unanswered);
    for (uint32_t i = 0; i < 2000; i++) { /* any bytes: an answer, or none */
        for (uint32_t k = 0; k < 64; k++)
            m[k] = (uint32_t)random_next(&seed) & (k % 3 ? 63 : ~0u);
        m[0] = (uint32_t)random_next(&seed) % 16;
        m[1] = i % 4 ? 256 : m[1];
        m[0] = m[0] == RNDIS_HALT ? RNDIS_SET : m[0];
        silent += nic_control(&nic, m, 256, false) != ~0u;
        while (nic_serve(&nic))
            ;
    }
    told("any", silent);
    filter = FILTER_DIRECTED | FILTER_BROADCAST;
    told("filter", nic_start(&nic, filter));
    told("after", works());
}

int payload_main(void)
{
    static const struct attack attacks[] = {
        { "order", attack_order },     { "fuzz", attack_fuzz },
        { "cycles", attack_cycles },   { "teardown", attack_teardown },
        { "section", attack_section }, { "returns", attack_returns },
        { "keep", attack_keep },       { "channels", attack_channels },
        { "oid", attack_oid },
    };

    return run_attack(attacks, sizeof(attacks) / sizeof(attacks[0]));
}
