/* Captures: what ports see, as pcapng in regions of the manager's. */
#pragma once
#include "lib/abi/port_link.h"
#include "lib/abi/switch_control.h"
#include "lib/err.h"
#include "services/switch/pcapng.h"

struct capture {
    struct capture_head *head; /* the region, mapped; NULL: not in use */
    handle_t region;
    struct capture_start config;
    struct pcapng file;
    uint32_t interface_count;
    uint32_t interfaces[PORTS_MAX]; /* of a port, + 1; 0: not described yet */
};

struct captures {
    uint32_t count; /* in use */
    struct capture all[CAPTURES_MAX];
};

/* One look at a frame. */
struct capture_frame {
    uint16_t port;
    uint16_t switch_index;
    const char *port_name;
    uint64_t time_ns;   /* UTC */
    uint32_t direction; /* PCAPNG_* */
    uint32_t queue;
    enum drop_reason reason; /* DROP_REASON_COUNT: it went on */
    const uint8_t *head, *rest;
    uint32_t head_bytes, rest_bytes;
    uint32_t tci; /* of the tag beside it, or CAPTURE_NO_TAG */
};
#define CAPTURE_NO_TAG UINT32_MAX

/* @region becomes the capture's; one with the same index ends. ERR_ARGUMENT: a bad index or region;
 * the region is the caller's then. */
enum err capture_start(struct captures *c, const struct capture_start *s, handle_t region)
    MUST_CHECK;
/* ERR_ARGUMENT: no such capture. */
enum err capture_stop(struct captures *c, uint32_t index) MUST_CHECK;

void capture_frame(struct captures *c, const struct capture_frame *f);
