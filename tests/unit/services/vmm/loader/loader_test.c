// SOURCES: services/vmm/loader/*.c services/vmm/guest_memory.c lib/format.c lib/string.c
#include "lib/abi/elf.h"
#include "lib/abi/pvh.h"
#include "services/vmm/layout.h"
#include "services/vmm/loader/loader.h"
#include "tests/unit/test.h"

#define MEMORY MIB(32)

static uint8_t image[KIB(64)], initrd[KIB(8)];
static struct guest_memory memory;
static struct loader_failure why;
static struct vcpu_state state;

static void fresh(uint64_t bytes)
{
    free(memory.low);
    memory = (struct guest_memory){ .low = calloc(1, bytes), .low_bytes = bytes };
    memset(image, 0, sizeof(image));
    memset(initrd, 0x5a, sizeof(initrd));
    memset(&why, 0, sizeof(why));
}

static void put(unsigned at, uint64_t v, unsigned n)
{
    memcpy(image + at, &v, n);
}

/* Linux, Documentation/x86/boot.rst: a relocatable 64-bit kernel of protocol 2.15. */
static void make_bzimage(void)
{
    image[0x1f1] = 4;
    put(0x1fe, 0xaa55, 2);
    image[0x201] = 0x66;
    put(0x202, 0x53726448, 4);
    put(0x206, 0x20f, 2);
    image[0x211] = 1;
    put(0x22c, 0x7fffffff, 4);
    put(0x230, 0x200000, 4);
    image[0x234] = 1;
    put(0x236, 1, 2);
    put(0x238, 2047, 4);
    put(0x258, 0x1000000, 8);
    put(0x260, 0x400000, 4);
    memset(image + 5 * 512, 0xc3, 0x1000);
}

#define BZIMAGE_BYTES (5 * 512 + 0x1000)

/* One segment at 1 MiB and the Xen note, in the class that PVH payloads and vmlinux have. */
static void make_elf(void)
{
    struct elf64_header h = { 0 };
    struct elf64_segment load = { 0 }, notes = { 0 };
    struct elf_note note = { 4, 4, ELF_NOTE_PVH_ENTRY };
    uint32_t entry = 0x100010;

    memcpy(&h, ELF_MAGIC, 4);
    ((uint8_t *)&h)[4] = ELF_CLASS_64;
    h.segments = sizeof(h);
    h.segment_bytes = sizeof(load);
    h.segment_count = 2;
    load.type = ELF_SEGMENT_LOAD;
    load.offset = 0x1000;
    load.pa = 0x100000;
    load.file_bytes = 0x100;
    load.memory_bytes = 0x2000;
    notes.type = ELF_SEGMENT_NOTE;
    notes.offset = 0x200;
    notes.file_bytes = sizeof(note) + 8;
    memcpy(image, &h, sizeof(h));
    memcpy(image + sizeof(h), &load, sizeof(load));
    memcpy(image + sizeof(h) + sizeof(load), &notes, sizeof(notes));
    memcpy(image + 0x200, &note, sizeof(note));
    memcpy(image + 0x200 + sizeof(note), "Xen", 4);
    memcpy(image + 0x200 + sizeof(note) + 4, &entry, 4);
    memset(image + 0x1000, 0x90, 0x100);
}

#define ELF_BYTES 0x1100

static enum err load(uint64_t bytes, uint32_t type, bool has_initrd, const char *cmdline)
{
    /* A copy of the exact length, so that reading beyond it is noticed. */
    uint8_t *copy = malloc(bytes ? bytes : 1);
    struct loader_input in = { .memory = &memory,
                               .kernel = copy,
                               .kernel_bytes = bytes,
                               .initrd = has_initrd ? initrd : NULL,
                               .initrd_bytes = has_initrd ? sizeof(initrd) : 0,
                               .kernel_name = "kernel",
                               .cmdline = cmdline,
                               .type = type };

    memcpy(copy, image, bytes);
    enum err err = loader_load(&in, &state, &why);
    free(copy);
    return err;
}

TEST(bzimage_is_put_where_it_prefers_and_entered_in_long_mode)
{
    fresh(MEMORY);
    make_bzimage();
    EXPECT_EQ(load(BZIMAGE_BYTES, GUEST_AUTO, true, "quiet"), OK);
    EXPECT_EQ(state.rip, 0x1000200);
    EXPECT_EQ(state.gpr[6], LAYOUT_BOOT_PARAMS);
    EXPECT_EQ(state.efer & 0x500, 0x500);
    EXPECT_EQ(memory.low[0x1000000], 0xc3);
    EXPECT_STR((char *)memory.low + LAYOUT_CMDLINE, "quiet");
    uint32_t address;
    memcpy(&address, memory.low + LAYOUT_BOOT_PARAMS + 0x218, 4);
    EXPECT(address >= 0x1400000 && memory.low[address] == 0x5a);
}

TEST(bzimage_moves_down_in_a_small_vm)
{
    fresh(MIB(8));
    make_bzimage();
    EXPECT_EQ(load(BZIMAGE_BYTES, GUEST_LINUX, false, ""), OK);
    EXPECT_EQ(state.rip, 0x200200);
}

TEST(bzimage_that_does_not_fit_says_what_it_needs)
{
    fresh(MIB(4));
    make_bzimage();
    EXPECT_EQ(load(BZIMAGE_BYTES, GUEST_AUTO, false, ""), ERR_MEMORY);
    EXPECT(why.message[0] && why.hint[0]);
}

TEST(elf_with_a_note_is_entered_in_protected_mode)
{
    fresh(MEMORY);
    make_elf();
    EXPECT_EQ(load(ELF_BYTES, GUEST_AUTO, true, "x=1"), OK);
    EXPECT_EQ(state.rip, 0x100010);
    EXPECT_EQ(state.gpr[3], LAYOUT_PVH_INFO);
    EXPECT_EQ(memory.low[0x1000ff], 0x90 * (0x1000ff < 0x100100));
    struct pvh_start_info info;
    memcpy(&info, memory.low + LAYOUT_PVH_INFO, sizeof(info));
    EXPECT_EQ(info.magic, PVH_MAGIC);
    EXPECT_EQ(info.module_count, 1);
}

TEST(each_broken_image_is_refused_in_words)
{
    static const struct {
        unsigned at, bytes;
        uint64_t value;
    } broken_bzimage[] = { { 0x206, 2, 0x200 },
                           { 0x236, 2, 0 },
                           { 0x211, 1, 0 },
                           { 0x1f1, 1, 255 } },
      broken_elf[] = { { 54, 2, 1 },          { 56, 2, 0 },       { 56, 2, 65 },
                       { 32, 8, UINT64_MAX }, { 72, 8, 0x10000 }, { 96, 8, UINT64_MAX },
                       { 104, 8, 1 },         { 88, 8, 0x1000 },  { 0x200, 4, 5 },
                       { 0x210, 4, 0 } };

    for (unsigned i = 0; i < array_count(broken_bzimage); i++) {
        fresh(MEMORY);
        make_bzimage();
        put(broken_bzimage[i].at, broken_bzimage[i].value, broken_bzimage[i].bytes);
        if (load(BZIMAGE_BYTES, GUEST_AUTO, false, "") != ERR_FORMAT || !why.message[0] ||
            !why.hint[0])
            TEST_FAIL("bzImage %u: \"%s\"", i, why.message);
    }
    for (unsigned i = 0; i < array_count(broken_elf); i++) {
        fresh(MEMORY);
        make_elf();
        put(broken_elf[i].at, broken_elf[i].value, broken_elf[i].bytes);
        if (load(ELF_BYTES, GUEST_AUTO, false, "") != ERR_FORMAT || !why.message[0] || !why.hint[0])
            TEST_FAIL("ELF %u: \"%s\"", i, why.message);
    }
}

TEST(wrong_type_is_refused)
{
    fresh(MEMORY);
    make_elf();
    EXPECT_EQ(load(ELF_BYTES, GUEST_LINUX, false, ""), ERR_FORMAT);
    EXPECT_EQ(load(ELF_BYTES, GUEST_MULTIBOOT, false, ""), ERR_FORMAT);
    memset(image, 0x42, sizeof(image));
    EXPECT_EQ(load(4096, GUEST_AUTO, false, ""), ERR_FORMAT);
    EXPECT_EQ(load(0, GUEST_AUTO, false, ""), ERR_FORMAT);
    EXPECT_EQ(load(3, GUEST_PVH, false, ""), ERR_FORMAT);
}

TEST(files_cut_off_anywhere_are_refused_or_loaded_within_bounds)
{
    for (uint64_t n = 0; n < ELF_BYTES; n += 3) {
        fresh(MIB(4));
        make_elf();
        EXPECT(load(n, GUEST_AUTO, false, "") != OK);
    }
    for (uint64_t n = 0; n < BZIMAGE_BYTES; n += 37) {
        fresh(MIB(8));
        make_bzimage();
        if (n <= 5 * 512 + 0x200)
            EXPECT(load(n, GUEST_AUTO, false, "") != OK);
        else
            EXPECT_EQ(load(n, GUEST_AUTO, false, ""), OK);
    }
}

TEST(thousand_mutated_images_stay_within_guest_memory)
{
    srand(1);
    for (unsigned i = 0; i < 2000; i++) {
        fresh(MIB(8));
        if (i % 2)
            make_bzimage();
        else
            make_elf();
        for (int k = rand() % 8; k >= 0; k--)
            image[(unsigned)rand() % 0x280] = (uint8_t)rand();
        enum err err = load(i % 2 ? BZIMAGE_BYTES : ELF_BYTES, GUEST_AUTO, rand() % 2, "a");
        EXPECT(err == OK || (why.message[0] && why.hint[0]));
    }
}
