/* What a program was handed when it started. */
#pragma once
#include "lib/abi/syscall.h"

/* The start-up page; host tests define their own. */
const struct startup_info *startup_info(void);

/* The grant named @name, or NULL. */
const struct startup_grant *startup_grant(const char *name);

/* The handle of the grant named @name, or HANDLE_NONE. */
handle_t startup_handle(const char *name);
