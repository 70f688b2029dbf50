/* The channel between a port and its NIC's vmm, and what the vmm lends over it. */
#pragma once
#include "services/switch/core.h"

/* @channel becomes the port's; an older one is closed. The error of a system call: the channel is
 * closed and the port has none. */
enum err link_open(struct core *c, struct port *p, handle_t channel) MUST_CHECK;
/* Nothing happens when there is none. */
void link_close(struct core *c, struct port *p);

/* Takes up the three handles that were sent before. ERR_GUEST: @m does not fit what was lent. An older
 * connection ends in any case. */
enum err link_connect(struct core *c, struct port *p, uint32_t generation,
                      const struct port_connect *m) MUST_CHECK;
void link_disconnect(struct core *c, struct port *p);
