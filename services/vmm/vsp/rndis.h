/* The RNDIS device that a guest's network driver sets up and asks: control messages in, answers out.
 * Pure; every OID is in one table, with exact sizes. What is not there is not supported.
 * Source: Linux drivers/net/hyperv/rndis_filter.c (what it asks in which order, and what it checks). */
#pragma once
#include "lib/abi/network.h"
#include "lib/abi/port_link.h"
#include "lib/abi/rndis.h"
#include "lib/err.h"

#define RNDIS_CONTROL_BYTES_MAX 1024u /* of a message from the guest: RSS parameters have 620 */
#define RNDIS_ANSWER_BYTES_MAX  256u  /* the offload capabilities have 180 */

struct rndis_rss {
    uint32_t is_on;
    uint32_t hash; /* NDIS_HASH_* */
    uint8_t key[NDIS_RSS_KEY_BYTES];
    uint8_t table[NDIS_RSS_TABLE_ENTRIES]; /* of queues */
};

struct rndis {
    /* what the host says: */
    struct mac_address permanent_mac;
    bool link_is_up, may_change_mac;
    uint64_t speed_bits;
    uint32_t queue_max; /* channels that the guest may have */
    char name[PORT_NAME_BYTES];
    /* what the connection says: */
    uint32_t nvsp_version, mtu;
    /* what the guest has set: */
    bool is_initialized;
    uint32_t filter; /* FILTER_* */
    uint8_t takes_rsc_ip4, takes_rsc_ip6;
    struct mac_address mac;
    struct rndis_rss rss;
};

/* What a guest may set its filter to. */
#define RNDIS_FILTER_KNOWN                                                          \
    (FILTER_DIRECTED | FILTER_MULTICAST | FILTER_ALL_MULTICAST | FILTER_BROADCAST | \
     FILTER_PROMISCUOUS)

/* What an answer says has changed. */
#define RNDIS_HALTED     1u
#define RNDIS_NEW_FILTER 2u /* or offloads */
#define RNDIS_NEW_MAC    4u
#define RNDIS_NEW_RSS    8u
#define RNDIS_IS_STRANGE 16u /* the message was no RNDIS; there is no answer */

/* As after the guest's first word, or its last. */
void rndis_reset(struct rndis *r);

/* Obeys the @n bytes of one control message (a private copy). The answer goes to @out, of
 * RNDIS_ANSWER_BYTES_MAX bytes; *@out_bytes 0: there is none. Returns what has changed. */
uint32_t rndis_control(struct rndis *r, const uint8_t *in, uint32_t n, uint8_t *out,
                       uint32_t *out_bytes);

/* The message that tells the guest the link's state, or its speed; returns its length. */
uint32_t rndis_indicate_link(const struct rndis *r, uint8_t *out);
uint32_t rndis_indicate_speed(const struct rndis *r, uint8_t *out);

/* PORT_TAKES_* as filter and offloads say. */
uint32_t rndis_takes(const struct rndis *r);
