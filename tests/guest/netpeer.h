/* What the honest guests on a switch and their attacker agree on. */
#pragma once
#include <stdint.h>

#define PEER_TYPE    0x88b5u               /* echoed by do=echo */
#define HOSTILE_TYPE 0x88b6u               /* echoed by nobody */
#define PEER_MARK    0x21454c4954534f48ull /* 'HOSTILE!': in a frame that must not arrive */
#define PEER_SECRET  0xc3u /* eight in a row: bytes that are nobody's but the sender's */

static const uint8_t peer_echo[6] = { 2, 0x42, 0x48, 0, 1, 1 };
static const uint8_t peer_ask[6] = { 2, 0x42, 0x48, 0, 1, 2 };
static const uint8_t peer_all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
