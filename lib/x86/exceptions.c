#include "lib/x86/exceptions.h"
#include "lib/types.h"
#include "lib/x86/regs.h"

#define CONTRIBUTORY \
    (1u << VECTOR_DE | 1u << VECTOR_TS | 1u << VECTOR_NP | 1u << VECTOR_SS | 1u << VECTOR_GP)

static bool is_contributory(unsigned vector)
{
    return vector < 32 && CONTRIBUTORY >> vector & 1;
}

enum combination exceptions_combine(unsigned first, unsigned second)
{
    bool is_grave = is_contributory(second) || second == VECTOR_PF;

    if (first == VECTOR_DF)
        return is_grave ? COMBINE_SHUTDOWN : COMBINE_SERIALLY;
    if (first == VECTOR_PF)
        return is_grave ? COMBINE_DOUBLE_FAULT : COMBINE_SERIALLY;
    return is_contributory(first) && is_contributory(second) ? COMBINE_DOUBLE_FAULT
                                                             : COMBINE_SERIALLY;
}
