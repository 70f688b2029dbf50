// SOURCES: services/manager/cpu_list.c lib/string.c
#include "services/manager/cpu_list.h"
#include "tests/unit/test.h"

TEST(a_list_gives_its_cpus_in_turn)
{
    struct cpu_list l;

    EXPECT(cpu_list_parse("3,0,63", &l));
    EXPECT_EQ(l.count, 3);
    EXPECT_EQ(cpu_list_at(&l, 0), 3);
    EXPECT_EQ(cpu_list_at(&l, 2), 63);
    EXPECT_EQ(cpu_list_at(&l, 4), 0);
    EXPECT(cpu_list_is_good(&l));
}

TEST(any_is_no_cpu)
{
    struct cpu_list l;

    EXPECT(cpu_list_parse("any", &l));
    EXPECT_EQ(l.count, 0);
    EXPECT_EQ(cpu_list_at(&l, 5), UINT64_MAX);
}

TEST(what_is_no_list_is_refused)
{
    static const char *const texts[] = { "",
                                         ",",
                                         "0,",
                                         ",0",
                                         "0,,1",
                                         "64",
                                         "00000064",
                                         "-1",
                                         "0 1",
                                         "x",
                                         "1K",
                                         "any,0",
                                         "99999999999999999999" };
    struct cpu_list l;
    char text[2 * VMM_VCPUS_MAX + 3];

    for (unsigned i = 0; i < array_count(texts); i++)
        EXPECT(!cpu_list_parse(texts[i], &l));
    for (unsigned i = 0; i <= VMM_VCPUS_MAX; i++) {
        text[2 * i] = '1';
        text[2 * i + 1] = ',';
    }
    text[2 * VMM_VCPUS_MAX + 1] = 0;
    EXPECT(!cpu_list_parse(text, &l));
    text[2 * VMM_VCPUS_MAX - 1] = 0;
    EXPECT(cpu_list_parse(text, &l));
    EXPECT_EQ(l.count, VMM_VCPUS_MAX);
}
