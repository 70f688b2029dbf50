// SOURCES: services/vmm/loader/*.c services/vmm/guest_memory.c lib/format.c lib/string.c
/* Any file as a multiboot kernel, with up to three modules: it is refused in words, or what the
 * guest is told is true, whole, outside of page 0, and nothing lies over anything else. */
#include <assert.h>

#include "lib/abi/multiboot.h"
#include "services/vmm/loader/loader.h"
#include "tests/unit/services/vmm/images.h"

static const uint8_t contents[3 * 4096] = { [0] = 0xa5, [4096] = 0x5a, [12287] = 0xc3 };
static const struct loader_module modules[] = { { contents, 1, "one" },
                                                { contents, 4096, "two" },
                                                { contents, sizeof(contents), "three" } };

static struct guest_memory memory;

static const void *told(uint64_t at, uint64_t bytes)
{
    assert(at >= PAGE_BYTES && guest_has(&memory, (gpa_t){ at }, bytes));
    return memory.low + at;
}

static void check(const struct loader_input *in, const struct vcpu_state *state)
{
    const struct multiboot_info *info = told(state->gpr[3], sizeof(*info));
    const struct multiboot_module *m;

    assert(state->gpr[0] == MULTIBOOT_BOOT_MAGIC && info->flags == 0x24d);
    assert(guest_has(&memory, (gpa_t){ state->rip }, 1));
    assert(!strcmp(told(info->cmdline, 9), "fuzz text"));
    assert(!strcmp(told(info->loader_name, 9), "Bulkhead"));
    told(info->memory_map, info->memory_map_bytes);
    assert(info->module_count == in->module_count);
    m = told(info->modules, in->module_count * sizeof(*m));
    for (unsigned i = 0; i < in->module_count; i++) {
        assert(m[i].start % PAGE_BYTES == 0 && m[i].end - m[i].start == modules[i].bytes);
        assert(!memcmp(told(m[i].start, modules[i].bytes), contents, modules[i].bytes));
        assert(!strcmp(told(m[i].name, 4), modules[i].name));
    }
}

/* The kernel's own bytes, by an independent reading of the addresses. */
static void check_flat(const struct loader_input *in)
{
    for (uint64_t at = 0; at + 32 <= min(in->kernel_bytes, (uint64_t)8192); at += 4) {
        uint32_t w[8];

        memcpy(w, in->kernel + at, sizeof(w));
        if (w[0] != 0x1badb002 || w[0] + w[1] + w[2])
            continue;
        if (!(w[1] & 0x10000))
            return;
        uint64_t first = at - (w[3] - w[4]);
        uint64_t bytes = w[5] ? w[5] - w[4] : in->kernel_bytes - first;
        assert(!memcmp(memory.low + w[4], in->kernel + first, bytes));
        for (uint64_t i = w[4] + bytes; i < w[6]; i++)
            assert(memory.low[i] == 0);
        return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct loader_failure why = { 0 };
    struct vcpu_state state;
    struct loader_input in = {
        .memory = &memory,
        .kernel = bytes,
        .kernel_bytes = n,
        .kernel_name = "fuzz",
        .cmdline = "text",
        .type = GUEST_MULTIBOOT,
        .modules = modules,
        .module_count = n % 4,
    };

    memory = image_memory();
    if (!multiboot_is(bytes, n))
        return 0;
    if (loader_load(&in, &state, &why)) {
        assert(why.message[0] && why.hint[0]);
        return 0;
    }
    check(&in, &state);
    check_flat(&in);
    return 0;
}
