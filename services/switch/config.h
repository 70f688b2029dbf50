/* What the manager wants: switches and ports. */
#pragma once
#include "services/switch/core.h"

/* All: ERR_ARGUMENT: a field is out of range; nothing has changed. */
enum err config_set_switch(struct core *c, const struct switch_config *s) MUST_CHECK;
/* ERR_STATE: it has ports. */
enum err config_remove_switch(struct core *c, uint32_t index) MUST_CHECK;
/* ERR_NOT_FOUND: no such switch. */
enum err config_set_port(struct core *c, const struct port_config *p) MUST_CHECK;
enum err config_remove_port(struct core *c, uint32_t index) MUST_CHECK;
