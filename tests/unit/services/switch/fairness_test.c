// SOURCES: services/switch/drr.c services/switch/bucket.c services/switch/slots.c
/* Round robin, token bucket and slots. */
#include "services/switch/bucket.h"
#include "services/switch/drr.h"
#include "services/switch/slots.h"
#include "tests/unit/test.h"

static struct drr drr;

/* The ticks that ports 0 and 1 got in @passes, if a turn takes whole frames of @cost. */
static void run(const uint64_t cost[2], unsigned passes, uint64_t got[2])
{
    uint32_t port;
    uint64_t ticks, taken;

    memset(&drr, 0, sizeof(drr));
    got[0] = got[1] = 0;
    drr_add(&drr, 0);
    drr_add(&drr, 1);
    for (unsigned i = 0; i < passes; i++) {
        drr_begin(&drr);
        while (drr_next(&drr, &port, &ticks)) {
            for (taken = 0; taken < ticks; taken += cost[port])
                ;
            drr_charge(&drr, taken);
            got[port] += taken;
        }
    }
}

TEST(dear_frames_get_no_more_time_than_cheap_ones)
{
    uint64_t got[2];

    run((uint64_t[]){ 300, 100000 }, 1000, got);
    EXPECT(got[0] * 100 > got[1] * 98 && got[1] * 100 > got[0] * 98);
}

TEST(a_port_that_leaves_keeps_its_debt)
{
    uint64_t ticks;
    uint32_t port;

    memset(&drr, 0, sizeof(drr));
    drr_add(&drr, 1);
    drr_begin(&drr);
    EXPECT(drr_next(&drr, &port, &ticks));
    drr_charge_last(&drr, 3 * DRR_QUANTUM);
    EXPECT_EQ(drr.count, 0);
    drr_add(&drr, 1);
    drr_add(&drr, 2);
    drr_begin(&drr);
    EXPECT(drr_next(&drr, &port, &ticks));
    EXPECT_EQ(port, 2);
    EXPECT(!drr_next(&drr, &port, &ticks));
}

TEST(who_is_alone_in_debt_is_served_after_one_idle_pass)
{
    uint64_t ticks;
    uint32_t port;

    memset(&drr, 0, sizeof(drr));
    drr_add(&drr, 1);
    drr_begin(&drr);
    EXPECT(drr_next(&drr, &port, &ticks));
    drr_charge(&drr, 1000ul * DRR_QUANTUM);
    drr_begin(&drr);
    EXPECT(!drr_next(&drr, &port, &ticks));
    drr_begin(&drr);
    EXPECT(drr_next(&drr, &port, &ticks));
}

TEST(a_port_can_be_removed_in_its_own_turn)
{
    uint64_t ticks;
    uint32_t port;

    memset(&drr, 0, sizeof(drr));
    for (uint32_t i = 0; i < 3; i++)
        drr_add(&drr, i);
    drr_begin(&drr);
    EXPECT(drr_next(&drr, &port, &ticks) && port == 0);
    drr_remove(&drr, 0);
    EXPECT(drr_next(&drr, &port, &ticks) && port == 1);
    EXPECT(drr_next(&drr, &port, &ticks) && port == 2);
    EXPECT(!drr_next(&drr, &port, &ticks));
}

TEST(a_bucket_gives_its_burst_then_its_rate)
{
    struct bucket b;

    bucket_init(&b, 10, 5, 0);
    EXPECT_EQ(bucket_take(&b, 0, 8), 5);
    EXPECT_EQ(bucket_take(&b, 99 * NS_PER_MS, 8), 0);
    EXPECT_EQ(bucket_take(&b, 100 * NS_PER_MS, 8), 1);
    EXPECT_EQ(bucket_take(&b, UINT64_MAX, 8), 5);
    EXPECT_EQ(bucket_take(&b, 0, 8), 0); /* a clock that goes back gives nothing */
}

TEST(the_largest_bucket_does_not_overflow)
{
    struct bucket b;

    bucket_init(&b, UINT32_MAX, UINT32_MAX, 0);
    EXPECT_EQ(bucket_take(&b, UINT64_MAX, UINT32_MAX), UINT32_MAX);
    EXPECT_EQ(bucket_take(&b, UINT64_MAX, 1), 0);
}

TEST(a_slot_is_given_once_and_taken_once)
{
    static uint64_t memory[1024];
    struct slots s;

    memset(memory, 0, sizeof(memory));
    EXPECT(slots_bytes(100) <= sizeof(memory));
    slots_init(&s, memory, 100);
    EXPECT_EQ(slots_give(&s, 0, 100), OK);
    EXPECT_EQ(slots_give(&s, 99, 1), ERR_GUEST);
    EXPECT_EQ(slots_give(&s, 100, 1), ERR_GUEST);
    EXPECT_EQ(slots_give(&s, 1, UINT32_MAX), ERR_GUEST);
    EXPECT_EQ(slots_take(&s), 99);
    EXPECT_EQ(slots_give(&s, 99, 1), OK);
    EXPECT_EQ(s.free_count, 100);
}
