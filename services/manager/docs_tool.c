/* host-only: docs_tool commands|events|services > FILE */
#include <string.h>

#include "services/manager/docs.h"

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "commands") == 0)
        docs_commands(stdout);
    else if (argc == 2 && strcmp(argv[1], "events") == 0)
        docs_events(stdout);
    else if (argc == 2 && strcmp(argv[1], "services") == 0)
        docs_services(stdout);
    else
        return 2;
    return 0;
}
