/* The names of the integration services, as commands, events and messages have them. */
#pragma once
#include "lib/abi/services.h"

const char *service_name(uint32_t service); /* "unknown" beyond the last */
