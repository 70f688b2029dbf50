/* The hash is linear: that of an input is the sum (exclusive or) of those of its half bytes, each at its
 * place. */
#include "services/vmm/vsp/flow.h"
#include "lib/string.h"

#define ETHERTYPE_IPV4 0x0800u
#define ETHERTYPE_IPV6 0x86ddu
#define PROTOCOL_TCP   6u

/* The 32 bits of the key from bit @at on. */
static uint32_t window(const uint8_t key[NDIS_RSS_KEY_BYTES], uint32_t at)
{
    uint64_t v = 0;

    for (uint32_t i = 0; i < 5; i++)
        v = v << 8 | (at / 8 + i < NDIS_RSS_KEY_BYTES ? key[at / 8 + i] : 0);
    return (uint32_t)(v >> (8 - at % 8));
}

void flow_set_key(struct flow_key *k, const uint8_t key[NDIS_RSS_KEY_BYTES])
{
    for (uint32_t i = 0; i < 2 * FLOW_INPUT_BYTES_MAX; i++)
        for (uint32_t v = 0; v < 16; v++) {
            uint32_t sum = 0;

            for (uint32_t bit = 0; bit < 4; bit++)
                if (v & 8u >> bit)
                    sum ^= window(key, 4 * i + bit);
            k->nibbles[i][v] = sum;
        }
}

uint32_t flow_toeplitz(const struct flow_key *k, const uint8_t *input, uint32_t bytes)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < bytes; i++)
        sum ^= k->nibbles[2 * i][input[i] >> 4] ^ k->nibbles[2 * i + 1][input[i] & 15];
    return sum;
}

static uint32_t get16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static bool hash_ipv4(const struct flow_key *k, uint32_t kinds, const uint8_t *ip, uint32_t n,
                      uint32_t *out)
{
    uint8_t input[12];
    uint32_t header;

    if (n < 20 || ip[0] >> 4 != 4)
        return false;
    header = 4u * (ip[0] & 15);
    memcpy(input, ip + 12, 8);
    if (kinds & NDIS_HASH_TCP_IPV4 && ip[9] == PROTOCOL_TCP && header >= 20 && header + 4 <= n &&
        !(get16(ip + 6) & 0x3fff)) { /* no fragment */
        memcpy(input + 8, ip + header, 4);
        *out = flow_toeplitz(k, input, 12);
        return true;
    }
    *out = flow_toeplitz(k, input, 8);
    return kinds & NDIS_HASH_IPV4;
}

static bool hash_ipv6(const struct flow_key *k, uint32_t kinds, const uint8_t *ip, uint32_t n,
                      uint32_t *out)
{
    uint8_t input[36];

    if (n < 40 || ip[0] >> 4 != 6)
        return false;
    memcpy(input, ip + 8, 32);
    if (kinds & NDIS_HASH_TCP_IPV6 && ip[6] == PROTOCOL_TCP && n >= 44) {
        memcpy(input + 32, ip + 40, 4);
        *out = flow_toeplitz(k, input, 36);
        return true;
    }
    *out = flow_toeplitz(k, input, 32);
    return kinds & NDIS_HASH_IPV6;
}

bool flow_hash(const struct flow_key *k, uint32_t kinds, const uint8_t *frame, uint32_t n,
               uint32_t *out)
{
    if (n < 14)
        return false;
    switch (get16(frame + 12)) {
    case ETHERTYPE_IPV4: return hash_ipv4(k, kinds, frame + 14, n - 14, out);
    case ETHERTYPE_IPV6: return hash_ipv6(k, kinds, frame + 14, n - 14, out);
    default: return false;
    }
}
