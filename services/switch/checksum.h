/* The Internet checksum (RFC 1071): ones' complement sums of 16-bit words. Sums are taken in the
 * machine's byte order, which the sum allows, and are stored as they are. */
#pragma once
#include "lib/types.h"

/* Adds the @bytes at @data to @sum, a sum so far (0 at first), not folded. What is added must begin
 * at an even offset of what is summed. @data may be lent memory. */
uint64_t checksum_add(uint64_t sum, const void *data, size_t bytes);

/* @sum as 16 bits, in memory order: what a field holds that is to be finished. */
static inline uint16_t checksum_fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* What a checksum's field gets, in memory order. */
static inline uint16_t checksum_finish(uint64_t sum)
{
    return (uint16_t)~checksum_fold(sum);
}
