/* What a sender asks for with a frame: to finish its checksums, or to cut it into segments. */
#pragma once
#include "services/switch/frame.h"

#define OFFLOAD_REQUESTS (PORT_SEND_TCP | PORT_SEND_UDP | PORT_SEND_IP_HEADER | PORT_SEND_LSO)

/* Prepares @f as it asks: checksums are finished in its head, which then ends with its headers; a
 * frame to be cut gets the lengths and the IP checksum of the whole. Sets received_flags and layers.
 * False: DROP_OFFLOAD. */
bool offload_prepare(struct frame *f) MUST_CHECK;

/* Fills in the IPv4 header's checksum, for a header of @bytes. */
void offload_finish_ipv4(uint8_t *ip, uint32_t bytes);
