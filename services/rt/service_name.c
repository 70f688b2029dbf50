#include "services/rt/service_name.h"

const char *service_name(uint32_t service)
{
    static const char *const names[SERVICE_COUNT] = {
        [SERVICE_HEARTBEAT] = "heartbeat",
        [SERVICE_SHUTDOWN] = "shutdown",
        [SERVICE_TIMESYNC] = "timesync",
        [SERVICE_KVP] = "kvp",
        [SERVICE_VSS] = "vss",
        [SERVICE_FCOPY] = "fcopy",
    };

    return service < SERVICE_COUNT ? names[service] : "unknown";
}
