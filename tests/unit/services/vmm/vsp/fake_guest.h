/* A guest's driver of an integration service, for host tests: it opens the service's channel and
 * answers what the test tells it to. The host's time is the test's. */
#pragma once
#include "services/vmm/vsp/ic.h"
#include "tests/unit/services/vmm/vmbus/fake_bus.h"

struct fake_guest {
    struct fake_bus bus;
    struct ring out, in;
    struct ic_host host;
    uint64_t now_ns, utc_ns;
    uint32_t changes; /* of the inventory */
    struct ic *ic;
    /* the request that was taken last: */
    struct ic_header head;
    uint64_t transaction;
    uint8_t body[IC_BODY_MAX];
    uint32_t body_bytes;
};

void fake_guest_init(struct fake_guest *g);
/* Offers @ic, connects, opens its channel. */
void fake_guest_open(struct fake_guest *g, struct ic *ic);
/* Takes the next request; false: none. */
bool fake_guest_take(struct fake_guest *g);
/* Answers it with @status and @n bytes of @body; the guest's version of the frame. */
void fake_guest_answer(struct fake_guest *g, uint32_t status, const void *body, uint32_t n);
/* The same, with the head as the test made it. */
void fake_guest_answer_raw(struct fake_guest *g, const void *packet, uint32_t n);
/* Takes the negotiation and answers it so. */
bool fake_guest_negotiate(struct fake_guest *g, uint16_t framework_major, uint16_t major,
                          uint16_t minor);
/* Time passes, the service is called when it wants to be. */
void fake_guest_pass(struct fake_guest *g, uint64_t ns);
void fake_guest_end(struct fake_guest *g);
