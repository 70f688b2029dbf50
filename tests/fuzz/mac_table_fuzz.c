// SOURCES: services/switch/mac_table.c
/* Any order of learning, forgetting and ageing, with few addresses: what the table counts is what
 * stands in it, no port is past its bound, and static addresses stay where they are. */
#include <assert.h>
#include <string.h>

#include "services/switch/mac_table.h"

#define PORTS       4u
#define LEARNED_MAX 5u

static struct mac_row rows[MAC_ROWS];
static struct switch_row row;
static struct mac_table table;

static void check(void)
{
    uint32_t learned[PORTS] = { 0 }, all = 0;

    for (unsigned i = 0; i < MAC_ROWS; i++) {
        if (!(rows[i].flags & MAC_IS_USED) || rows[i].flags & MAC_IS_STATIC)
            continue;
        assert(rows[i].port < PORTS);
        learned[rows[i].port]++;
        all++;
    }
    for (unsigned p = 0; p < PORTS; p++)
        assert(learned[p] == table.learned[p] && learned[p] <= LEARNED_MAX);
    assert(all == row.learned_count);
}

static void step(const uint8_t *d, uint32_t now_s)
{
    uint64_t mac = d[1] % 32u;
    uint16_t vlan = d[2] % 3u, port = d[3] % PORTS;
    const struct mac_row *before = mac_table_find(&table, mac, vlan);
    bool is_static = before && before->flags & MAC_IS_STATIC;
    uint16_t owner = before ? before->port : 0;

    switch (d[0] % 8) {
    case 0: (void)!mac_table_set_static(&table, mac, d[2] & 64 ? MAC_ANY_VLAN : vlan, port); return;
    case 1: mac_table_forget(&table, port); return;
    case 2: mac_table_sweep(&table, MAC_ROWS, now_s > 16 ? now_s - 16 : 0); return;
    default: mac_table_learn(&table, mac, vlan, port, LEARNED_MAX, now_s);
    }
    if (is_static)
        assert(mac_table_find(&table, mac, vlan)->port == owner);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    memset(&row, 0, sizeof(row));
    mac_table_init(&table, rows, &row, n);
    for (size_t at = 0; at + 4 <= n && at < 4000; at += 4)
        step(data + at, (uint32_t)at / 4);
    check();
    return 0;
}
