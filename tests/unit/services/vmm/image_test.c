// SOURCES: services/vmm/image.c lib/checksum.c lib/string.c
#include "services/vmm/image.h"
#include "tests/unit/test.h"

#define CPUS   2u
#define MEMORY MIB(1)

static uint8_t room[KIB(8)];
static struct image_head head;
static struct record_rtc rtc;

/* A head, a record of a clock, and the end. */
static uint64_t make(void)
{
    struct image_writer w = { .at = room, .capacity = sizeof(room), .used = sizeof(head) };

    memset(room, 0, sizeof(room));
    for (unsigned i = 0; i < sizeof(rtc.ram); i++)
        rtc.ram[i] = (uint8_t)i;
    image_put(&w, RECORD_RTC, &rtc, sizeof(rtc));
    image_put(&w, RECORD_END, NULL, 0);
    head = (struct image_head){ .vmm_bytes = w.used - sizeof(head), .kernel_bytes = 64 };
    image_seal(&head, MEMORY, CPUS);
    memcpy(room, &head, sizeof(head));
    return w.used;
}

TEST(an_image_is_read_as_it_was_written)
{
    struct image_head h;
    struct record_rtc out;
    struct record r;
    uint64_t at = 0, end = make();

    EXPECT_EQ(image_open(room, image_bytes(MEMORY, CPUS), &h), OK);
    EXPECT(!memcmp(&h, &head, sizeof(h)));
    EXPECT_EQ(image_take(room + sizeof(h), h.vmm_bytes, &at, &r, &out, sizeof(out)), OK);
    EXPECT_EQ(r.type, RECORD_RTC);
    EXPECT(!memcmp(&out, &rtc, sizeof(out)));
    EXPECT_EQ(image_take(room + sizeof(h), h.vmm_bytes, &at, &r, &out, 0), OK);
    EXPECT_EQ(r.type, RECORD_END);
    EXPECT_EQ(at + sizeof(h), end);
    EXPECT_EQ(image_take(room + sizeof(h), h.vmm_bytes, &at, &r, &out, 0), ERR_FORMAT);
}

TEST(a_head_with_any_bit_changed_is_refused)
{
    struct image_head h;

    (void)make();
    EXPECT_EQ(image_open(room, image_bytes(MEMORY, CPUS) - 1, &h), ERR_FORMAT);
    for (unsigned bit = 0; bit < 8 * sizeof(h); bit++) {
        room[bit / 8] ^= (uint8_t)(1u << bit % 8);
        EXPECT_EQ(image_open(room, image_bytes(MEMORY, CPUS), &h), ERR_FORMAT);
        room[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

TEST(lengths_that_leave_the_image_are_refused_whatever_the_checksum)
{
    static const uint64_t lengths[] = { UINT64_MAX, UINT64_MAX - 63, MIB(2), 1ull << 63 };
    struct image_head h;

    for (unsigned i = 0; i < array_count(lengths); i++) {
        (void)make();
        head.vmm_bytes = lengths[i];
        image_seal(&head, MEMORY, CPUS);
        EXPECT_EQ(image_open(&head, image_bytes(MEMORY, CPUS), &h), ERR_FORMAT);
        head.vmm_bytes = 64;
        head.kernel_bytes = lengths[i];
        image_seal(&head, MEMORY, CPUS);
        EXPECT_EQ(image_open(&head, image_bytes(MEMORY, CPUS), &h), ERR_FORMAT);
    }
}

TEST(broken_records_are_refused)
{
    struct record_rtc out;
    struct record r;

    for (unsigned i = 0; i < sizeof(struct record) + sizeof(rtc); i++) {
        uint64_t at = 0, bytes = make() - sizeof(head);

        if (i < 4 || i == 6 || i == 7)
            continue; /* type and instance are for the caller to look at */
        room[sizeof(head) + i] ^= 0x80;
        EXPECT_EQ(image_take(room + sizeof(head), bytes, &at, &r, &out, sizeof(out)), ERR_FORMAT);
    }
    uint64_t at = 0;
    (void)make();
    EXPECT_EQ(image_take(room + sizeof(head), 20, &at, &r, &out, sizeof(out)), ERR_FORMAT);
    at = 0;
    EXPECT_EQ(image_take(room + sizeof(head), 500, &at, &r, &out, sizeof(out) - 8), ERR_FORMAT);
}

TEST(a_full_image_stays_full)
{
    struct image_writer w = { .at = room, .capacity = 40 };

    image_put(&w, RECORD_END, NULL, 0);
    EXPECT_EQ(w.err, OK);
    image_put(&w, RECORD_RTC, &rtc, sizeof(rtc));
    EXPECT_EQ(w.err, ERR_FULL);
    image_put(&w, RECORD_END, NULL, 0);
    EXPECT_EQ(w.err, ERR_FULL);
    EXPECT_EQ(w.used, 16);
}

TEST(a_summary_tells_types_apart_and_sees_each_change)
{
    struct vmm_saved one = { 0 }, two = { 0 };
    uint64_t bytes = make() - sizeof(head);

    image_summarise(room + sizeof(head), bytes, &one);
    EXPECT_EQ(one.type_count, 1);
    EXPECT_EQ(one.types[0].type, RECORD_RTC);
    EXPECT_EQ(one.types[0].count, 1);
    EXPECT_EQ(one.types[0].bytes, sizeof(rtc));
    rtc.index ^= 1;
    (void)make();
    image_summarise(room + sizeof(head), bytes, &two);
    EXPECT(one.types[0].checksum != two.types[0].checksum);
}
