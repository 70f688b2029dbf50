// SOURCES: services/vmm/loader/*.c services/vmm/guest_memory.c lib/format.c lib/string.c
#include "services/vmm/loader/loader.h"
#include "tests/unit/services/vmm/images.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct guest_memory memory = image_memory();
    struct loader_failure why = { 0 };
    struct vcpu_state state;
    struct loader_input in = {
        .memory = &memory,
        .kernel = bytes,
        .kernel_bytes = n,
        .kernel_name = "fuzz",
        .cmdline = "",
    };

    if (bzimage_is(bytes, n) && bzimage_load(&in, &state, &why) && !why.message[0])
        abort();
    return 0;
}
