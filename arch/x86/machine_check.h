/* Machine checks: what the CPU reports of broken hardware. Source: AMD64 APM vol. 2, "Machine
 * Check Architecture". */
#pragma once
#include "lib/types.h"

struct machine_check {
    uint64_t status, address;
    unsigned bank;
};

/* Each CPU, once: all banks report. False: this CPU has none. */
bool machine_check_enable(void);
/* Takes the worst valid report of all banks and clears them. True: it was not corrected. */
bool machine_check_take(struct machine_check *out);
