/* A frame from a guest: may it come in, and who gets it. */
#pragma once
#include "services/switch/core.h"

/* Does one send of @from's vmm. It counts under one label, whatever it is. */
void forward_send(struct core *c, struct port *from, const struct port_send *s);
