/* The addresses of one switch: which port an address of a VLAN is behind.
 *
 * Each address has two buckets of four rows under a keyed hash, so that a look-up costs at most eight
 * probes whatever senders do; when all eight are taken, a new address is not learned and its frames
 * are flooded. A port's own address is static: it evicts a learned one and never moves. */
#pragma once
#include "lib/abi/switch_control.h"
#include "lib/err.h"

#define MAC_BUCKET_ROWS 4u
#define MAC_BUCKETS     (MAC_ROWS / MAC_BUCKET_ROWS)
#define MAC_ANY_VLAN    0xffffu /* of a trunk's own address: in whatever VLAN */

struct mac_table {
    struct mac_row *rows;   /* MAC_ROWS, on the board */
    struct switch_row *row; /* what is counted */
    uint64_t keys[2];
    uint32_t swept; /* the next row to look at for its age */
    uint32_t any_vlan_count;
    uint32_t learned[PORTS_MAX];
};

/* Empty. @seed: what senders cannot know. */
void mac_table_init(struct mac_table *t, struct mac_row *rows, struct switch_row *row,
                    uint64_t seed);

/* @mac: six bytes as a number, as frame_mac() has them. NULL: nobody has it. */
const struct mac_row *mac_table_find(const struct mac_table *t, uint64_t mac, uint16_t vlan)
    MUST_CHECK;

/* @port has sent from @mac: learned, moved or seen again, if it teaches no more than @learned_max. */
void mac_table_learn(struct mac_table *t, uint64_t mac, uint16_t vlan, uint16_t port,
                     uint32_t learned_max, uint32_t now_s);

/* @port's own address. ERR_EXISTS: it is another port's. ERR_FULL: all its rows are static. */
enum err mac_table_set_static(struct mac_table *t, uint64_t mac, uint16_t vlan, uint16_t port)
    MUST_CHECK;

/* Forgets what is behind @port, its own address too. */
void mac_table_forget(struct mac_table *t, uint16_t port);

/* Forgets those of the next @count rows that were learned and last seen before @oldest_s. */
void mac_table_sweep(struct mac_table *t, uint32_t count, uint32_t oldest_s);
