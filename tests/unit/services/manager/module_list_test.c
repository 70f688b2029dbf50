// SOURCES: services/manager/module_list.c lib/string.c
#include "services/manager/module_list.h"
#include "tests/unit/test.h"

TEST(names_are_taken_one_after_the_other)
{
    const char *at = "a,bc,d.cpio";
    char name[GRANT_NAME_BYTES];

    EXPECT_EQ(module_list_count(at), 3);
    EXPECT(module_list_next(&at, name));
    EXPECT_STR(name, "a");
    EXPECT(module_list_next(&at, name));
    EXPECT_STR(name, "bc");
    EXPECT(module_list_next(&at, name));
    EXPECT_STR(name, "d.cpio");
    EXPECT(!module_list_next(&at, name));
    at = "";
    EXPECT(!module_list_next(&at, name));
}

TEST(lists_that_cannot_be_are_refused)
{
    char list[MODULE_LIST_BYTES + 1] = "";

    EXPECT(module_list_is_good("a"));
    EXPECT(module_list_is_good("a,b"));
    EXPECT(!module_list_is_good(""));
    EXPECT(!module_list_is_good(","));
    EXPECT(!module_list_is_good("a,"));
    EXPECT(!module_list_is_good(",a"));
    EXPECT(!module_list_is_good("a,,b"));
    memset(list, 'x', GRANT_NAME_BYTES - 1);
    EXPECT(module_list_is_good(list));
    memset(list, 'x', GRANT_NAME_BYTES);
    EXPECT(!module_list_is_good(list));
    for (unsigned i = 0; i < VMM_MODULES_MAX; i++)
        memcpy(list + 2 * i, "a,", 3);
    EXPECT(!module_list_is_good(list));
    list[2 * VMM_MODULES_MAX - 1] = 0;
    EXPECT(module_list_is_good(list));
    memcpy(list + 2 * VMM_MODULES_MAX - 1, ",a", 3);
    EXPECT(!module_list_is_good(list));
    for (unsigned i = 0; i < MODULE_LIST_BYTES; i++)
        list[i] = i % 100 == 99 ? ',' : 'y';
    EXPECT(!module_list_is_good(list));
    list[MODULE_LIST_BYTES - 1] = 0;
    EXPECT(module_list_is_good(list));
}
