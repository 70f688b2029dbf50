/* Attacks by frames, and by the messages around them, on the NIC's server and on the switch; hostile_nvsp
 * has those on the connection. Honest guests (netpeer.c) are on the same switch. Lines 'CASE name n' tell
 * what came of it; what became of the frames, the port's counters say.
 *
 *     do=rndis     offsets and lengths of RNDIS messages that cannot be, many in one packet
 *     do=info      per-packet information that cannot be
 *     do=offload   segments and checksums that cannot be
 *     do=strange   runts, jumbos, broken IP and TCP headers
 *     do=spoof     the addresses of others
 *     do=vlan      tags of VLANs that are not the port's
 *     do=macs      100,000 source addresses (n=)
 *     do=storm     broadcasts without end (n=)
 *     do=small     the shortest frames as fast as they go, to the echo (n=)
 *     do=canary    frames whose sections are full of other bytes
 */
#include "tests/guest/hostile_net.h"

/* ---- RNDIS messages ---- */

/* @at: of a word of the message, its head included. */
static bool push_with(uint32_t at, uint32_t value, uint32_t at2, uint32_t value2)
{
    uint32_t *words;

    make(0, peer_echo, 100, true);
    words = (uint32_t *)(void *)nic_head(&nic, 0);
    words[at] = value;
    words[at2] = value2;
    return nic_push_part(&nic, 0, NIC_FRAME_AT + 100) && nic_drain(&nic);
}

static void push_many(void)
{
    struct nvsp_message m = { .type = NVSP_SEND_RNDIS_PACKET,
                              .rndis = { NVSP_CHANNEL_DATA, 0, 100 * 44 } };

    for (uint32_t i = 0; i < 100; i++) {
        uint32_t *words = (uint32_t *)(void *)(nic.send + i * 44);

        for (uint32_t k = 0; k < 11; k++)
            words[k] = 0;
        words[0] = RNDIS_PACKET;
        words[1] = 44;
        words[2] = 36;
    }
    nic.pushed += nic_put(&nic, &m, 0);
    told("many", nic_drain(&nic));
}

static void attack_rndis(void)
{
    static const uint32_t bad[][4] = {
        { 2, 0, 2, 0 },
        { 2, 35, 2, 35 },
        { 2, ~0u, 2, ~0u },
        { 2, 0xfffffff8, 3, 16 },
        { 3, ~0u, 3, ~0u },
        { 3, 101, 3, 101 },
        { 2, 105, 2, 105 },
        { 3, 0, 3, 0 },
        { 1, 0, 1, 0 },
        { 1, 7, 1, 7 },
        { 1, 8, 1, 8 },
        { 1, 43, 1, 43 },
        { 1, 120, 1, 120 },
        { 1, 6144, 3, 6100 },
        { 0, 5, 0, 5 },
        { 0, 99, 0, 99 },
        { 2, 0x7fffffff, 3, ~0u },
        { 2, ~0u - 7, 3, 8 },
    };
    uint32_t done = 0, count = sizeof(bad) / sizeof(bad[0]);

    if (!begin())
        return;
    for (uint32_t i = 0; i < count; i++)
        done += push_with(bad[i][0], bad[i][1], bad[i][2], bad[i][3]);
    told("bad", count);
    told("completed", done);
    push_many(); /* eight of the hundred */
    told("after", works());
}

static bool push_info(const uint32_t *info, uint32_t offset, uint32_t bytes)
{
    struct rndis_packet *p = nic_message(&nic, 0);

    make(0, peer_echo, 100, true);
    nic_add_info(&nic, 0, info[1], info[3]);
    for (uint32_t i = 0; i < 4; i++)
        ((uint32_t *)(p + 1))[i] = info[i];
    p->info_offset = offset;
    p->info_bytes = bytes;
    return push(0);
}

/* Of 16 bytes each, as many as there is room for in a section. */
static bool push_infos(uint32_t count)
{
    struct rndis_packet *p;
    uint32_t *at;

    make(0, peer_echo, 100, true);
    p = nic_message(&nic, 0);
    nic_head(&nic, 0)->bytes = NIC_SECTION_BYTES;
    p->info_offset = 36 + 168;
    p->info_bytes = count * 16;
    at = (uint32_t *)(void *)((uint8_t *)p + p->info_offset);
    for (uint32_t i = 0; i < count && i < 360; i++, at += 4) {
        at[0] = 16;
        at[1] = 77;
        at[2] = 12;
        at[3] = i;
    }
    return push(0);
}

static void attack_info(void)
{
    static const uint32_t bad[][4] = {
        { 0, 0, 12, 0 },  { 11, 0, 12, 0 },  { 12, 0, 12, 0 },
        { 16, 6, 16, 0 }, { 16, 6, 13, 0 },  { 16, 6, 0, 0 },
        { 16, 6, 11, 0 }, { 16, 6, ~0u, 0 }, { 16, 6, 0xfffffffcu, 0 },
        { ~0u, 6, 0, 0 }, { 17, 6, 12, 0 },  { 0x80000000u, 2, 0x7fffffffu, 0 },
    };
    static const uint32_t good[4] = { 16, 77, 12, 0 };
    static const uint32_t places[][2] = { { 35, 16 },  { 1, 16 },  { ~0u, 16 },       { 36, ~0u },
                                          { 36, 300 }, { 36, 15 }, { 0xfffffff8, 16 } };
    uint32_t done = 0, count = 0;

    if (!begin())
        return;
    for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++, count++)
        done += push_info(bad[i], 36, 16);
    for (uint32_t i = 0; i < sizeof(places) / sizeof(places[0]); i++, count++)
        done += push_info(good, places[i][0], places[i][1]);
    for (uint32_t i = 0; i < 100; i++, count++)
        done += push_infos(i % 2 ? 1000 : 360);
    told("bad", count);
    told("completed", done);
    told("after", works());
}

/* ---- offloads ---- */

static uint8_t *make_tcp(uint32_t bytes)
{
    uint8_t *f = make(0, peer_echo, bytes, true);

    f[12] = 8;
    f[13] = 0;
    f[14] = 0x45;
    f[16] = (uint8_t)((bytes - 14) >> 8);
    f[17] = (uint8_t)(bytes - 14);
    f[20] = f[21] = 0;
    f[23] = 6;
    f[34 + 12] = 5 << 4;
    f[34 + 13] = 0x10;
    return f;
}

static bool push_offload(uint32_t bytes, uint32_t type, uint32_t value, uint32_t at, uint8_t byte)
{
    uint8_t *f = make_tcp(bytes);

    if (at)
        f[at] = byte;
    nic_add_info(&nic, 0, type, value);
    return push(0);
}

#define SUM(flags, offset) ((flags) | (uint32_t)(offset) << 16)
#define LSO(mss, offset)   (LSO_IS_V2 | (uint32_t)(offset) << 20 | (mss))

static void attack_offload(void)
{
    const uint32_t tcp = SEND_CHECKSUM_IPV4 | SEND_CHECKSUM_TCP;
    uint32_t done = 0;

    if (!begin())
        return;
    /* Refused before the switch sees them: counted as runts. */
    done += push_offload(1000, RNDIS_INFO_LSO, LSO(0, 34), 0, 0);
    done += push_offload(1000, RNDIS_INFO_LSO, LSO(0x10000, 34), 0, 0);
    done += push_offload(1000, RNDIS_INFO_LSO, 536, 0, 0);
    told("runts", 3);
    /* By the switch. */
    done += push_offload(1000, RNDIS_INFO_LSO, LSO(100, 1023), 0, 0);
    done += push_offload(1000, RNDIS_INFO_LSO, LSO(100, 33), 0, 0);
    done += push_offload(1000, RNDIS_INFO_LSO, LSO(100, 34), 46, 0xf0 - 0xe0); /* TCP of 4 bytes */
    done += push_offload(60, RNDIS_INFO_LSO, LSO(100, 34), 46, 0xf0);          /* past the frame */
    done += push_offload(1000, RNDIS_INFO_LSO, LSO(100, 34), 14, 0x40);        /* IP of no bytes */
    done += push_offload(40, RNDIS_INFO_LSO, LSO(100, 34), 0, 0);
    done += push_offload(14, RNDIS_INFO_LSO, LSO(100, 0), 0, 0);
    done += push_offload(54, RNDIS_INFO_LSO, LSO(100, 34), 0, 0); /* nothing to cut */
    done += push_offload(5000, RNDIS_INFO_LSO, LSO(1, 34), 0, 0); /* thousands of segments */
    done += push_offload(1000, RNDIS_INFO_LSO, LSO(100, 34) | LSO_IS_IPV6, 0, 0);
    done += push_offload(1000, RNDIS_INFO_CHECKSUM, SUM(tcp, 1023), 0, 0);
    done += push_offload(1000, RNDIS_INFO_CHECKSUM, SUM(tcp, 14), 0, 0);
    done += push_offload(50, RNDIS_INFO_CHECKSUM, SUM(tcp, 34), 0, 0);
    done += push_offload(1000, RNDIS_INFO_CHECKSUM, SUM(tcp, 34), 17, 0xff); /* longer than it is */
    done += push_offload(1000, RNDIS_INFO_CHECKSUM, SUM(tcp, 34), 23, 17);
    done += push_offload(1000, RNDIS_INFO_CHECKSUM, SEND_CHECKSUM_UDP, 0, 0);
    done += push_offload(1000, RNDIS_INFO_CHECKSUM, SEND_CHECKSUM_IP_HEADER | 2, 0, 0);
    told("offloads", 17);
    told("completed", done);
    told("after", works());
}

/* ---- frames that are none ---- */

static void attack_strange(void)
{
    uint32_t runts = 0, jumbos = 0, odd = 0;

    if (!begin())
        return;
    for (uint32_t bytes = 0; bytes < 14; bytes++) {
        make(0, peer_echo, 64, true);
        nic_message(&nic, 0)->data_bytes = bytes;
        runts += push(0);
    }
    for (uint32_t bytes = 1515; bytes <= 5900; bytes += 43) {
        make(0, peer_echo, bytes, true);
        jumbos += push(0);
    }
    /* The switch reads the Ethernet header only: the rest may be anything, and goes on as it is. */
    for (uint32_t i = 0; i < 500; i++) {
        uint32_t bytes = 14 + (uint32_t)(random_next(&seed) % 1000);
        uint8_t *f = make(0, peer_echo, bytes, false);

        f[12] = i % 2 ? 0x86 : 8;
        f[13] = i % 2 ? 0xdd : 0;
        for (uint32_t k = 14; k < bytes && k < 80; k++)
            f[k] = (uint8_t)(random_next(&seed) >> 32);
        odd += push(0);
    }
    told("runts", runts);
    told("jumbos", jumbos);
    told("odd", odd);
    told("after", works());
}

/* ---- addresses ---- */

static uint32_t take_mac(const uint8_t *mac)
{
    static const char digits[] = "0123456789ABCDEF", name[] = "NetworkAddress";
    struct {
        struct rndis_config_parameter p;
        uint16_t name[14], value[12];
    } m = { .p = { sizeof(m.p), 28, RNDIS_CONFIG_STRING, sizeof(m.p) + 28, 24 } };

    for (uint32_t i = 0; i < 14; i++)
        m.name[i] = (uint8_t)name[i];
    for (uint32_t i = 0; i < 12; i++)
        m.value[i] = (uint8_t)digits[i % 2 ? mac[i / 2] & 15 : mac[i / 2] >> 4];
    return nic_oid(&nic, RNDIS_SET, OID_GEN_RNDIS_CONFIG_PARAMETER, &m, sizeof(m));
}

static void attack_spoof(void)
{
    static const uint8_t group[6] = { 1, 0, 0x5e, 0, 0, 1 }, none[6],
                         other[6] = { 2, 9, 9, 9, 9, 9 };
    const uint8_t *from[] = { peer_echo, peer_ask, peer_all, group, none, other };
    uint32_t sent = 0;

    if (!begin())
        return;
    told("mac-of-neighbour", take_mac(peer_ask));
    told("mac-of-nobody", take_mac(other));
    told("mac-of-group", take_mac(group));
    for (uint32_t i = 0; i < 600; i++) {
        const uint8_t *to = i % 3 == 0 ? peer_echo : i % 3 == 1 ? peer_ask : peer_all;
        uint8_t *f = make(0, to, 100, true);

        nic_address(&nic, f, to, from[i / 3 % 6], HOSTILE_TYPE);
        sent += push(0);
    }
    told("sent", sent);
    told("after", works());
}

/* @ids: of the tags in the frame, up to two, -1: none; @info: of the one beside it. */
static bool push_tagged(int info, int first, int second, uint16_t type, bool is_marked)
{
    uint8_t *f = make(0, peer_all, 100, is_marked);
    const int ids[2] = { first, second };
    uint32_t at = 12;

    for (uint32_t i = 0; i < 2 && ids[i] >= 0; i++, at += 4) {
        f[at] = (uint8_t)(type >> 8);
        f[at + 1] = (uint8_t)type;
        f[at + 2] = (uint8_t)(0x60 | ids[i] >> 8);
        f[at + 3] = (uint8_t)ids[i];
    }
    f[at] = HOSTILE_TYPE >> 8;
    f[at + 1] = HOSTILE_TYPE & 0xff;
    if (info >= 0)
        nic_add_info(&nic, 0, RNDIS_INFO_TAG, (uint32_t)info << 4 | 3);
    return push(0);
}

/* Its port is of VLAN 5; VLAN 6 and untagged frames are others'. */
static void attack_vlan(void)
{
    static const int bad[][3] = {
        { -1, 6, -1 }, { -1, 5, -1 }, { 6, -1, -1 }, { 5, -1, -1 },    { -1, 5, 6 },
        { -1, 6, 5 },  { -1, 0, 6 },  { -1, 6, 0 },  { -1, 0, 0 },     { 5, 6, -1 },
        { 6, 5, -1 },  { 0, 6, -1 },  { 6, 0, -1 },  { 0, 0, 6 },      { 6, 6, 6 },
        { 5, 5, 6 },   { -1, 1, -1 }, { -1, 1, 6 },  { -1, 4095, -1 }, { 4095, -1, -1 },
    };
    uint32_t count = sizeof(bad) / sizeof(bad[0]), done = 0;

    if (!begin())
        return;
    for (uint32_t i = 0; i < 2 * count; i++) {
        const int *b = bad[i % count];

        done += push_tagged(b[0], b[1], b[2], i < count ? 0x8100 : 0x88a8, true);
    }
    told("bad", 2 * count);
    told("completed", done);
    told("priority", (uint64_t)push_tagged(-1, 0, -1, 0x8100, true) +
                         push_tagged(0, -1, -1, 0, true) + push_tagged(-1, -1, -1, 0, true));
}

/* ---- many ---- */

#define SMALL_BYTES   64u
#define MESSAGE_BYTES (NIC_FRAME_AT + SMALL_BYTES)
#define MESSAGES      8u /* in one packet */

/* Section @s, full of the shortest frames. */
static void fill(uint32_t s, const uint8_t *to)
{
    uint64_t *at = (uint64_t *)(void *)nic_head(&nic, s);

    make(s, to, SMALL_BYTES, true);
    for (uint32_t i = 1; i < MESSAGES; i++)
        move_words(at + i * MESSAGE_BYTES / 8, at, MESSAGE_BYTES / 8);
}

/* So many frames, each with another source if @has_sources. */
static uint64_t push_flood(uint64_t n, const uint8_t *to, bool has_sources)
{
    uint64_t sent = 0;
    uint32_t s;

    for (s = 0; s < NIC_SECTIONS; s++)
        fill(s, to);
    while (sent < n && (s = nic_section(&nic)) < NIC_SECTIONS) {
        uint8_t *frame = (uint8_t *)nic_head(&nic, s) + NIC_FRAME_AT;

        for (uint32_t i = 0; i < MESSAGES; i++, sent++, frame += MESSAGE_BYTES) {
            uint8_t from[6] = {
                2, 7, 0, (uint8_t)(sent >> 16), (uint8_t)(sent >> 8), (uint8_t)sent
            };

            if (has_sources)
                nic_address(&nic, frame, to, from, HOSTILE_TYPE);
        }
        if (!nic_push_part(&nic, s, MESSAGES * MESSAGE_BYTES))
            break;
    }
    return nic_drain(&nic) ? sent : 0;
}

static void attack_macs(void)
{
    if (!begin())
        return;
    told("sent", push_flood(argument("n", 100000), peer_echo, true));
    told("after", works());
}

static void attack_storm(void)
{
    if (!begin())
        return;
    told("sent", push_flood(argument("n", 50000), peer_all, false));
    told("after", works());
}

static void attack_small(void)
{
    if (!begin())
        return;
    print("SMALL begin\n");
    told("sent", push_flood(argument("n", 100000), peer_echo, false));
    told("after", works());
}

static void attack_canary(void)
{
    uint32_t done = 0;

    if (!begin())
        return;
    for (uint32_t i = 0; i < NIC_SEND_PAGES * 4096; i++)
        nic.send[i] = PEER_SECRET;
    for (uint32_t i = 0; i < 600; i++) {
        uint32_t s = i % NIC_SECTIONS, bytes = 14 + i % 300;

        make(s, i % 3 ? peer_all : peer_echo, bytes, false);
        done += push(s);
        for (uint32_t k = 0; k < bytes; k++)
            nic.send[s * NIC_SECTION_BYTES + NIC_FRAME_AT + k] = PEER_SECRET;
    }
    told("completed", done);
    told("after", works());
}

int payload_main(void)
{
    static const struct attack attacks[] = {
        { "rndis", attack_rndis },     { "info", attack_info },   { "offload", attack_offload },
        { "strange", attack_strange }, { "spoof", attack_spoof }, { "vlan", attack_vlan },
        { "macs", attack_macs },       { "storm", attack_storm }, { "small", attack_small },
        { "canary", attack_canary },
    };

    return run_attack(attacks, sizeof(attacks) / sizeof(attacks[0]));
}
