/* debug fault manager. A file of its own, so that host tests can put something gentler in its
 * place. */
#include "services/manager/commands.h"

void manager_fault(void)
{
    for (;;)
        __builtin_trap();
}
