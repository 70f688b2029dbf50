// SOURCES: services/vmm/vsp/vss.c services/vmm/vsp/ic.c services/vmm/vmbus/channel.c
// SOURCES: services/vmm/vmbus/gpadl.c lib/*.c
#include "services/vmm/vsp/vss.h"
#include "tests/unit/test.h"

static uint64_t now(void *ctx)
{
    (void)ctx;
    return 1000;
}

static struct ic_time time_of(void *ctx)
{
    (void)ctx;
    return (struct ic_time){ 0, 0 };
}

static void changed(void *ctx)
{
    (void)ctx;
}

static void done(void *ctx, enum err err)
{
    (void)ctx;
    (void)err;
}

TEST(a_service_that_was_never_used_is_saved_and_restored)
{
    static const struct ic_host host = { now, time_of, changed, changed, NULL };
    static struct vss one, two;
    struct record_ic first, second;

    vss_init(&one, &host, done, NULL);
    vss_init(&two, &host, done, NULL);
    ic_save(&one.ic, &first);
    EXPECT_EQ(ic_restore(&two.ic, &first), OK);
    ic_save(&two.ic, &second);
    EXPECT(memcmp(&first, &second, sizeof(first)) == 0);
}
