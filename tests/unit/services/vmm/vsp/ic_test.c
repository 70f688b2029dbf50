// SOURCES: services/vmm/vsp/*.c services/vmm/vmbus/server.c services/vmm/vmbus/gpadl.c
// SOURCES: services/vmm/vmbus/channel.c lib/ring.c lib/string.c lib/utf16.c
// SOURCES: tests/unit/services/vmm/vmbus/fake_bus.c tests/unit/services/vmm/vsp/fake_guest.c
/* The frame of the integration services, and heartbeat, time and shutdown above it. */
#include "services/vmm/vsp/heartbeat.h"
#include "services/vmm/vsp/shutdown.h"
#include "services/vmm/vsp/timesync.h"
#include "tests/unit/services/vmm/vsp/fake_guest.h"
#include "tests/unit/test.h"

static struct fake_guest g;
static struct heartbeat heartbeat;
static struct timesync timesync;
static struct shutdown shutdown_;
static enum err told;
static unsigned told_count;

static void done(void *ctx, enum err err)
{
    told = err;
    told_count++;
}

static void beat(void)
{
    fake_guest_init(&g);
    heartbeat_init(&heartbeat, &g.host);
    fake_guest_open(&g, &heartbeat.ic);
}

/* ---- the negotiation ---- */

TEST(the_host_begins_and_offers_all_that_it_speaks)
{
    struct {
        struct ic_negotiate counts;
        struct ic_version v[6];
    } PACKED offer;

    fake_guest_init(&g);
    shutdown_init(&shutdown_, &g.host, done, NULL);
    fake_guest_open(&g, &shutdown_.ic);
    EXPECT(fake_guest_take(&g));
    EXPECT_EQ(g.head.pipe_type, IC_PIPE_DATA);
    EXPECT_EQ(g.head.pipe_bytes, 20 + 32);
    EXPECT_EQ(g.head.type, IC_NEGOTIATE);
    EXPECT_EQ(g.head.flags, IC_FLAG_TRANSACTION | IC_FLAG_REQUEST);
    memcpy(&offer, g.body, sizeof(offer));
    EXPECT_EQ(offer.counts.framework_count, 2);
    EXPECT_EQ(offer.counts.version_count, 4);
    EXPECT_EQ(offer.v[1].major, 3);
    EXPECT_EQ(offer.v[5].major, 3);
    EXPECT_EQ(offer.v[5].minor, 2);
    EXPECT(!fake_guest_take(&g));
    fake_guest_pass(&g, 1000 * NS_PER_SECOND);
    EXPECT(!fake_guest_take(&g)); /* said once, waited for without end */
    fake_guest_end(&g);
}

TEST(what_the_guest_chose_is_spoken)
{
    beat();
    EXPECT(fake_guest_negotiate(&g, 1, 1, 0));
    EXPECT_EQ(heartbeat.ic.version.major, 1);
    fake_guest_pass(&g, 1);
    EXPECT(fake_guest_take(&g));
    EXPECT_EQ(g.head.framework.major, 1);
    EXPECT_EQ(g.head.version.major, 1);
    EXPECT_EQ(g.head.type, 1);
    fake_guest_end(&g);
}

TEST(a_guest_that_speaks_none_of_ours_is_left_alone)
{
    static const struct {
        struct ic_negotiate counts;
        struct ic_version v[2];
    } PACKED answers[] = {
        { { 0, 0, 0 }, { { 3, 0 }, { 3, 0 } } }, /* what follows is no version */
        { { 1, 1, 0 }, { { 3, 0 }, { 9, 0 } } },
        { { 1, 1, 0 }, { { 2, 0 }, { 3, 0 } } },
        { { 2, 1, 0 }, { { 3, 0 }, { 3, 0 } } },
    };

    for (unsigned i = 0; i < array_count(answers); i++) {
        beat();
        EXPECT(fake_guest_take(&g));
        fake_guest_answer(&g, 0, &answers[i], sizeof(answers[i]));
        EXPECT_EQ(heartbeat.ic.state, IC_UNUSABLE);
        fake_guest_pass(&g, 100 * NS_PER_SECOND);
        EXPECT(!fake_guest_take(&g));
        fake_guest_end(&g);
    }
}

TEST(hostile_077_what_answers_nothing_is_counted_and_ignored)
{
    beat();
    EXPECT(fake_guest_negotiate(&g, 3, 3, 0));
    fake_guest_pass(&g, 1);
    EXPECT(fake_guest_take(&g));
    struct ic_header good = g.head;
    struct {
        struct ic_header h;
        uint64_t sequence;
    } PACKED m = { .sequence = heartbeat.sequence + 1 };
    m.h = good; /* not marked as an answer */
    fake_guest_answer_raw(&g, &m, sizeof(m));
    m.h.flags = IC_FLAG_RESPONSE;
    m.h.transaction++; /* to another request */
    fake_guest_answer_raw(&g, &m, sizeof(m));
    m.h.transaction--;
    m.h.type = 2; /* another service's */
    fake_guest_answer_raw(&g, &m, sizeof(m));
    m.h.type = 1;
    fake_guest_answer_raw(&g, &m, 20); /* too short for a frame */
    EXPECT_EQ(heartbeat.ic.strange_count, 4);
    EXPECT(heartbeat.ic.is_waiting);
    fake_guest_answer_raw(&g, &m, sizeof(m));
    EXPECT(!heartbeat.ic.is_waiting);
    fake_guest_answer_raw(&g, &m, sizeof(m)); /* the same again */
    EXPECT_EQ(heartbeat.ic.strange_count, 5);
    EXPECT_EQ(heartbeat_state(&heartbeat), HEARTBEAT_OK);
    fake_guest_end(&g);
}

/* ---- heartbeat ---- */

static void answer_beat(uint64_t add)
{
    uint64_t body[5];

    memcpy(body, g.body, sizeof(body));
    body[0] += add;
    fake_guest_answer(&g, 0, body, sizeof(body));
}

TEST(a_beat_goes_out_every_two_seconds)
{
    beat();
    EXPECT(fake_guest_negotiate(&g, 3, 3, 0));
    for (unsigned i = 0; i < 10; i++) {
        fake_guest_pass(&g, i ? 2 * NS_PER_SECOND : 1);
        EXPECT(fake_guest_take(&g));
        answer_beat(1);
        EXPECT_EQ(heartbeat_state(&heartbeat), HEARTBEAT_OK);
        EXPECT(!fake_guest_take(&g));
    }
    fake_guest_end(&g);
}

TEST(a_silent_guest_is_late_then_lost_and_comes_back)
{
    beat();
    EXPECT(fake_guest_negotiate(&g, 3, 3, 0));
    fake_guest_pass(&g, 1);
    EXPECT(fake_guest_take(&g));
    uint32_t changes = g.changes;
    fake_guest_pass(&g, 2 * NS_PER_SECOND);
    EXPECT_EQ(heartbeat_state(&heartbeat), HEARTBEAT_LATE);
    fake_guest_pass(&g, 4 * NS_PER_SECOND);
    EXPECT_EQ(heartbeat_state(&heartbeat), HEARTBEAT_LOST);
    fake_guest_pass(&g, 100 * NS_PER_SECOND);
    EXPECT_EQ(g.changes, changes + 2);
    EXPECT(!fake_guest_take(&g));
    answer_beat(1);
    EXPECT_EQ(heartbeat_state(&heartbeat), HEARTBEAT_OK);
    EXPECT_EQ(g.changes, changes + 3);
    fake_guest_end(&g);
}

TEST(a_beat_that_is_not_counted_up_does_not_count)
{
    beat();
    EXPECT(fake_guest_negotiate(&g, 3, 3, 0));
    fake_guest_pass(&g, 1);
    EXPECT(fake_guest_take(&g));
    fake_guest_pass(&g, 6 * NS_PER_SECOND);
    answer_beat(0);
    EXPECT_EQ(heartbeat_state(&heartbeat), HEARTBEAT_LOST);
    EXPECT_EQ(heartbeat.ic.strange_count, 1);
    fake_guest_end(&g);
}

/* ---- time ---- */

struct time_body {
    uint64_t parent, reference;
    uint8_t flags;
} PACKED;

static struct time_body take_time(void)
{
    struct time_body b = { 0 };

    if (fake_guest_take(&g)) {
        memcpy(&b, g.body, sizeof(b));
        fake_guest_answer(&g, 0, g.body, g.body_bytes);
    }
    return b;
}

static void sync_with(uint16_t major)
{
    fake_guest_init(&g);
    g.utc_ns = 1700000000 * NS_PER_SECOND;
    timesync_init(&timesync, &g.host);
    fake_guest_open(&g, &timesync.ic);
    if (!fake_guest_negotiate(&g, 3, major, 0))
        abort();
    fake_guest_pass(&g, 1);
}

TEST(the_clock_is_set_once_and_then_only_sampled)
{
    struct time_body b;

    sync_with(4);
    b = take_time();
    EXPECT_EQ(b.flags, 1);
    EXPECT_EQ(b.parent, (11644473600ull + 1700000001) * 10000000 + IC_PACE_NS / 100);
    EXPECT_EQ(b.reference, 10000000 + IC_PACE_NS / 100);
    EXPECT_EQ(g.head.pipe_bytes, 20 + 22);
    for (unsigned i = 0; i < 20; i++) {
        fake_guest_pass(&g, 5 * NS_PER_SECOND);
        EXPECT_EQ(take_time().flags, 2);
    }
    timesync_set(&timesync);
    fake_guest_pass(&g, 1);
    EXPECT_EQ(take_time().flags, 1);
    fake_guest_end(&g);
}

TEST(a_guest_with_an_old_version_gets_the_old_form)
{
    sync_with(3);
    EXPECT(fake_guest_take(&g));
    EXPECT_EQ(g.head.pipe_bytes, 20 + 25);
    EXPECT_EQ(g.body[24], 1);
    fake_guest_end(&g);
}

TEST(a_set_that_must_wait_follows_the_answer)
{
    sync_with(4);
    EXPECT(fake_guest_take(&g));
    timesync_set(&timesync);
    fake_guest_pass(&g, NS_PER_SECOND);
    EXPECT(!fake_guest_take(&g));
    fake_guest_answer(&g, 0, g.body, g.body_bytes);
    fake_guest_pass(&g, 1);
    EXPECT_EQ(take_time().flags, 1);
    fake_guest_end(&g);
}

/* ---- shutdown ---- */

static void shut(uint16_t minor)
{
    fake_guest_init(&g);
    told_count = 0;
    shutdown_init(&shutdown_, &g.host, done, NULL);
    EXPECT_EQ(shutdown_request(&shutdown_, SHUTDOWN_OFF), ERR_STATE);
    fake_guest_open(&g, &shutdown_.ic);
    EXPECT(fake_guest_negotiate(&g, 3, 3, minor));
}

TEST(a_shutdown_is_as_long_as_linux_wants_it_and_acknowledged)
{
    static const uint32_t flags[] = { 0, 2, 4 };

    for (enum shutdown_mode mode = SHUTDOWN_OFF; mode <= SHUTDOWN_HIBERNATE; mode++) {
        uint32_t words[3];

        shut(2);
        EXPECT_EQ(shutdown_request(&shutdown_, mode), OK);
        EXPECT_EQ(shutdown_request(&shutdown_, mode), ERR_STATE);
        EXPECT(fake_guest_take(&g));
        EXPECT(g.body_bytes >= 2060);
        memcpy(words, g.body, sizeof(words));
        EXPECT_EQ(words[2], flags[mode]);
        fake_guest_answer(&g, 0, g.body, g.body_bytes);
        EXPECT_EQ(told_count, 1);
        EXPECT_EQ(told, OK);
        fake_guest_end(&g);
    }
}

TEST(a_guest_may_refuse_or_go)
{
    shut(2);
    EXPECT_EQ(shutdown_request(&shutdown_, SHUTDOWN_HIBERNATE), OK);
    EXPECT(fake_guest_take(&g));
    fake_guest_answer(&g, IC_STATUS_FAILED, g.body, g.body_bytes);
    EXPECT_EQ(told, ERR_UNSUPPORTED);
    EXPECT_EQ(shutdown_request(&shutdown_, SHUTDOWN_OFF), OK);
    fake_bus_close(&g.bus, 1);
    EXPECT_EQ(told, ERR_GONE);
    fake_guest_end(&g);
}

TEST(a_guest_that_does_not_answer_is_not_waited_for)
{
    shut(2);
    EXPECT_EQ(shutdown_request(&shutdown_, SHUTDOWN_OFF), OK);
    fake_guest_pass(&g, 6 * NS_PER_SECOND);
    EXPECT_EQ(told_count, 1);
    EXPECT_EQ(told, ERR_TIMED_OUT);
    EXPECT(fake_guest_take(&g));
    fake_guest_answer(&g, 0, g.body, g.body_bytes); /* it comes after all */
    EXPECT_EQ(told, OK);
    EXPECT_EQ(shutdown_request(&shutdown_, SHUTDOWN_OFF), OK);
    fake_guest_end(&g);
}

TEST(old_guests_are_not_asked_for_what_they_do_not_know)
{
    shut(0);
    EXPECT_EQ(shutdown_request(&shutdown_, SHUTDOWN_RESTART), ERR_UNSUPPORTED);
    EXPECT_EQ(shutdown_request(&shutdown_, SHUTDOWN_HIBERNATE), ERR_UNSUPPORTED);
    fake_guest_end(&g);
    shut(1);
    EXPECT_EQ(shutdown_request(&shutdown_, SHUTDOWN_HIBERNATE), ERR_UNSUPPORTED);
    EXPECT_EQ(shutdown_request(&shutdown_, SHUTDOWN_RESTART), OK);
    fake_guest_end(&g);
}

/* ---- records ---- */

TEST(what_a_heartbeat_saves_it_is_again)
{
    struct record_ic a, b;
    struct heartbeat other;

    beat();
    EXPECT(fake_guest_negotiate(&g, 3, 3, 0));
    fake_guest_pass(&g, 1);
    EXPECT(fake_guest_take(&g));
    fake_guest_pass(&g, 2 * NS_PER_SECOND);
    ic_save(&heartbeat.ic, &a);
    heartbeat_init(&other, &g.host);
    other.ic.device.channel = heartbeat.ic.device.channel;
    EXPECT_EQ(ic_restore(&other.ic, &a), OK);
    ic_save(&other.ic, &b);
    EXPECT_EQ(memcmp(&a, &b, sizeof(a)), 0);
    EXPECT_EQ(heartbeat_state(&other), HEARTBEAT_LATE);
    fake_guest_end(&g);
}

TEST(a_restored_service_wants_nothing_that_it_does_not_do)
{
    struct record_ic saved;
    struct shutdown other;

    shut(2);
    ic_save(&shutdown_.ic, &saved);
    shutdown_init(&other, &g.host, done, NULL);
    other.ic.device.channel = shutdown_.ic.device.channel;
    EXPECT_EQ(ic_restore(&other.ic, &saved), OK);
    EXPECT(ic_next(&other.ic) > g.now_ns); /* or its thread never sleeps */
    fake_guest_end(&g);
}

TEST(states_that_cannot_be_are_refused)
{
    struct record_ic good, bad;
    struct heartbeat other;

    beat();
    EXPECT(fake_guest_negotiate(&g, 3, 3, 0));
    ic_save(&heartbeat.ic, &good);
    heartbeat_init(&other, &g.host);
    EXPECT_EQ(ic_restore(&other.ic, &good), ERR_FORMAT); /* its channel is not open */
    other.ic.device.channel = heartbeat.ic.device.channel;
    bad = good;
    bad.state = IC_UNUSABLE + 1;
    EXPECT_EQ(ic_restore(&other.ic, &bad), ERR_FORMAT);
    bad = good;
    bad.version[0] = 7;
    EXPECT_EQ(ic_restore(&other.ic, &bad), ERR_FORMAT);
    bad = good;
    bad.is_waiting = 2;
    EXPECT_EQ(ic_restore(&other.ic, &bad), ERR_FORMAT);
    bad = good;
    bad.own[1] = 99;
    EXPECT_EQ(ic_restore(&other.ic, &bad), ERR_FORMAT);
    fake_guest_end(&g);
}
