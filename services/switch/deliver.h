/* One copy of a frame into the receiver's slots. */
#pragma once
#include "services/switch/core.h"

/* Counts it at the receiver, as gone out or as dropped. */
void deliver_frame(struct core *c, struct port *to, const struct frame *f);
