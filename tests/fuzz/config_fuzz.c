// SOURCES: services/manager/*.c -services/manager/fault.c -services/manager/docs_tool.c services/rt/service_name.c
// SOURCES: services/rt/log.c lib/*.c tests/unit/services/manager/fake_kernel.c
/* Any bulkhead.conf: the manager comes up and says that the host is ready. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/services/manager/fake_kernel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *config = calloc(1, n + 1);

    memcpy(config, data, n);
    for (size_t i = 0; i < n; i++)
        config[i] = config[i] ? config[i] : '0';
    fake_boot(n ? config : NULL);
    fake_advance(NS_PER_SECOND);
    assert(strstr(fake_control_output(), "{\"event\":\"host-ready\"") || n > 30000 ||
           strstr(config, "shutdown"));
    free(config);
    return 0;
}
