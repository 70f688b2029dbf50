/* How addresses and speeds of NICs are written. */
#pragma once
#include "lib/abi/network.h"

#define SPEED_BITS_MAX 400000000000ull /* a second */

/* Six bytes in hex with colons between them. False: @text is something else. */
bool mac_parse(const char *text, struct mac_address *out) MUST_CHECK;
bool mac_is_equal(const struct mac_address *a, const struct mac_address *b);
#define MAC_TEXT_BYTES 18u
void mac_text(const struct mac_address *m, char out[MAC_TEXT_BYTES]);

/* Bits a second, K, M and G in thousands: 1 to SPEED_BITS_MAX. False: it is not. */
bool speed_parse(const char *text, size_t n, uint64_t *out) MUST_CHECK;
