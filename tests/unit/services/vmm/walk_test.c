// SOURCES: services/vmm/walk.c services/vmm/guest_memory.c
#include "services/vmm/walk.h"
#include "tests/unit/services/vmm/images.h"
#include "tests/unit/test.h"

static struct guest_memory m;
static struct vcpu_state s;

static void put(uint64_t gpa, uint64_t v, unsigned bytes)
{
    memcpy(m.low + gpa, &v, bytes);
}

static void long_mode(void)
{
    m = image_memory();
    memset(m.low, 0, 0x10000);
    s = (struct vcpu_state){ .cr0 = 1ul << 31 | 1, .cr3 = 0x1000, .cr4 = 0x20, .efer = 0x500 };
    put(0x1000 + 8 * 511, 0x2003, 8);
    put(0x2000 + 8 * 510, 0x3003, 8);
    put(0x3000 + 8 * 1, 0x400083, 8);
    put(0x3000 + 8 * 2, 0x4003, 8);
    put(0x4000 + 8 * 3, 0x555003, 8);
}

TEST(long_mode_walks_four_levels_and_large_pages)
{
    gpa_t out;

    long_mode();
    EXPECT_EQ(walk_translate(&m, &s, 0xffffffff80212345, &out), OK);
    EXPECT_EQ(out.v, 0x412345);
    EXPECT_EQ(walk_translate(&m, &s, 0xffffffff80403123, &out), OK);
    EXPECT_EQ(out.v, 0x555123);
    EXPECT_EQ(walk_translate(&m, &s, 0x1000, &out), ERR_GUEST);
}

TEST(a_table_outside_memory_is_refused)
{
    gpa_t out;

    long_mode();
    s.cr3 = 0xfffffffff000;
    EXPECT_EQ(walk_translate(&m, &s, 0x1000, &out), ERR_GUEST);
}

TEST(without_paging_linear_is_physical)
{
    gpa_t out;

    s = (struct vcpu_state){ .cr0 = 1 };
    EXPECT_EQ(walk_translate(&m, &s, 0x1234567, &out), OK);
    EXPECT_EQ(out.v, 0x1234567);
}

TEST(two_level_tables_are_walked)
{
    gpa_t out;

    long_mode();
    s.efer = 0;
    s.cr4 = 0;
    s.cr3 = 0x5000;
    put(0x5000 + 4 * 1, 0x6003, 4);
    put(0x6000 + 4 * 2, 0x7003, 4);
    EXPECT_EQ(walk_translate(&m, &s, 0x402abc, &out), OK);
    EXPECT_EQ(out.v, 0x7abc);
}
