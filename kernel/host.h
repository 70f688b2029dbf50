/* What the host says about itself. */
#pragma once
#include "lib/abi/syscall.h"

extern char host_boot_kind; /* 'p' or 'u' */
void host_get_info(struct host_info *out);
