// SOURCES: services/switch/mac_table.c
#include "services/switch/mac_table.h"
#include "tests/unit/test.h"

static struct mac_row rows[MAC_ROWS];
static struct switch_row row;
static struct mac_table table;

static void fresh(void)
{
    memset(&row, 0, sizeof(row));
    mac_table_init(&table, rows, &row, 12345);
}

/* The port that @mac of @vlan is behind; -1: nobody knows. */
static int port_of(uint64_t mac, uint16_t vlan)
{
    const struct mac_row *r = mac_table_find(&table, mac, vlan);

    return r ? r->port : -1;
}

TEST(an_address_is_found_in_its_vlan_only)
{
    fresh();
    mac_table_learn(&table, 0x1234, 7, 3, 16, 1);
    EXPECT_EQ(port_of(0x1234, 7), 3);
    EXPECT_EQ(port_of(0x1234, 8), -1);
    EXPECT_EQ(port_of(0x1235, 7), -1);
}

TEST(an_address_moves_with_its_sender)
{
    fresh();
    mac_table_learn(&table, 1, 0, 3, 16, 1);
    mac_table_learn(&table, 1, 0, 4, 16, 2);
    EXPECT_EQ(port_of(1, 0), 4);
    EXPECT_EQ(row.moved_total, 1);
    EXPECT_EQ(row.learned_count, 1);
    EXPECT_EQ(table.learned[3], 0);
}

TEST(a_static_address_never_moves)
{
    fresh();
    EXPECT_EQ(mac_table_set_static(&table, 1, 0, 3), OK);
    mac_table_learn(&table, 1, 0, 4, 16, 1);
    EXPECT_EQ(port_of(1, 0), 3);
    EXPECT_EQ(row.refused_total, 1);
    EXPECT_EQ(mac_table_set_static(&table, 1, 0, 4), ERR_EXISTS);
}

TEST(a_static_address_of_any_vlan_is_found_in_each)
{
    fresh();
    EXPECT_EQ(mac_table_set_static(&table, 1, MAC_ANY_VLAN, 3), OK);
    EXPECT_EQ(port_of(1, 0), 3);
    EXPECT_EQ(port_of(1, 4000), 3);
    mac_table_learn(&table, 1, 5, 4, 16, 1);
    EXPECT_EQ(port_of(1, 5), 3);
    mac_table_forget(&table, 3);
    EXPECT_EQ(port_of(1, 5), -1);
    EXPECT_EQ(table.any_vlan_count, 0);
}

TEST(a_static_address_of_any_vlan_takes_the_place_of_learned_ones)
{
    fresh();
    mac_table_learn(&table, 1, 5, 4, 16, 1);
    mac_table_learn(&table, 1, 6, 4, 16, 1);
    mac_table_learn(&table, 2, 6, 4, 16, 1);
    EXPECT_EQ(mac_table_set_static(&table, 1, MAC_ANY_VLAN, 3), OK);
    EXPECT_EQ(port_of(1, 5), 3);
    EXPECT_EQ(port_of(1, 6), 3);
    EXPECT_EQ(port_of(2, 6), 4);
    EXPECT_EQ(row.learned_count, 1);
}

TEST(a_port_teaches_no_more_than_its_bound)
{
    fresh();
    for (uint64_t mac = 1; mac <= 10; mac++)
        mac_table_learn(&table, mac, 0, 3, 4, 1);
    EXPECT_EQ(table.learned[3], 4);
    EXPECT_EQ(row.refused_total, 6);
    mac_table_learn(&table, 1, 0, 3, 4, 2); /* one that is known is only seen again */
    EXPECT_EQ(row.refused_total, 6);
}

TEST(a_static_address_evicts_a_learned_one_when_all_rows_are_taken)
{
    fresh();
    for (uint64_t mac = 1; mac < 200000; mac++)
        mac_table_learn(&table, mac, 0, 3, UINT32_MAX, 1);
    EXPECT(row.learned_count > MAC_ROWS * 9 / 10);
    for (uint64_t mac = 1; mac <= 64; mac++) {
        EXPECT_EQ(mac_table_set_static(&table, mac << 40, 0, 4), OK);
        EXPECT_EQ(port_of(mac << 40, 0), 4);
    }
    EXPECT_EQ(row.learned_count, table.learned[3]);
}

TEST(what_was_not_seen_for_long_is_forgotten)
{
    fresh();
    mac_table_learn(&table, 1, 0, 3, 16, 100);
    mac_table_learn(&table, 2, 0, 3, 16, 200);
    EXPECT_EQ(mac_table_set_static(&table, 3, 0, 3), OK);
    for (unsigned i = 0; i < MAC_ROWS / 64; i++)
        mac_table_sweep(&table, 64, 150);
    EXPECT_EQ(port_of(1, 0), -1);
    EXPECT_EQ(port_of(2, 0), 3);
    EXPECT_EQ(port_of(3, 0), 3);
    EXPECT_EQ(row.aged_total, 1);
}
