#include "services/rt/startup.h"
#include "lib/string.h"

const struct startup_info *startup_info(void)
{
    return (const struct startup_info *)STARTUP_VA;
}

const struct startup_grant *startup_grant(const char *name)
{
    const struct startup_info *info = startup_info();

    for (uint32_t i = 0; i < info->grant_count; i++)
        if (strcmp(info->grants[i].name, name) == 0)
            return &info->grants[i];
    return NULL;
}

handle_t startup_handle(const char *name)
{
    const struct startup_grant *g = startup_grant(name);

    return g ? g->handle : HANDLE_NONE;
}
