/* The hash by which a frame chooses the guest's channel: Toeplitz over addresses and ports, as the guest
 * has set key and kinds. Pure.
 * Source: Microsoft's "RSS hashing functions" (Windows driver kit), with its test vectors. */
#pragma once
#include "lib/abi/rndis.h"

#define FLOW_INPUT_BYTES_MAX 36u /* two IPv6 addresses and two ports */
#define FLOW_HEAD_BYTES \
    64u /* of a frame: Ethernet, IPv6, ports; IPv4's options are not looked behind */

/* A table for each half byte of the input: made once a key, so that a frame costs no loop over bits. */
struct flow_key {
    uint32_t nibbles[2 * FLOW_INPUT_BYTES_MAX][16];
};

void flow_set_key(struct flow_key *k, const uint8_t key[NDIS_RSS_KEY_BYTES]);

uint32_t flow_toeplitz(const struct flow_key *k, const uint8_t *input, uint32_t bytes);

/* The hash of the frame whose first @n bytes (a private copy, FLOW_HEAD_BYTES at most) are at @frame, of
 * the kinds in @kinds (NDIS_HASH_*). False: it has none of those. */
bool flow_hash(const struct flow_key *k, uint32_t kinds, const uint8_t *frame, uint32_t n,
               uint32_t *out);
