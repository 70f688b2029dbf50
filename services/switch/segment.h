/* Cutting a TCP frame into segments (large send offload v2, NDIS): a step function that makes the
 * headers of one segment after the other from those of the whole. */
#pragma once
#include "services/switch/frame.h"

/* A frame of tiny segments is refused, or it would keep all ports waiting. */
#define SEGMENTS_MAX 2048u

/* Into how many segments @f, with layers found, is to be cut; 0: it cannot be. */
uint32_t segment_count(const struct frame *f) MUST_CHECK;

/* Sets the IP lengths, and the IPv4 checksum, of the packet with headers @head that reaches to @end,
 * bytes from the frame's begin. */
void segment_set_length(uint8_t *head, const struct frame_layers *l, uint32_t end);

struct segment {
    ALIGNED(8) uint8_t head[FRAME_HEAD_MAX]; /* layers.payload bytes are used */
    uint32_t payload_offset, payload_bytes;  /* of f->rest */
};

/* Segment @n of the @count of @f, with all its checksums. */
void segment_make(const struct frame *f, uint32_t n, uint32_t count, struct segment *out);
