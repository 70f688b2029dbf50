// SOURCES: services/vmm/loader/*.c services/vmm/guest_memory.c lib/format.c lib/string.c
/* Any file as a guest's kernel: loaded within guest memory, or refused in words. The first two
 * bytes choose memory, type and initrd. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "services/vmm/loader/loader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static uint8_t low[MIB(6)], initrd[8192];
    struct guest_memory memory = { .low = low, .low_bytes = sizeof(low) };
    struct loader_failure why = { 0 };
    struct vcpu_state state;

    if (n < 2)
        return 0;
    memory.low_bytes -= (uint64_t)(data[0] & 63) * PAGE_BYTES * 16;
    struct loader_input in = { .memory = &memory,
                               .kernel = data + 2,
                               .kernel_bytes = n - 2,
                               .initrd = data[1] & 4 ? initrd : NULL,
                               .initrd_bytes = data[1] & 4 ? 1 + data[1] * 32u : 0,
                               .kernel_name = "kernel",
                               .cmdline = "console=ttyS0",
                               .type = data[1] & 3 };
    enum err err = loader_load(&in, &state, &why);
    if (err)
        assert(why.message[0] && why.hint[0]);
    else
        assert(state.rip >= MIB(1) && state.rip < memory.low_bytes);
    return 0;
}
