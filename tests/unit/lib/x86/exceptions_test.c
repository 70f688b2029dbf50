// SOURCES: lib/x86/exceptions.c
#include "lib/x86/exceptions.h"
#include "lib/x86/regs.h"
#include "tests/unit/test.h"

static const unsigned contributory[] = { VECTOR_DE, VECTOR_TS, VECTOR_NP, VECTOR_SS, VECTOR_GP };

static bool is_contributory(unsigned vector)
{
    for (unsigned i = 0; i < sizeof(contributory) / sizeof(*contributory); i++)
        if (vector == contributory[i])
            return true;
    return false;
}

TEST(a_contributory_exception_after_a_contributory_one_or_a_page_fault_is_a_double_fault)
{
    for (unsigned first = 0; first < 32; first++)
        for (unsigned second = 0; second < 32; second++)
            if (is_contributory(second) && (is_contributory(first) || first == VECTOR_PF))
                EXPECT_EQ(exceptions_combine(first, second), COMBINE_DOUBLE_FAULT);
}

TEST(a_page_fault_after_a_page_fault_is_a_double_fault)
{
    EXPECT_EQ(exceptions_combine(VECTOR_PF, VECTOR_PF), COMBINE_DOUBLE_FAULT);
}

TEST(a_page_fault_after_a_contributory_exception_is_delivered)
{
    for (unsigned i = 0; i < sizeof(contributory) / sizeof(*contributory); i++)
        EXPECT_EQ(exceptions_combine(contributory[i], VECTOR_PF), COMBINE_SERIALLY);
}

TEST(whatever_would_be_a_double_fault_is_a_shutdown_after_one)
{
    for (unsigned second = 0; second < 32; second++)
        EXPECT_EQ(exceptions_combine(VECTOR_DF, second),
                  is_contributory(second) || second == VECTOR_PF ? COMBINE_SHUTDOWN
                                                                 : COMBINE_SERIALLY);
}

TEST(a_benign_exception_first_or_second_is_delivered)
{
    for (unsigned first = 0; first < 32; first++)
        for (unsigned second = 0; second < 32; second++)
            if ((!is_contributory(first) && first != VECTOR_PF && first != VECTOR_DF) ||
                (!is_contributory(second) && second != VECTOR_PF))
                EXPECT_EQ(exceptions_combine(first, second), COMBINE_SERIALLY);
}

TEST(what_is_no_vector_of_an_exception_is_benign)
{
    EXPECT_EQ(exceptions_combine(32, 45), COMBINE_SERIALLY);
    EXPECT_EQ(exceptions_combine(VECTOR_PF, 255), COMBINE_SERIALLY);
}
