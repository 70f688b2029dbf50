/* A guest's end of VMBus for host tests: memory, a server that lies over it, and the guest's side of a
 * channel's rings. */
#pragma once
#include "services/vmm/vmbus/server.h"

#define FAKE_PAGES 256u
#define FAKE_VCPUS 4u

struct fake_bus {
    struct server server;
    uint8_t memory[FAKE_PAGES][4096]; /* page n of the guest */
    uint32_t complaints;
    const char *complaint; /* the last */
    uint32_t maps, signals, allocations;
    uint32_t fails_at; /* the n-th allocation fails; 0: none */
    bool refuses_map;
};

void fake_bus_init(struct fake_bus *b);
/* The server with all of its memory given back: @b->allocations must be 0 then. */
void fake_bus_end(struct fake_bus *b);

/* Sends @n bytes, and takes the next message to the guest: its type, 0 when there is none. */
void fake_bus_send(struct fake_bus *b, uint32_t type, const void *message, uint32_t n);
uint32_t fake_bus_next(struct fake_bus *b, void *to, uint32_t capacity);
/* Takes all that there are; how many were of @type. */
uint32_t fake_bus_drain(struct fake_bus *b, uint32_t type);

/* The status of the answer, or ~0 without one. */
bool fake_bus_contact(struct fake_bus *b, uint32_t version);
bool fake_bus_connect(struct fake_bus *b); /* and asks for the offers, which are dropped */
uint32_t fake_bus_gpadl(struct fake_bus *b, uint32_t channel, uint32_t id, uint64_t page,
                        uint32_t count);
uint32_t fake_bus_open(struct fake_bus *b, uint32_t channel, uint32_t gpadl, uint32_t downstream);
/* Both, with rings of 4 pages each from @page on, and the guest's side of them. */
bool fake_bus_open_channel(struct fake_bus *b, uint32_t channel, uint64_t page, struct ring *out,
                           struct ring *in);
void fake_bus_close(struct fake_bus *b, uint32_t channel);
uint32_t fake_bus_teardown(struct fake_bus *b, uint32_t channel, uint32_t gpadl);
