/* What a vmm tells its port, one step at a time. */
#pragma once
#include "services/switch/core.h"

enum inbox_step {
    INBOX_DONE, /* one message, or a few sends of one */
    INBOX_EMPTY,
    INBOX_BROKEN, /* the ring's rules were broken: the link is to be closed */
};

enum inbox_step inbox_step(struct core *c, struct port *p) MUST_CHECK;
