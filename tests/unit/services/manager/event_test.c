// SOURCES: services/manager/event.c services/manager/event_catalogue.c services/manager/json.c
// SOURCES: services/manager/byte_queue.c services/rt/log.c lib/format.c lib/string.c
#include "services/manager/byte_queue.h"
#include "services/manager/event.h"
#include "services/rt/sys.h"
#include "tests/unit/test.h"

uint64_t sys_clock(void)
{
    return 42;
}

void sys_log_write(const char *text, size_t bytes)
{
    (void)text;
    (void)bytes;
}

static struct event_ring ring;

static void fill(unsigned n)
{
    memset(&ring, 0, sizeof(ring));
    if (!event_init(&ring))
        abort();
    for (unsigned i = 0; i < n; i++)
        event_emit(EVENT_VM_CREATED, "web", NULL, "number %u", i);
}

TEST(at_least_1024_events_are_kept)
{
    fill(5000);
    EXPECT_EQ(event_next_seq(), 5001);
    EXPECT(event_next_seq() - event_first_seq() >= 1024);
    EXPECT(event_get(event_first_seq() - 1) == NULL);
    EXPECT(event_get(5001) == NULL);
    EXPECT_STR(event_get(5000)->text, "number 4999");
    EXPECT_EQ(event_get(event_first_seq())->seq, event_first_seq());
}

TEST(ring_is_kept_over_a_restart)
{
    fill(3000);
    EXPECT(event_init(&ring));
    EXPECT_STR(event_get(3000)->text, "number 2999");
}

TEST(damaged_ring_is_emptied)
{
    fill(10);
    ring.events[5].id = 9999;
    EXPECT(!event_init(&ring));
    EXPECT_EQ(event_next_seq(), 1);
}

TEST(event_is_one_object)
{
    char buffer[64], text[1024];
    struct json fields, j;

    fill(0);
    json_init(&fields, buffer, sizeof(buffer));
    json_object_begin(&fields);
    json_field_number(&fields, "exit_code", 3);
    json_object_end(&fields);
    event_emit(EVENT_VM_STOPPED, "web", &fields, "a \"%s\"", "b");
    event_emit(EVENT_HOST_READY, NULL, NULL, "ready");
    json_init(&j, text, sizeof(text) - 1);
    event_to_json(&j, event_get(1));
    text[j.used] = 0;
    EXPECT_STR(
        text,
        "{\"event\":\"vm-stopped\",\"seq\":1,\"t_ns\":42,\"severity\":\"info\",\"vm\":\"web\","
        "\"text\":\"a \\\"b\\\"\",\"fields\":{\"exit_code\":3}}");
    json_init(&j, text, sizeof(text) - 1);
    event_to_json(&j, event_get(2));
    text[j.used] = 0;
    EXPECT_HAS_NOT(text, "\"vm\"");
    EXPECT_HAS(text, "\"fields\":{}");
}

TEST(queue_gives_back_what_it_took_all_the_way_round)
{
    static uint8_t data[16];
    struct byte_queue_state state = { 0xfffffff8, 0xfffffff8 };
    struct byte_queue q;
    char out[16];

    EXPECT(byte_queue_init(&q, &state, data, sizeof(data)));
    for (unsigned i = 0; i < 1000; i++) {
        EXPECT(byte_queue_put(&q, "0123456789", 10));
        EXPECT(!byte_queue_put(&q, "0123456", 7));
        EXPECT_EQ(byte_queue_take(&q, out, 16), 10);
        EXPECT(memcmp(out, "0123456789", 10) == 0);
    }
    state.read = state.write + 1;
    EXPECT(!byte_queue_init(&q, &state, data, sizeof(data)));
    EXPECT_EQ(byte_queue_used(&q), 0);
}
