/* Writes the blocks of a pcapng 1.0 file (draft-ietf-opsawg-pcapng) into memory: a block is there
 * whole or not at all. */
#pragma once
#include "lib/types.h"

struct pcapng {
    uint8_t *at; /* the file's begin */
    uint64_t capacity, used;
};

#define PCAPNG_INBOUND  1u
#define PCAPNG_OUTBOUND 2u

/* One packet; its bytes are in up to four parts. */
struct pcapng_packet {
    uint32_t interface;
    uint64_t time_ns; /* UTC since 1970 */
    uint32_t bytes;   /* of the packet */
    uint32_t snap_bytes;
    uint32_t direction; /* PCAPNG_* */
    uint32_t queue;
    const char *comment; /* or NULL */
    struct pcapng_part {
        const void *bytes;
        uint32_t n;
    } parts[4];
};

/* All false: no room, and nothing was written. */
bool pcapng_section(struct pcapng *p) MUST_CHECK;
bool pcapng_interface(struct pcapng *p, const char *name, uint32_t snap_bytes) MUST_CHECK;
bool pcapng_packet(struct pcapng *p, const struct pcapng_packet *packet) MUST_CHECK;
