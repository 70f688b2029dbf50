// SOURCES: services/vmm/panic_excerpt.c lib/string.c
#include "services/vmm/panic.h"
#include "lib/string.h"
#include "tests/unit/test.h"

static const char *excerpt(const char *text, uint64_t capacity)
{
    static char out[64];

    panic_excerpt(text, strlen(text), out, capacity);
    return out;
}

TEST(the_excerpt_begins_with_the_line_that_names_the_panic)
{
    EXPECT_EQ(strcmp(excerpt("one\nKernel panic - x\nthree", 64), "Kernel panic - x\nthree"), 0);
    EXPECT_EQ(strcmp(excerpt("x\n<0> PANIC a\n panic+0x1", 64), "<0> PANIC a\n panic+0x1"), 0);
}

TEST(without_such_a_line_it_is_the_end)
{
    EXPECT_EQ(strcmp(excerpt("0123456789", 5), "6789"), 0);
    EXPECT_EQ(strcmp(excerpt("", 5), ""), 0);
    EXPECT_EQ(strcmp(excerpt("ends in pani", 64), "ends in pani"), 0);
}

TEST(it_never_passes_its_room)
{
    EXPECT_EQ(strcmp(excerpt("panic 0123456789", 8), "panic 0"), 0);
}
