// SOURCES: services/manager/*.c -services/manager/fault.c -services/manager/docs_tool.c services/rt/service_name.c
// SOURCES: services/rt/log.c lib/*.c tests/unit/services/manager/fake_kernel.c
/* Any bytes on the control port: each line that comes out is a whole object, and afterwards the
 * port still answers. A 0xff in the input lets a vmm end or the manager be restarted instead. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/services/manager/fake_kernel.h"

static void happen(uint8_t what)
{
    if (what % 8 == 0)
        fake_restart_manager();
    else if (fake_vmm_exists("web") && what % 8 < 6)
        fake_vmm_end("web", what % 8, what);
    else if (fake_vmm_exists("web"))
        fake_vmm_fault("web");
    fake_run();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    fake_boot(NULL);
    for (size_t at = 0; at < n;) {
        size_t piece = 0;

        while (at + piece < n && data[at + piece] != 0xff)
            piece++;
        fake_control_bytes(data + at, piece);
        at += piece;
        if (at + 1 < n)
            happen(data[at + 1]);
        at += 2;
    }
    fake_control("\n@77 host show\n");
    fake_advance(20 * NS_PER_SECOND);
    const char *out = fake_control_output();

    assert(!strncmp(out, "\r\n", 2));
    out += 2;
    while (*out) {
        const char *end = strchr(out, '\n');

        assert(end && out[0] == '{' && end[-1] == '}');
        out = end + 1;
    }
    assert(fake_answer(77));
    return 0;
}
