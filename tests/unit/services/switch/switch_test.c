// SOURCES: services/switch/*.c -services/switch/main.c lib/ring.c lib/string.c lib/err.c
// SOURCES: tests/unit/services/switch/fake_net.c
/* The whole core: frames between fake NICs. */
#define _GNU_SOURCE /* memmem */
#include "services/switch/config.h"
#include "services/switch/link.h"
#include "tests/unit/services/switch/fake_net.h"
#include "tests/unit/test.h"

static struct nic a, b, d;
static uint8_t frame[KIB(64)];
#define COUNTERS(nic) (&net_board.ports[(nic).port].counters)

static void join(struct nic *n, uint16_t port, uint32_t flags)
{
    struct port_config p = net_config(port);

    p.flags |= flags;
    net_join(n, &p);
}

static void fresh(void)
{
    net_reset();
    join(&a, 0, 0);
    join(&b, 1, 0);
    join(&d, 2, 0);
}

static void set(struct nic *n, uint32_t flags, struct vlan_policy vlan)
{
    struct port_config p = net_config(n->port);

    p.flags = flags;
    p.vlan = vlan;
    core_begin(&net, net_now);
    if (config_set_port(&net, &p))
        abort();
    core_end(&net);
}

static struct vlan_policy access(uint16_t id)
{
    return (struct vlan_policy){ .mode = VLAN_ACCESS, .id = id };
}

static struct vlan_policy trunk(uint16_t native, uint16_t allowed)
{
    struct vlan_policy p = { .mode = VLAN_TRUNK, .id = native };

    p.allowed[allowed / 8] |= (uint8_t)(1u << allowed % 8);
    return p;
}

static void send(struct nic *n, uint8_t to, uint32_t bytes, struct port_send s)
{
    nic_send(n, frame, frame_make(frame, (uint8_t)n->port, to, bytes), s);
    net_settle();
    nic_poll(&a);
    nic_poll(&b);
    nic_poll(&d);
}

TEST(a_frame_to_a_known_address_goes_to_one_port_with_its_bytes)
{
    fresh();
    send(&a, 1, 64, (struct port_send){ 0 });
    EXPECT_EQ(b.got_count, 1);
    EXPECT_EQ(d.got_count, 0);
    EXPECT_EQ(b.got[0].bytes, 64);
    EXPECT(memcmp(b.got[0].data, frame, 64) == 0);
    EXPECT_EQ(a.sent, 1);
    EXPECT_EQ(COUNTERS(a)->paths[PATH_SWITCH], 1);
    EXPECT_EQ(net_imbalance(), 0);
}

TEST(no_byte_behind_the_frame_reaches_the_receiver)
{
    fresh();
    memset(a.send, 0xee, NIC_SEND_BYTES);
    memset(b.receive, 0x55, NIC_RECEIVE_BYTES);
    for (uint32_t bytes = 14; bytes < 300; bytes++) {
        uint32_t end = max(bytes, 60u), filled = (end + 7) & ~7u;

        send(&a, 1, bytes, (struct port_send){ 0 });
        EXPECT_EQ(b.got_count, 1);
        EXPECT_EQ(b.got[0].bytes, end);
        EXPECT(memcmp(b.got[0].data, frame, bytes) == 0);
        for (uint32_t slot = 0; slot < NIC_SLOTS; slot++) {
            uint8_t *at = b.receive + slot * NIC_SLOT_BYTES + NIC_FRAME_OFFSET;

            if (memcmp(at, frame, bytes))
                continue;
            for (uint32_t i = bytes; i < filled; i++)
                EXPECT_EQ(at[i], 0);
            EXPECT_EQ(at[filled], 0x55);
            memset(at, 0x55, filled);
        }
    }
}

TEST(a_broadcast_goes_to_all_others_and_counts_its_copies)
{
    fresh();
    send(&a, 255, 64, (struct port_send){ 0 });
    EXPECT_EQ(a.got_count, 0);
    EXPECT_EQ(b.got_count, 1);
    EXPECT_EQ(d.got_count, 1);
    EXPECT_EQ(COUNTERS(a)->replicas, 1);
    EXPECT_EQ(COUNTERS(a)->broadcasts, 1);
    EXPECT_EQ(net_imbalance(), 0);
}

TEST(a_foreign_source_is_dropped_unless_the_port_may_spoof)
{
    fresh();
    frame_make(frame, 9, 1, 64);
    nic_send(&a, frame, 64, (struct port_send){ 0 });
    net_settle();
    nic_poll(&b);
    EXPECT_EQ(b.got_count, 0);
    EXPECT_EQ(COUNTERS(a)->in_drops[DROP_SPOOFED], 1);
    set(&a, PORT_IS_UP | PORT_MAY_SPOOF, (struct vlan_policy){ 0 });
    nic_send(&a, frame, 64, (struct port_send){ 0 });
    net_settle();
    nic_poll(&b);
    EXPECT_EQ(b.got_count, 1);
    EXPECT_EQ(net_board.switches[0].learned_count, 1);
    EXPECT_EQ(net_board.ports[0].learned_count, 1);
    send(&b, 9, 64, (struct port_send){ 0 });
    EXPECT_EQ(a.got_count, 1);
    EXPECT_EQ(d.got_count, 0);
    frame_make(frame, 0, 1, 64);
    frame[6] |= 1;
    nic_send(&a, frame, 64, (struct port_send){ 0 });
    net_settle();
    EXPECT_EQ(COUNTERS(a)->in_drops[DROP_SPOOFED], 2);
    EXPECT_EQ(net_imbalance(), 0);
}

TEST(unknown_unicast_goes_to_promiscuous_ports_only)
{
    fresh();
    send(&a, 77, 64, (struct port_send){ 0 });
    EXPECT_EQ(COUNTERS(a)->in_drops[DROP_NO_RECEIVER], 1);
    nic_filter(&d, PORT_TAKES_PROMISCUOUS);
    send(&a, 77, 64, (struct port_send){ 0 });
    EXPECT_EQ(b.got_count, 0);
    EXPECT_EQ(d.got_count, 1);
    EXPECT_EQ(COUNTERS(a)->floods, 1);
    EXPECT_EQ(net_imbalance(), 0);
}

TEST(isolated_ports_do_not_reach_each_other)
{
    fresh();
    set(&a, PORT_IS_UP | PORT_IS_ISOLATED, (struct vlan_policy){ 0 });
    set(&b, PORT_IS_UP | PORT_IS_ISOLATED, (struct vlan_policy){ 0 });
    send(&a, 1, 64, (struct port_send){ 0 });
    EXPECT_EQ(COUNTERS(a)->in_drops[DROP_ISOLATED], 1);
    send(&a, 255, 64, (struct port_send){ 0 });
    EXPECT_EQ(b.got_count, 0);
    EXPECT_EQ(d.got_count, 1);
    EXPECT_EQ(net_imbalance(), 0);
}

TEST(a_guest_that_asks_for_nothing_gets_nothing)
{
    fresh();
    nic_filter(&b, 0);
    send(&a, 1, 64, (struct port_send){ 0 });
    send(&a, 255, 64, (struct port_send){ 0 });
    EXPECT_EQ(b.got_count, 0);
    EXPECT_EQ(COUNTERS(b)->out_drops[DROP_FILTERED], 1);
    EXPECT_EQ(net_imbalance(), 0);
}

TEST(a_link_that_is_down_drops_both_ways)
{
    fresh();
    set(&b, 0, (struct vlan_policy){ 0 });
    send(&a, 1, 64, (struct port_send){ 0 });
    EXPECT_EQ(COUNTERS(b)->out_drops[DROP_LINK_DOWN], 1);
    send(&b, 0, 64, (struct port_send){ 0 });
    EXPECT_EQ(COUNTERS(b)->in_drops[DROP_LINK_DOWN], 1);
    EXPECT_EQ(b.sent, 1);
    EXPECT_EQ(net_imbalance(), 0);
}

TEST(lengths_and_offsets_outside_the_buffers_are_dropped)
{
    const struct port_send bad[] = {
        { .offset = NIC_SEND_BYTES - 63, .bytes = 64 },
        { .offset = UINT32_MAX, .bytes = UINT32_MAX },
        { .bytes = 13 },
        { .bytes = 0 },
        { .offset = NIC_ARENA_BYTES, .bytes = 64, .flags = PORT_SEND_FROM_ARENA }
    };

    fresh();
    nic_say(&a, PORT_SEND, array_count(bad), bad, sizeof(bad));
    net_settle();
    nic_poll(&a);
    EXPECT_EQ(COUNTERS(a)->in_drops[DROP_RUNT], array_count(bad));
    EXPECT_EQ(a.sent, array_count(bad));
    EXPECT_EQ(net_imbalance(), 0);
}

TEST(a_frame_longer_than_the_mtu_is_dropped)
{
    fresh();
    send(&a, 1, MTU_USUAL + 14, (struct port_send){ 0 });
    EXPECT_EQ(b.got_count, 1);
    send(&a, 1, MTU_USUAL + 15, (struct port_send){ 0 });
    EXPECT_EQ(b.got_count, 0);
    EXPECT_EQ(COUNTERS(a)->in_drops[DROP_TOO_LONG], 1);
}

TEST(a_frame_from_the_arena_arrives)
{
    struct port_send s = { .offset = 8, .bytes = 100, .flags = PORT_SEND_FROM_ARENA };

    fresh();
    frame_make(frame, 0, 1, 100);
    memcpy(a.arena + 8, frame, 100);
    nic_say(&a, PORT_SEND, 1, &s, sizeof(s));
    net_settle();
    nic_poll(&b);
    EXPECT_EQ(b.got_count, 1);
    EXPECT(memcmp(b.got[0].data, frame, 100) == 0);
}

TEST(a_tag_in_the_frame_travels_beside_it_from_trunk_to_trunk)
{
    fresh();
    set(&a, PORT_IS_UP, trunk(0, 7));
    set(&b, PORT_IS_UP, trunk(0, 7));
    frame_make(frame, 0, 1, 104);
    memmove(frame + 16, frame + 12, 88);
    memcpy(frame + 12, "\x81\x00\xa0\x07", 4); /* priority 5 */
    nic_send(&a, frame, 104, (struct port_send){ 0 });
    net_settle();
    nic_poll(&b);
    EXPECT_EQ(b.got_count, 1);
    EXPECT_EQ(b.got[0].bytes, 100);
    EXPECT_EQ(b.got[0].flags, PORT_RECEIVED_HAS_TAG);
    EXPECT_EQ(b.got[0].tci, 0xa007);
    EXPECT_EQ(b.got[0].data[12], 0x88);
    EXPECT_EQ(net_imbalance(), 0);
}

TEST(two_tags_and_foreign_vlans_are_dropped)
{
    struct port_send tagged = { .flags = PORT_SEND_HAS_TAG, .tci = 7 };

    fresh();
    set(&b, PORT_IS_UP, access(7));
    send(&a, 1, 64, tagged);
    EXPECT_EQ(COUNTERS(a)->in_drops[DROP_VLAN], 1);
    set(&a, PORT_IS_UP, trunk(0, 7));
    send(&a, 1, 64, tagged);
    EXPECT_EQ(b.got_count, 1);
    EXPECT_EQ(b.got[0].flags, 0);
    frame_make(frame, 0, 1, 64);
    memcpy(frame + 12, "\x81\x00\x00\x07", 4);
    nic_send(&a, frame, 64, tagged);
    memcpy(frame + 16, "\x88\xa8\x00\x08", 4);
    nic_send(&a, frame, 64, (struct port_send){ 0 });
    net_settle();
    EXPECT_EQ(COUNTERS(a)->in_drops[DROP_VLAN], 3);
    EXPECT_EQ(net_imbalance(), 0);
}

TEST(access_ports_of_two_vlans_do_not_hear_each_other)
{
    fresh();
    set(&a, PORT_IS_UP, access(5));
    set(&b, PORT_IS_UP, access(6));
    set(&d, PORT_IS_UP, access(5));
    send(&a, 255, 64, (struct port_send){ 0 });
    send(&a, 1, 64, (struct port_send){ 0 });
    EXPECT_EQ(COUNTERS(b)->out_frames, 0);
    EXPECT_EQ(COUNTERS(d)->out_frames, 1);
    EXPECT_EQ(net_imbalance(), 0);
}

TEST(the_flooding_budget_cuts_copies)
{
    struct port_config p = net_config(0);

    net_reset();
    p.flood_burst = 3;
    p.flood_copies_per_second = 1;
    net_join(&a, &p);
    join(&b, 1, 0);
    join(&d, 2, 0);
    for (unsigned i = 0; i < 3; i++)
        send(&a, 255, 64, (struct port_send){ 0 });
    EXPECT_EQ(COUNTERS(a)->out_drops[DROP_FLOOD_LIMIT], 3);
    EXPECT_EQ(COUNTERS(b)->out_frames + COUNTERS(d)->out_frames, 3);
    EXPECT_EQ(net_imbalance(), 0);
    net_now += 2 * NS_PER_SECOND;
    send(&a, 255, 64, (struct port_send){ 0 });
    EXPECT_EQ(COUNTERS(b)->out_frames + COUNTERS(d)->out_frames, 5);
}

TEST(a_guest_that_returns_no_buffer_loses_its_own_frames_only)
{
    fresh();
    b.keeps_slots = true;
    for (unsigned i = 0; i < NIC_SLOTS + 10; i++)
        send(&a, 1, 64, (struct port_send){ 0 });
    EXPECT_EQ(COUNTERS(b)->out_drops[DROP_NO_BUFFER], 10);
    send(&a, 2, 64, (struct port_send){ 0 });
    EXPECT_EQ(d.got_count, 1);
    EXPECT_EQ(a.sent, NIC_SLOTS + 11);
    EXPECT_EQ(net_imbalance(), 0);
}

TEST(a_full_ring_drops_at_the_receiver_and_loses_no_completion)
{
    struct port_slots all = { 0, NIC_SLOTS };
    uint32_t sent = 0;

    fresh();
    for (unsigned i = 0; i < 10000 && !COUNTERS(b)->out_drops[DROP_RING_FULL]; i++) {
        nic_send(&a, frame, frame_make(frame, 0, 1, 64), (struct port_send){ 0 });
        nic_send(&b, frame, frame_make(frame, 1, 0, 64), (struct port_send){ 0 });
        sent++;
        net_settle();
        nic_poll(&a);
        if (!net.ports[1].connection.slots.free_count)
            nic_say(&b, PORT_RETURN, 1, &all, sizeof(all));
    }
    EXPECT(COUNTERS(b)->out_drops[DROP_RING_FULL] > 0);
    EXPECT_EQ(net_imbalance(), 0);
    for (unsigned i = 0; i < 40; i++) {
        nic_poll(&b);
        net_settle();
    }
    EXPECT_EQ(b.sent, sent);
}

TEST(slots_that_are_no_slots_or_free_already_are_refused)
{
    const struct port_slots bad[] = {
        { NIC_SLOTS, 1 }, { 0, NIC_SLOTS + 1 }, { UINT32_MAX, 2 }, { 3, 1 }
    };

    fresh();
    nic_say(&b, PORT_RETURN, array_count(bad), bad, sizeof(bad));
    net_settle();
    EXPECT_EQ(net_board.unknown_count, array_count(bad));
    EXPECT_EQ(net.ports[1].connection.slots.free_count, NIC_SLOTS);
}

TEST(a_completion_waits_for_company_but_not_long)
{
    fresh();
    nic_send(&a, frame, frame_make(frame, 0, 1, 64), (struct port_send){ 0 });
    net_round();
    EXPECT_EQ(core_round(&net, 0, net_now), net_now + SENT_HELD_NS);
    nic_poll(&a);
    EXPECT_EQ(a.sent, 0);
    nic_send(&b, frame, frame_make(frame, 1, 0, 64), (struct port_send){ 0 });
    net_round();
    nic_poll(&a);
    EXPECT_EQ(a.sent, 1);
    EXPECT_EQ(a.got_count, 1);
    net_now += SENT_HELD_NS;
    EXPECT_EQ(core_round(&net, 0, net_now), DEADLINE_NEVER);
    nic_poll(&b);
    EXPECT_EQ(b.sent, 1);
}

TEST(sixteen_completions_go_at_once)
{
    fresh();
    for (unsigned i = 0; i < SENT_HELD_COUNT; i++)
        nic_send(&a, frame, frame_make(frame, 0, 1, 64), (struct port_send){ 0 });
    net_round();
    nic_poll(&a);
    EXPECT_EQ(a.sent, SENT_HELD_COUNT);
}

TEST(views_of_another_length_or_that_cannot_be_written_are_refused)
{
    struct port_connect m = nic_usual();
    handle_t swap;

    fresh();
    unsigned open = net_objects_open;
    m.send_bytes += PAGE_BYTES;
    nic_connect(&a, &m);
    net_settle();
    EXPECT_EQ(net_board.ports[0].is_connected, 0);
    EXPECT_EQ(net_objects_open, open - 8); /* three lent and our own, each open and mapped */
    m = nic_usual();
    swap = a.handles[0];
    a.handles[0] = a.handles[1];
    a.handles[1] = swap;
    m.send_bytes = NIC_RECEIVE_BYTES;
    m.receive_bytes = NIC_SEND_BYTES;
    m.slot_count = NIC_SLOTS / 2;
    nic_connect(&a, &m);
    net_settle();
    EXPECT_EQ(net_board.ports[0].is_connected, 0);
    EXPECT_EQ(net_board.unknown_count, 2);
    EXPECT_EQ(net_objects_open, open - 8);
}

TEST(connections_whose_numbers_do_not_fit_are_refused)
{
    struct port_connect bad[8];

    for (unsigned i = 0; i < array_count(bad); i++)
        bad[i] = nic_usual();
    bad[0].slot_count = 0;
    bad[1].slot_count = NIC_SLOTS + 1;
    bad[2].slot_bytes = 1u << 31;
    bad[3].frame_offset = NIC_SLOT_BYTES;
    bad[4].mtu = MTU_MIN - 1;
    bad[5].mtu = MTU_MAX + 1;
    bad[6].slot_bytes = 0;
    bad[7].slot_count = UINT32_MAX;
    fresh();
    for (unsigned i = 0; i < array_count(bad); i++) {
        nic_connect(&a, &bad[i]);
        net_settle();
        EXPECT_EQ(net_board.ports[0].is_connected, 0);
    }
    EXPECT_EQ(net_board.unknown_count, array_count(bad));
}

TEST(messages_of_an_older_generation_are_passed_over)
{
    struct port_connect m = nic_usual();

    fresh();
    nic_connect(&a, &m);
    net_settle();
    a.generation--;
    send(&a, 1, 64, (struct port_send){ 0 });
    EXPECT_EQ(COUNTERS(a)->in_frames, 0);
    a.generation++;
    send(&a, 1, 64, (struct port_send){ 0 });
    EXPECT_EQ(COUNTERS(a)->in_frames, 1);
    EXPECT_EQ(b.got_count, 1);
}

TEST(a_disconnected_port_gets_nothing_and_gives_all_back)
{
    fresh();
    unsigned open = net_objects_open;
    nic_say(&b, PORT_DISCONNECT, 0, NULL, 0);
    net_settle();
    EXPECT_EQ(net_objects_open, open - 8);
    send(&a, 1, 64, (struct port_send){ 0 });
    EXPECT_EQ(COUNTERS(b)->out_drops[DROP_LINK_DOWN], 1);
    core_begin(&net, net_now);
    EXPECT_EQ(config_remove_port(&net, 1), OK);
    core_end(&net);
    EXPECT_EQ(net_objects_open, open - 10); /* its channel, too */
    net_settle();
}

TEST(what_a_removed_port_counted_is_there_for_the_manager)
{
    fresh();
    send(&a, 1, 64, (struct port_send){ 0 });
    core_begin(&net, net_now);
    EXPECT_EQ(config_remove_port(&net, 1), OK);
    core_end(&net);
    EXPECT_EQ(net_board.ports[1].is_used, 0);
    EXPECT_EQ(COUNTERS(b)->out_frames, 1);
}

static void send_packet(const struct packet_shape *shape, uint16_t mss)
{
    nic_send(&a, frame, packet_make(frame, shape),
             (struct port_send){ .flags = shape->flags, .mss = mss });
    net_settle();
    nic_poll(&b);
}

TEST(checksums_that_are_asked_for_are_right_on_the_wire)
{
    static const uint16_t kinds[] = { PORT_SEND_TCP | PORT_SEND_IPV4,
                                      PORT_SEND_TCP | PORT_SEND_IPV6,
                                      PORT_SEND_UDP | PORT_SEND_IPV4,
                                      PORT_SEND_UDP | PORT_SEND_IPV6,
                                      PORT_SEND_UDP | PORT_SEND_IPV4 | PORT_SEND_IP_HEADER };

    fresh();
    for (unsigned k = 0; k < array_count(kinds); k++)
        for (uint32_t n = 0; n < 400; n += 13) {
            send_packet(&(struct packet_shape){ n, 0, 1, kinds[k], 0x10 }, 0);
            EXPECT_EQ(b.got_count, 1);
            EXPECT(packet_wrong(b.got[0].data, b.got[0].bytes) == NULL);
            EXPECT(b.got[0].flags & (k < 2 ? PORT_RECEIVED_TCP_OK : PORT_RECEIVED_UDP_OK));
        }
    EXPECT_EQ(net_imbalance(), 0);
}

TEST(requests_that_do_not_fit_the_headers_are_dropped)
{
    struct packet_shape tcp = { 100, 0, 1, PORT_SEND_TCP | PORT_SEND_IPV4, 0 };
    static const struct port_send bad[] = {
        { .flags = PORT_SEND_UDP | PORT_SEND_IPV4 },
        { .flags = PORT_SEND_TCP | PORT_SEND_IPV6 },
        { .flags = PORT_SEND_TCP },
        { .flags = PORT_SEND_TCP | PORT_SEND_UDP | PORT_SEND_IPV4 },
        { .flags = PORT_SEND_TCP | PORT_SEND_IPV4, .l4_offset = 35 },
        { .flags = PORT_SEND_LSO | PORT_SEND_IPV4, .mss = 0 },
        { .flags = PORT_SEND_LSO | PORT_SEND_IPV6, .mss = 100 },
    };

    fresh();
    for (unsigned i = 0; i < array_count(bad); i++) {
        nic_send(&a, frame, packet_make(frame, &tcp), bad[i]);
        net_settle();
        EXPECT_EQ(COUNTERS(a)->in_drops[DROP_OFFLOAD], i + 1);
    }
    EXPECT_EQ(net_imbalance(), 0);
}

static void check_segments(bool is_ipv6, uint32_t payload, uint16_t mss)
{
    uint16_t kind = PORT_SEND_LSO | PORT_SEND_TCP | (is_ipv6 ? PORT_SEND_IPV6 : PORT_SEND_IPV4);
    uint32_t header = is_ipv6 ? 86 : 66, at = 0, count = (payload + mss - 1) / mss;

    fresh();
    send_packet(&(struct packet_shape){ payload, 0, 1, kind, 0x99 /* CWR ACK PSH FIN */ }, mss);
    EXPECT_EQ(b.got_count, count);
    for (unsigned i = 0; i < b.got_count; i++) {
        const struct got *g = &b.got[i];
        uint32_t n = min(payload - at, (uint32_t)mss);
        uint8_t flags = (uint8_t)(0x10 | (i ? 0 : 0x80) | (i + 1 == count ? 0x09 : 0));

        EXPECT(packet_wrong(g->data, g->bytes) == NULL);
        EXPECT_EQ(g->bytes, max(header + n, 60u));
        EXPECT(memcmp(g->data + header, frame + header + at, n) == 0);
        EXPECT_EQ(g->data[header - 19], flags);
        at += n;
    }
    EXPECT_EQ(COUNTERS(b)->lso_sends, 1);
    EXPECT_EQ(COUNTERS(b)->segments, count);
    EXPECT_EQ(net_imbalance(), 0);
}

TEST(a_long_tcp_frame_is_cut_into_right_segments)
{
    EXPECT_OF(check_segments(false, 1, 1448));
    EXPECT_OF(check_segments(false, 1448, 1448));
    EXPECT_OF(check_segments(false, 1449, 1448));
    EXPECT_OF(check_segments(false, 60000, 1448));
    EXPECT_OF(check_segments(true, 60000, 1428));
    EXPECT_OF(check_segments(true, 3001, 999));
}

TEST(a_receiver_that_takes_long_frames_gets_the_whole_in_a_chain)
{
    fresh();
    nic_filter(&b, NIC_TAKES_ALL | PORT_TAKES_LSO_IPV4);
    send_packet(
        &(struct packet_shape){ 60000, 0, 1, PORT_SEND_LSO | PORT_SEND_TCP | PORT_SEND_IPV4, 0x18 },
        1448);
    EXPECT_EQ(b.got_count, 1);
    EXPECT_EQ(b.got[0].bytes, 60066);
    EXPECT_EQ(b.got[0].pieces, 32);
    EXPECT_EQ(b.got[0].flags, PORT_RECEIVED_LSO | PORT_RECEIVED_TCP_OK | PORT_RECEIVED_IP_OK);
    EXPECT(memcmp(b.got[0].data + 66, frame + 66, 60000) == 0);
    EXPECT_EQ(plain_sum(b.got[0].data + 14, 20, 0), 0xffff);
    EXPECT_EQ(COUNTERS(b)->lso_whole, 1);
    EXPECT_EQ(COUNTERS(b)->lso_sends, 0);
    EXPECT_EQ(net_imbalance(), 0);
}

TEST(a_chain_that_finds_too_few_slots_takes_none)
{
    fresh();
    nic_filter(&b, NIC_TAKES_ALL | PORT_TAKES_LSO_IPV4);
    net_round();
    net.ports[1].connection.slots.free_count = 31;
    send_packet(
        &(struct packet_shape){ 60000, 0, 1, PORT_SEND_LSO | PORT_SEND_TCP | PORT_SEND_IPV4, 0x18 },
        1448);
    EXPECT_EQ(b.got_count, 0);
    EXPECT_EQ(COUNTERS(b)->out_drops[DROP_NO_BUFFER], 1);
    EXPECT_EQ(net.ports[1].connection.slots.free_count, 31);
    EXPECT_EQ(net_imbalance(), 0);
}

TEST(a_frame_of_countless_segments_is_dropped)
{
    fresh();
    send_packet(
        &(struct packet_shape){ 60000, 0, 1, PORT_SEND_LSO | PORT_SEND_TCP | PORT_SEND_IPV4, 0x18 },
        1);
    EXPECT_EQ(COUNTERS(a)->in_drops[DROP_OFFLOAD], 1);
}

static struct port_send any_send(void)
{
    struct port_send s = { 0 };

    if (rand() % 4 == 0)
        s.flags = (uint16_t)rand();
    s.mss = (uint16_t)(rand() % 3 ? 1448 : rand());
    s.tci = (uint16_t)rand();
    s.l4_offset = rand() % 8 ? 0 : 34;
    return s;
}

static void send_anything(struct nic *n)
{
    static const uint16_t kinds[] = { PORT_SEND_TCP | PORT_SEND_IPV4,
                                      PORT_SEND_UDP | PORT_SEND_IPV6,
                                      PORT_SEND_LSO | PORT_SEND_IPV4,
                                      PORT_SEND_LSO | PORT_SEND_IPV6 };
    struct packet_shape shape = { (uint32_t)(rand() % 20000), (uint8_t)n->port,
                                  (uint8_t)(rand() % 5), kinds[rand() % 4], (uint8_t)rand() };
    struct port_send s = any_send();

    if (rand() % 2) {
        s.flags = shape.flags;
        nic_send(n, frame, packet_make(frame, &shape), s);
        return;
    }
    nic_send(n, frame,
             frame_make(frame, (uint8_t)n->port, (uint8_t)(rand() % 3 ? rand() % 5 : 255),
                        (uint32_t)(14 + rand() % 1600)),
             s);
}

TEST(random_traffic_keeps_the_identity)
{
    static const uint32_t takes[] = { NIC_TAKES_ALL, PORT_TAKES_PROMISCUOUS,
                                      NIC_TAKES_ALL | PORT_TAKES_LSO_IPV4 | PORT_TAKES_LSO_IPV6 };
    struct nic *nics[] = { &a, &b, &d };

    srand(1);
    fresh();
    for (unsigned i = 0; i < 5000; i++) {
        struct nic *n = nics[rand() % 3];

        if (rand() % 50 == 0)
            set(n, rand() % 4 ? PORT_IS_UP | PORT_MAY_SPOOF : (uint32_t)rand() % 8,
                rand() % 2 ? trunk(0, 0) : access((uint16_t)(1 + rand() % 2)));
        if (rand() % 50 == 0)
            nic_filter(n, takes[rand() % 3]);
        n->keeps_slots = rand() % 500 == 0;
        send_anything(n);
        if (rand() % 8)
            continue;
        net_settle();
        for (unsigned k = 0; k < 3; k++)
            nic_poll(nics[k]);
        EXPECT_EQ(net_imbalance(), 0);
    }
    EXPECT(COUNTERS(a)->out_frames && COUNTERS(b)->segments && COUNTERS(d)->lso_whole);
}

TEST(a_new_program_goes_on_counting)
{
    fresh();
    send(&a, 1, 64, (struct port_send){ 0 });
    core_init(&net, &net_board, 1, 1, 43);
    EXPECT_EQ(net_board.start_count, 2);
    EXPECT_EQ(net_board.sequence % 2, 0);
    EXPECT_EQ(net_board.ports[0].is_connected, 0);
    core_begin(&net, net_now);
    struct switch_config s = { .index = 0, .name = "net" };
    EXPECT_EQ(config_set_switch(&net, &s), OK);
    core_end(&net);
    join(&a, 0, 0);
    join(&b, 1, 0);
    send(&a, 1, 64, (struct port_send){ 0 });
    EXPECT_EQ(COUNTERS(a)->in_frames, 2);
    EXPECT_EQ(net_imbalance(), 0);
}

TEST(a_broken_ring_closes_the_link_only)
{
    fresh();
    a.out.control->write_index = 4;
    net_settle();
    EXPECT(!net.ports[0].has_link);
    send(&b, 2, 64, (struct port_send){ 0 });
    EXPECT_EQ(d.got_count, 1);
}

TEST(a_capture_holds_what_came_and_what_went)
{
    static uint64_t region[KIB(64) / 8];
    struct capture *c = &net.captures.all[0];
    const struct capture_head *head = (void *)region;

    fresh();
    *c = (struct capture){ .head = (void *)region,
                           .config = { .port_index = CAPTURE_ALL_PORTS, .snap_bytes = 65535 } };
    c->file = (struct pcapng){ (uint8_t *)region + CAPTURE_BYTES_OFFSET, KIB(60), 0 };
    net.captures.count = 1;
    send(&a, 1, 64, (struct port_send){ 0 });
    send(&a, 99, 64, (struct port_send){ 0 });
    EXPECT_EQ(head->frame_count, 3);
    EXPECT(head->used > 3 * 64 && head->used % 4 == 0);
    EXPECT(memmem(region, sizeof(region), "dropped: no receiver", 20) != NULL);
}
