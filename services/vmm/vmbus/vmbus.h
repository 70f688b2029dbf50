/* The VMBus server in its machine: the ports where the guest's messages and signals arrive, the
 * queue in front of the kernel's message slots, and the mapping of rings. */
#pragma once
#include "services/vmm/image.h"
#include "services/vmm/vmbus/server.h"

struct machine;

/* Bits of machine.wake; from WAKE_EVENTS on one for each of the first channels, by its id. The others
 * share one bit, and their flags are taken from the ports of their rows. */
#define WAKE_POSTS  8u
#define WAKE_SLOT   9u
#define WAKE_ROWS   10u
#define WAKE_EVENTS 32u

#define VMBUS_DIRECT_CHANNELS (64u - WAKE_EVENTS)
#define VMBUS_ROWS            ((VMBUS_CHANNELS_MAX + 64u - VMBUS_DIRECT_CHANNELS) / 64u)
#define VMBUS_INBOX_MAX       32u /* what both message ports hold */

struct vmbus {
    struct server server;
    struct machine *machine;
    handle_t posts[2];
    handle_t direct, rows[VMBUS_ROWS]; /* ports; made when the first of its channels is opened */
    uint64_t more[VMBUS_ROWS];         /* flags of channels that had their turn */
    struct server_message inbox[VMBUS_INBOX_MAX];
    uint32_t head, count;
    uint64_t complaint_ns; /* when the last was logged */
    uint32_t complaint_count;
};

enum err vmbus_open(struct vmbus *v, struct machine *m) MUST_CHECK;

/* Serves what @bits of machine.wake say has come, and sends what there is for the guest. */
void vmbus_serve(struct vmbus *v, uint64_t bits);

/* Looks at every channel and signals the guest for each, after it was restored or stood still. */
void vmbus_resumed(struct vmbus *v);

/* vCPUs stand still. Takes what the kernel's ports still hold, then writes all. */
void vmbus_save(struct vmbus *v, struct image_writer *w);
/* Errors as server_restore(). */
enum err vmbus_restore(struct vmbus *v, const struct record *r, const void *payload) MUST_CHECK;
