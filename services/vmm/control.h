/* The vmm's side of its channel to the manager. */
#pragma once
#include "lib/ring.h"
#include "services/vmm/machine.h"

struct control {
    handle_t channel;
    struct ring in, out;
    uint32_t pause_sequence; /* of the VMM_PAUSE that waits for the vCPUs; 0: none */
    bool has_told_end;
};

struct services;

enum err control_open(struct control *c) MUST_CHECK;
void control_send(struct control *c, uint32_t type, uint32_t sequence, const void *payload,
                  uint32_t bytes);

/* Obeys what the manager has written, and tells it what has happened. */
void control_serve(struct control *c, struct machine *m, struct services *s);
