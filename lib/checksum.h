/* CRC-32 (ISO-HDLC, as in Ethernet and zip), four bits at a time. */
#pragma once
#include "lib/types.h"

uint32_t checksum32(const void *data, size_t bytes);
