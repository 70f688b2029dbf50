#include "services/rt/log.h"

void program_main(void);

void program_main(void)
{
    log_line("vmm runs");
}
