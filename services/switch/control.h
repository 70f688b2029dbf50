/* The manager's word. */
#pragma once
#include "services/switch/core.h"

struct control {
    handle_t channel;
    struct ring in, out;
    bool has_refused; /* logged once */
};

/* @mapped: the channel's memory, of @data_bytes each way. */
enum err control_open(struct control *k, handle_t channel, void *mapped, uint32_t data_bytes)
    MUST_CHECK;

/* @type: SWITCH_READY, or SWITCH_TAKEN with the port's index. */
void control_send(struct control *k, uint32_t type, uint32_t index);

/* Obeys all that is there. */
void control_serve(struct control *k, struct core *c);
