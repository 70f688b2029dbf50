// SOURCES: services/switch/*.c -services/switch/main.c lib/ring.c lib/string.c lib/err.c
// SOURCES: tests/unit/services/switch/fake_net.c
/* The manager's messages. */
#include "services/switch/control.h"
#include "tests/unit/services/switch/fake_net.h"
#include "tests/unit/test.h"

#define RING_BYTES (PAGE_BYTES + SWITCH_CONTROL_DATA_BYTES)

static struct control control;
static struct ring to_switch, from_switch;
static handle_t channel;

static void fresh(void)
{
    uint8_t *rings;

    net_reset();
    channel = net_object(2 * RING_BYTES, &rings);
    ring_init((void *)rings);
    ring_init((void *)(rings + RING_BYTES));
    control = (struct control){ 0 };
    if (control_open(&control, channel, rings, SWITCH_CONTROL_DATA_BYTES) ||
        ring_attach_reader(&from_switch, rings, SWITCH_CONTROL_DATA_BYTES) ||
        ring_attach_writer(&to_switch, rings + RING_BYTES, SWITCH_CONTROL_DATA_BYTES))
        abort();
}

static void tell(uint32_t type, const void *payload, uint32_t bytes)
{
    struct ring_packet packet = { .type = RING_DATA_INBAND };
    struct switch_message m = { type, 0 };
    struct ring_part parts[] = { { &m, sizeof(m) }, { payload, bytes } };

    if (ring_put(&to_switch, &packet, parts, 2))
        abort();
    (void)!ring_publish(&to_switch);
    core_begin(&net, net_now);
    control_serve(&control, &net);
    core_end(&net);
}

static void tell_index(uint32_t type, uint32_t index)
{
    struct switch_index m = { index, 0 };

    tell(type, &m, sizeof(m));
}

static void tell_port(uint16_t index)
{
    struct port_config p = net_config(index);

    tell(PORT_SET, &p, sizeof(p));
}

/* The next message of the switch: its type; 0: none. */
static uint32_t heard(uint32_t *index)
{
    struct {
        struct switch_message head;
        struct switch_index payload;
    } m = { 0 };
    struct ring_packet h;

    if (ring_peek(&from_switch, &h) || ring_read(&from_switch, &h, 16, &m, sizeof(m)))
        return 0;
    ring_advance(&from_switch, &h);
    (void)!ring_commit(&from_switch);
    *index = m.payload.index;
    return m.head.type;
}

TEST(a_port_is_made_linked_and_removed)
{
    uint8_t *rings;
    uint32_t index;
    handle_t link;

    fresh();
    tell_port(3);
    EXPECT_EQ(net_board.ports[3].is_used, 1);
    link = net_object(2 * (PAGE_BYTES + PORT_LINK_DATA_BYTES), &rings);
    net_send_handle(channel, link);
    tell_index(PORT_LINK, 3);
    EXPECT_EQ(heard(&index), SWITCH_TAKEN);
    EXPECT_EQ(index, 3);
    EXPECT(net.ports[3].has_link);
    EXPECT_EQ(net_objects_open, 2);
    tell_index(SWITCH_REMOVE, 0); /* it has a port */
    EXPECT_EQ(net_board.unknown_count, 1);
    tell_index(PORT_REMOVE, 3);
    EXPECT_EQ(net_board.ports[3].is_used, 0);
    EXPECT_EQ(net_objects_open, 0);
    tell_index(SWITCH_REMOVE, 0);
    EXPECT_EQ(net_board.switches[0].is_used, 0);
    EXPECT_EQ(net_board.unknown_count, 1);
}

TEST(a_link_for_no_port_is_taken_and_closed)
{
    uint8_t *rings;
    uint32_t index;

    fresh();
    net_send_handle(channel, net_object(4096, &rings));
    tell_index(PORT_LINK, PORTS_MAX);
    EXPECT_EQ(heard(&index), SWITCH_TAKEN);
    EXPECT_EQ(net_objects_open, 0);
    EXPECT_EQ(net_board.unknown_count, 1);
}

TEST(a_second_link_replaces_the_first)
{
    uint8_t *rings;

    fresh();
    tell_port(3);
    for (unsigned i = 0; i < 2; i++) {
        net_send_handle(channel, net_object(2 * (PAGE_BYTES + PORT_LINK_DATA_BYTES), &rings));
        tell_index(PORT_LINK, 3);
    }
    EXPECT_EQ(net_objects_open, 2);
}

TEST(fields_out_of_range_are_refused)
{
    struct switch_config s = { .index = SWITCHES_MAX };
    struct port_config p = net_config(1);
    struct port_config bad[4] = { p, p, p, p };

    fresh();
    bad[0].index = PORTS_MAX;
    bad[1].switch_index = 1; /* there is none */
    bad[2].vlan.mode = VLAN_MODE_END;
    bad[3].mac.bytes[0] = 1;
    for (unsigned i = 0; i < array_count(bad); i++)
        tell(PORT_SET, &bad[i], sizeof(bad[i]));
    tell(SWITCH_SET, &s, sizeof(s));
    tell(PORT_SET, &p, sizeof(p) - 8);
    tell_index(PORT_REMOVE, 1);
    tell_index(CAPTURE_STOP, CAPTURES_MAX);
    tell_index(99, 0);
    EXPECT_EQ(net_board.unknown_count, 9);
    EXPECT_EQ(net_board.ports[1].is_used, 0);
}

TEST(a_capture_runs_from_start_to_stop)
{
    struct capture_start s = { .port_index = CAPTURE_ALL_PORTS,
                               .snap_bytes = 96,
                               .region_bytes = KIB(64) };
    uint8_t *region;

    fresh();
    net_send_handle(channel, net_object(KIB(64), &region));
    tell(CAPTURE_START, &s, sizeof(s));
    EXPECT_EQ(net.captures.count, 1);
    EXPECT_EQ(((struct capture_head *)(void *)region)->used, 28);
    tell_index(CAPTURE_STOP, 0);
    EXPECT_EQ(net.captures.count, 0);
    EXPECT_EQ(net_objects_open, 0);
    net_send_handle(channel, net_object(KIB(4), &region)); /* shorter than was said */
    tell(CAPTURE_START, &s, sizeof(s));
    EXPECT_EQ(net.captures.count, 0);
    EXPECT_EQ(net_objects_open, 0);
}

TEST(the_sequence_is_even_whenever_the_manager_can_look)
{
    uint32_t before;

    fresh();
    before = net_board.sequence;
    tell_port(1);
    EXPECT_EQ(net_board.sequence % 2, 0);
    EXPECT(net_board.sequence > before);
}
