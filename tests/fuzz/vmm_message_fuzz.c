// SOURCES: services/manager/*.c -services/manager/fault.c -services/manager/docs_tool.c services/rt/service_name.c
// SOURCES: services/rt/log.c lib/*.c tests/unit/services/manager/fake_kernel.c
/* A vmm that was taken over by its guest writes what it likes into the ring and the console region
 * that it shares with the manager: the manager goes on, its VM can be ended, and nothing is lost. */
#include <assert.h>
#include <string.h>

#include "tests/unit/services/manager/fake_kernel.h"

static void use(void)
{
    fake_ask("vm show web");
    fake_ask("vm log web from=18446744073709551000"); /* the whole of it takes too long */
    fake_ask("vm type web x");
    fake_ask("tools status");
    fake_ask("services list --explain");
    fake_ask("vm kvp list web");
    fake_ask("channel list web");
    fake_ask("vm shutdown web wait=1");
    fake_ask("vm pause web");
    fake_ask("vm resume web");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    fake_boot(NULL);
    uint64_t used = fake_budget_used();
    unsigned handles = fake_handle_count();

    fake_ask("vm create web kernel=vmlinuz memory=16M cpus=1");
    fake_ask("vm start web");
    for (size_t at = 0; at + 2 < n;) {
        size_t piece = min((size_t)data[at + 1] * 4, n - at - 2);

        if (fake_vmm_exists("web"))
            fake_vmm_scribble("web", data[at] % 3, data + at + 2, piece);
        fake_run();
        if (data[at] & 0x80)
            use();
        at += 2 + piece;
    }
    use();
    fake_advance(10 * NS_PER_SECOND);
    fake_ask("vm poweroff web");
    fake_advance(10 * NS_PER_SECOND);
    assert(strstr(fake_ask("vm delete web"), "\"ok\":true"));
    assert(fake_budget_used() == used && fake_handle_count() == handles);
    return 0;
}
