// SOURCES: services/vmm/loader/*.c services/vmm/guest_memory.c lib/format.c lib/string.c
#include "services/vmm/loader/loader.h"
#include "services/vmm/layout.h"
#include "tests/unit/services/vmm/images.h"
#include "tests/unit/test.h"

static uint8_t image[16384];
static struct loader_failure why;
static struct vcpu_state state;
static struct guest_memory memory;

static struct loader_input input(size_t bytes)
{
    memory = image_memory();
    memset(&why, 0, sizeof(why));
    return (struct loader_input){
        .memory = &memory,
        .kernel = image,
        .kernel_bytes = bytes,
        .kernel_name = "kernel",
        .cmdline = "console=ttyS0",
    };
}

static uint64_t peek(uint64_t gpa, unsigned bytes)
{
    uint64_t v = 0;

    memcpy(&v, memory.low + gpa, bytes);
    return v;
}

TEST(a_bzimage_starts_in_64_bit_code_with_its_boot_params)
{
    struct loader_input in = input(image_bzimage(image));

    EXPECT_EQ(loader_load(&in, &state, &why), OK);
    EXPECT_EQ(state.rip, 0x1000000 + 0x200);
    EXPECT_EQ(state.gpr[6], LAYOUT_BOOT_PARAMS);
    EXPECT_EQ(peek(LAYOUT_BOOT_PARAMS + 0x228, 4), LAYOUT_CMDLINE);
    EXPECT_EQ(peek(LAYOUT_BOOT_PARAMS + 0x70, 8), LAYOUT_ACPI);
    EXPECT_STR((char *)memory.low + LAYOUT_CMDLINE, "console=ttyS0");
    EXPECT_EQ(memory.low[0x1000000], 0x90);
}

TEST(a_relocatable_bzimage_moves_down_in_a_small_vm)
{
    struct loader_input in = input(image_bzimage(image));

    memory.low_bytes = MIB(8);
    EXPECT_EQ(loader_load(&in, &state, &why), OK);
    EXPECT_EQ(state.rip, 0x200000 + 0x200);
}

TEST(an_elf_with_a_pvh_note_starts_in_protected_mode)
{
    struct loader_input in = input(image_elf(image));

    memset(memory.low + MIB(1), 0xcc, 8192);
    EXPECT_EQ(loader_load(&in, &state, &why), OK);
    EXPECT_EQ(state.rip, MIB(1) + 16);
    EXPECT_EQ(state.cr0, 0x11);
    EXPECT_EQ(state.gpr[3], LAYOUT_PVH_INFO);
    EXPECT_EQ(memory.low[MIB(1) + 4095], 0xab);
    EXPECT_EQ(memory.low[MIB(1) + 4096], 0);
}

TEST(an_initrd_goes_to_the_top_of_memory)
{
    struct loader_input in = input(image_elf(image));
    uint8_t initrd[5000];

    memset(initrd, 0x77, sizeof(initrd));
    in.initrd = initrd;
    in.initrd_bytes = sizeof(initrd);
    EXPECT_EQ(loader_load(&in, &state, &why), OK);
    EXPECT_EQ(peek(LAYOUT_PVH_MODULES, 8), IMAGE_MEMORY_BYTES - 8192);
    EXPECT_EQ(memory.low[IMAGE_MEMORY_BYTES - 8192], 0x77);
}

TEST(what_is_wrong_is_said_with_a_remedy)
{
    struct loader_input in = input(image_elf(image));

    in.kernel_bytes = 600;
    EXPECT_EQ(loader_load(&in, &state, &why), ERR_FORMAT);
    EXPECT_HAS(why.message, "beyond its end");
    EXPECT(why.hint[0]);
    in = input(image_elf(image));
    image[524] = 'Y';
    EXPECT_EQ(loader_load(&in, &state, &why), ERR_FORMAT);
    EXPECT_HAS(why.message, "PVH");
    in = input(image_elf(image));
    image[0] = 0;
    EXPECT_EQ(loader_load(&in, &state, &why), ERR_FORMAT);
    EXPECT_HAS(why.message, "neither");
    in = input(image_bzimage(image));
    in.kernel_bytes = 5 * 512;
    EXPECT_EQ(loader_load(&in, &state, &why), ERR_FORMAT);
    EXPECT_HAS(why.message, "kernel has");
    in = input(image_bzimage(image));
    memory.low_bytes = MIB(2);
    EXPECT_EQ(loader_load(&in, &state, &why), ERR_MEMORY);
}

/* Whatever the bytes are, the loaders stay inside image and memory (the sanitizers watch). */
TEST(a_thousand_mutated_images_are_refused_or_loaded)
{
    uint64_t seed = 7;

    for (int round = 0; round < 1000; round++) {
        size_t bytes = round & 1 ? image_elf(image) : image_bzimage(image);
        struct loader_input in = input(bytes);

        for (int i = 0; i < 1 + round % 8; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            size_t at = seed >> 33 & 1 ? (seed >> 34) % 640 : (seed >> 34) % bytes;

            image[at] = (uint8_t)(seed >> 20);
        }
        if (round % 5 == 0)
            in.kernel_bytes = (seed >> 11) % bytes;
        uint8_t *copy = malloc(in.kernel_bytes + 1);

        memcpy(copy, image, in.kernel_bytes);
        in.kernel = copy;
        enum err err = loader_load(&in, &state, &why);

        free(copy);
        EXPECT(!err || why.message[0]);
    }
}
