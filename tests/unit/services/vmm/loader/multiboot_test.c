// SOURCES: services/vmm/loader/*.c services/vmm/guest_memory.c lib/format.c lib/string.c
#include "lib/abi/multiboot.h"
#include "services/vmm/loader/loader.h"
#include "services/vmm/loader/placer.h"
#include "tests/unit/services/vmm/images.h"
#include "tests/unit/test.h"

static uint8_t image[IMAGE_MULTIBOOT_BYTES + 4096];
static struct guest_memory memory;
static struct loader_failure why;
static struct vcpu_state state;
static struct loader_input in;
static enum vmm_guest_type taken_for;

static void fresh(uint64_t bytes)
{
    free(memory.low);
    memory = (struct guest_memory){ .low = malloc(bytes), .low_bytes = bytes };
    memset(memory.low, 0xee, bytes); /* so that what must be cleared is seen */
    memset(&why, 0, sizeof(why));
    in = (struct loader_input){
        .memory = &memory, .kernel_name = "kernel.elf", .cmdline = "a=1 b", .type = GUEST_AUTO
    };
}

static enum err load(uint64_t bytes)
{
    uint8_t *copy = malloc(bytes ? bytes : 1); /* reading beyond it is noticed */

    memcpy(copy, image, bytes);
    in.kernel = copy;
    in.kernel_bytes = bytes;
    taken_for = loader_type(&in);
    enum err err = loader_load(&in, &state, &why);
    free(copy);
    return err;
}

static enum err load_elf(uint32_t flags)
{
    fresh(MIB(4));
    image_multiboot_elf(image, flags);
    return load(IMAGE_MULTIBOOT_BYTES);
}

/* The flat image with one word of its header changed. */
static enum err load_flat(unsigned offset, uint32_t value)
{
    fresh(MIB(4));
    image_multiboot_flat(image, 0);
    memcpy(image + 256 + offset, &value, 4);
    return load(IMAGE_MULTIBOOT_BYTES);
}

static const struct multiboot_info *info(void)
{
    return (const void *)(memory.low + state.gpr[3]);
}

TEST(elf_file_is_loaded_and_entered_in_protected_mode)
{
    EXPECT_EQ(load_elf(3), OK);
    EXPECT_EQ(taken_for, GUEST_MULTIBOOT);
    EXPECT_EQ(state.rip, IMAGE_MULTIBOOT_ENTRY);
    EXPECT_EQ(state.gpr[0], MULTIBOOT_BOOT_MAGIC);
    EXPECT_EQ(state.cr0 & 0x80000001, 1);
    EXPECT_EQ(state.rflags & 0x20200, 0);
    EXPECT_EQ(state.cs.attributes, 0xc9b);
    EXPECT_EQ(state.cs.base + state.ds.base + state.ss.base, 0);
    EXPECT_EQ(memory.low[MIB(1) + 4095], 0xab);
    EXPECT_EQ(memory.low[MIB(1) + 4096], 0);
    EXPECT_EQ(memory.low[MIB(1) + 8191], 0);
}

TEST(information_is_whole_and_outside_of_kernel_and_page_0)
{
    EXPECT_EQ(load_elf(3), OK);
    EXPECT_EQ(info()->flags, 0x24d);
    EXPECT_EQ(info()->lower_kib, 639);
    EXPECT_EQ(info()->upper_kib, 3 * 1024);
    EXPECT_STR((char *)memory.low + info()->cmdline, "kernel.elf a=1 b");
    EXPECT_STR((char *)memory.low + info()->loader_name, "Bulkhead");
    EXPECT_EQ(info()->module_count, 0);
    EXPECT_EQ(info()->memory_map_bytes, 3 * 24);
    const struct multiboot_memory *map = (const void *)(memory.low + info()->memory_map);
    EXPECT_EQ(map[0].size, 20);
    EXPECT_EQ(map[0].base + map[0].bytes, 0x9fc00);
    EXPECT_EQ(map[1].type, 2);
    EXPECT_EQ(map[2].base, MIB(1));
    EXPECT_EQ(map[2].bytes, MIB(3));
    EXPECT_EQ(map[2].type, MULTIBOOT_RAM);
    EXPECT(state.gpr[3] >= KIB(64) && state.gpr[3] + 512 < 0x9fc00);
}

TEST(a_command_line_is_there_even_without_text)
{
    fresh(MIB(4));
    in.cmdline = "";
    image_multiboot_elf(image, 0);
    EXPECT_EQ(load(IMAGE_MULTIBOOT_BYTES), OK);
    EXPECT_STR((char *)memory.low + info()->cmdline, "kernel.elf ");
}

TEST(modules_lie_behind_the_kernel_at_page_boundaries)
{
    static const uint8_t bytes[8192] = { [0] = 1, [4999] = 2, [8191] = 3 };
    static const struct loader_module modules[] = { { bytes, 5000, "a" },
                                                    { bytes, 1, "b.cpio" },
                                                    { bytes, 8192, "c" } };

    fresh(MIB(4));
    in.modules = modules;
    in.module_count = 3;
    image_multiboot_elf(image, 1);
    EXPECT_EQ(load(IMAGE_MULTIBOOT_BYTES), OK);
    EXPECT_EQ(info()->module_count, 3);
    const struct multiboot_module *m = (const void *)(memory.low + info()->modules);
    uint64_t floor = MIB(1) + 8192;
    for (unsigned i = 0; i < 3; i++) {
        EXPECT_EQ(m[i].start, floor);
        EXPECT_EQ(m[i].end, floor + modules[i].bytes);
        EXPECT(memcmp(memory.low + m[i].start, bytes, modules[i].bytes) == 0);
        EXPECT_STR((char *)memory.low + m[i].name, modules[i].name);
        EXPECT_EQ(m[i].reserved, 0);
        floor = round_up(m[i].end, 4096);
    }
}

TEST(module_that_does_not_fit_is_named)
{
    static uint8_t bytes[MIB(1)];
    static const struct loader_module modules[] = { { bytes, MIB(1) - 8192, "one" },
                                                    { bytes, 1, "straw" } };

    fresh(MIB(2));
    in.modules = modules;
    in.module_count = 1;
    image_multiboot_elf(image, 1);
    EXPECT_EQ(load(IMAGE_MULTIBOOT_BYTES), OK);
    in.module_count = 2;
    EXPECT_EQ(load(IMAGE_MULTIBOOT_BYTES), ERR_MEMORY);
    EXPECT_HAS(why.message, "module straw of 1 bytes");
    EXPECT(why.hint[0]);
}

TEST(information_goes_above_1_mib_when_the_kernel_lies_below)
{
    struct elf32_segment s = { .type = ELF_SEGMENT_LOAD,
                               .offset = 4096,
                               .va = 0x1000,
                               .pa = 0x1000,
                               .file_bytes = 4096,
                               .memory_bytes = 0x9ec00 };

    fresh(MIB(4));
    image_multiboot_elf(image, 0);
    memcpy(image + sizeof(struct elf32_header), &s, sizeof(s));
    memcpy(image + 24, &(uint32_t){ 0x1040 }, 4);
    EXPECT_EQ(load(IMAGE_MULTIBOOT_BYTES), OK);
    EXPECT_EQ(state.rip, 0x1040);
    EXPECT_EQ(state.gpr[3], MIB(1));
    memcpy(image + sizeof(struct elf32_header) + 20, &(uint32_t){ 0x9ec01 }, 4);
    EXPECT_EQ(load(IMAGE_MULTIBOOT_BYTES), ERR_FORMAT);
    EXPECT_HAS(why.message, "no RAM");
}

TEST(virtual_entry_of_a_kernel_that_is_linked_high_is_translated)
{
    fresh(MIB(4));
    image_multiboot_elf(image, 0);
    memcpy(image + sizeof(struct elf32_header) + 8, &(uint32_t){ 0xc0100000 }, 4);
    memcpy(image + 24, &(uint32_t){ 0xc0100020 }, 4);
    EXPECT_EQ(load(IMAGE_MULTIBOOT_BYTES), OK);
    EXPECT_EQ(state.rip, MIB(1) + 0x20);
    memcpy(image + 24, &(uint32_t){ 0x100024 }, 4);
    EXPECT_EQ(load(IMAGE_MULTIBOOT_BYTES), OK);
    EXPECT_EQ(state.rip, 0x100024);
    memcpy(image + 24, &(uint32_t){ 0x300000 }, 4);
    EXPECT_EQ(load(IMAGE_MULTIBOOT_BYTES), ERR_FORMAT);
}

TEST(flat_file_is_loaded_by_the_addresses_of_its_header)
{
    EXPECT_EQ(load_flat(0, MULTIBOOT_HEADER_MAGIC), OK);
    EXPECT_EQ(state.rip, IMAGE_MULTIBOOT_ENTRY);
    EXPECT_EQ(memory.low[MIB(1)], 0xab);
    EXPECT_EQ(memory.low[MIB(1) + 8191], 0xab);
    EXPECT_EQ(memory.low[MIB(1) + 8192], 0);
    EXPECT_EQ(memory.low[MIB(1) + 16383], 0);
    EXPECT_EQ(memory.low[MIB(1) + 16384], 0xee);
    EXPECT_EQ(load_flat(20, (uint32_t)MIB(1) + 4096), OK);
    EXPECT_EQ(memory.low[MIB(1) + 4095], 0xab);
    EXPECT_EQ(memory.low[MIB(1) + 4096], 0);
    EXPECT_EQ(load_flat(24, 0), OK);
    EXPECT_EQ(memory.low[MIB(1) + 8191], 0xab);
    EXPECT_EQ(memory.low[MIB(1) + 8192], 0xee);
    EXPECT_EQ(load_flat(16, (uint32_t)MIB(1) + 128), ERR_FORMAT); /* the entry is cut off */
}

TEST(addresses_win_over_the_format_of_the_file)
{
    struct multiboot_header h = { .magic = MULTIBOOT_HEADER_MAGIC,
                                  .flags = MULTIBOOT_HAS_ADDRESSES,
                                  .header_address = (uint32_t)MIB(2),
                                  .load_address = (uint32_t)MIB(2) - 4096,
                                  .entry = (uint32_t)MIB(2) + 32 };

    fresh(MIB(4));
    image_elf(image); /* of 64 bits */
    h.checksum = -(h.magic + h.flags);
    memset(image + 512, 0, 64); /* without its note */
    memcpy(image + 4096, &h, sizeof(h));
    EXPECT_EQ(load(IMAGE_MULTIBOOT_BYTES), OK);
    EXPECT_EQ(state.rip, MIB(2) + 32);
    EXPECT(memcmp(memory.low + MIB(2) - 4096, ELF_MAGIC, 4) == 0);
}

TEST(addresses_that_cannot_be_are_refused_in_words)
{
    static const struct {
        unsigned offset;
        uint64_t value;
        enum err err;
    } cases[] = {
        { 12, MIB(1) - 4, ERR_FORMAT },     /* header below the load address */
        { 12, MIB(1) + 260, ERR_FORMAT },   /* begins in front of the file */
        { 20, MIB(1) - 1, ERR_FORMAT },     /* ends before it begins */
        { 20, MIB(1) + 8193, ERR_FORMAT },  /* more than the file has */
        { 24, MIB(1) + 8191, ERR_FORMAT },  /* bss ends within the data */
        { 28, MIB(1) - 1, ERR_FORMAT },     /* entry in front */
        { 28, MIB(1) + 16384, ERR_FORMAT }, /* entry behind */
        { 24, MIB(5), ERR_MEMORY },         /* more than the VM has */
        { 24, UINT32_MAX, ERR_MEMORY },
    };

    for (unsigned i = 0; i < array_count(cases); i++)
        if (load_flat(cases[i].offset, (uint32_t)cases[i].value) != cases[i].err ||
            !why.message[0] || !why.hint[0])
            TEST_FAIL("case %u: \"%s\" \"%s\"", i, why.message, why.hint);
}

TEST(kernel_below_1_mib_must_lie_in_ram)
{
    uint32_t low[] = { 0x90000, 0x90000 - 256, 0, 0x90000 + 16384, 0x90040 };

    fresh(MIB(4));
    image_multiboot_flat(image, 0);
    low[0] = 0x90000 + 256;
    low[1] = 0x90000;
    memcpy(image + 256 + 12, low, sizeof(low));
    EXPECT_EQ(load(IMAGE_MULTIBOOT_BYTES), OK);
    low[3] = 0x9fc01;
    memcpy(image + 256 + 12, low, sizeof(low));
    EXPECT_EQ(load(IMAGE_MULTIBOOT_BYTES), ERR_FORMAT);
    EXPECT_HAS(why.message, "no RAM");
}

TEST(what_is_required_and_not_there_is_refused_and_options_are_not)
{
    EXPECT_EQ(load_elf(4), ERR_UNSUPPORTED);
    EXPECT_HAS(why.message, "video");
    for (unsigned bit = 3; bit < 16; bit++) {
        EXPECT_EQ(load_elf(1u << bit), ERR_UNSUPPORTED);
        EXPECT(why.message[0] && why.hint[0]);
    }
    for (unsigned bit = 17; bit < 32; bit++)
        EXPECT_EQ(load_elf(1u << bit | 3), OK);
}

TEST(header_is_found_aligned_and_within_the_first_8192_bytes)
{
    fresh(MIB(4));
    memset(image, 0, sizeof(image));
    image_multiboot_header(image + 8180, MULTIBOOT_HAS_ADDRESSES);
    EXPECT(multiboot_is(image, 8192));
    EXPECT(!multiboot_is(image, 8191));
    EXPECT_EQ(load(sizeof(image)), ERR_FORMAT); /* its addresses lie behind them */
    EXPECT_HAS(why.message, "cut off");
    memset(image, 0, sizeof(image));
    image_multiboot_header(image + 8184, 0);
    EXPECT(!multiboot_is(image, sizeof(image)));
    memset(image, 0, sizeof(image));
    image_multiboot_header(image + 2, 0);
    EXPECT(!multiboot_is(image, sizeof(image)));
    image_multiboot_header(image + 4, 0);
    image[4 + 8]++; /* a checksum that is wrong */
    EXPECT(!multiboot_is(image, sizeof(image)));
}

TEST(kernel_that_does_not_say_where_it_goes_is_refused)
{
    fresh(MIB(4));
    memset(image, 0, sizeof(image));
    image_multiboot_header(image, 3);
    EXPECT_EQ(load(4096), ERR_FORMAT);
    EXPECT_HAS(why.message, "no ELF file");
    fresh(MIB(4));
    image_elf(image);
    memset(image + 512, 0, 64);
    image_multiboot_header(image + 1024, 3);
    EXPECT_EQ(load(8192), ERR_FORMAT);
    EXPECT_HAS(why.message, "another CPU");
}

TEST(type_decides_and_pvh_comes_before_multiboot)
{
    fresh(MIB(4));
    size_t bytes = image_elf(image);
    image_multiboot_header(image + 1024, 3);
    EXPECT_EQ(load(bytes), OK);
    EXPECT_EQ(taken_for, GUEST_PVH);
    in.type = GUEST_MULTIBOOT;
    EXPECT_EQ(load(bytes), ERR_FORMAT);
    memset(image + 1024, 0, 64);
    EXPECT_EQ(load(bytes), ERR_FORMAT);
    EXPECT_HAS(why.message, "no multiboot header");
    image_multiboot_elf(image, 0);
    in.type = GUEST_LINUX;
    EXPECT_EQ(load(bytes), ERR_FORMAT);
    in.type = GUEST_PVH;
    EXPECT_EQ(load(bytes), ERR_FORMAT);
}

TEST(initrd_and_modules_go_to_those_that_know_them)
{
    static const struct loader_module module = { (const uint8_t *)"x", 1, "m" };

    fresh(MIB(4));
    image_multiboot_elf(image, 0);
    in.initrd = module.at;
    in.initrd_bytes = 1;
    EXPECT_EQ(load(IMAGE_MULTIBOOT_BYTES), ERR_ARGUMENT);
    EXPECT_HAS(why.hint, "modules=");
    fresh(MIB(4));
    size_t bytes = image_elf(image);
    in.modules = &module;
    in.module_count = 1;
    EXPECT_EQ(load(bytes), ERR_ARGUMENT);
    EXPECT_HAS(why.hint, "initrd=");
}

TEST(files_cut_off_anywhere_are_refused_or_loaded_within_bounds)
{
    for (uint64_t n = 0; n < IMAGE_MULTIBOOT_BYTES; n += 5) {
        fresh(MIB(2));
        image_multiboot_elf(image, 3);
        EXPECT(load(n) != OK && why.message[0]);
        fresh(MIB(2));
        image_multiboot_flat(image, 3);
        EXPECT((load(n) == OK) == (n >= 256 + 32));
    }
}

TEST(placer_takes_the_first_room_that_is_aligned_and_free)
{
    struct placer p = { 0 };
    uint64_t at;

    EXPECT_EQ(placer_take(&p, 100, 100), OK);
    EXPECT_EQ(placer_take(&p, 300, 50), OK);
    EXPECT_EQ(placer_find(&p, 0, 1000, 100, 1, &at), OK);
    EXPECT_EQ(at, 0);
    EXPECT_EQ(placer_find(&p, 0, 1000, 100, 1, &at), OK);
    EXPECT_EQ(at, 200);
    EXPECT_EQ(placer_find(&p, 0, 1000, 100, 256, &at), OK);
    EXPECT_EQ(at, 512);
    EXPECT_EQ(placer_find(&p, 0, 612, 163, 1, &at), ERR_MEMORY);
    EXPECT_EQ(placer_find(&p, 0, 612, 162, 1, &at), OK);
    EXPECT_EQ(at, 350);
    EXPECT_EQ(placer_find(&p, 0, 1000, UINT64_MAX, 1, &at), ERR_MEMORY);
    while (p.count < PLACER_RANGES_MAX)
        EXPECT_EQ(placer_take(&p, 0, 1), OK);
    EXPECT_EQ(placer_find(&p, 700, 1000, 1, 1, &at), ERR_FULL);
}
