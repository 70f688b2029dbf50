// SOURCES: services/switch/checksum.c
#include "services/switch/checksum.h"
#include "tests/unit/test.h"

/* 16 bits at a time, as the RFC has it. */
static uint16_t plainly(const uint8_t *data, size_t bytes)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < bytes; i++) {
        sum += (uint32_t)data[i] << 8 * (i % 2);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

TEST(sums_of_all_lengths_equal_the_plain_ones)
{
    uint8_t data[300];

    srand(1);
    for (size_t n = 0; n < sizeof(data); n++)
        for (unsigned round = 0; round < 20; round++) {
            for (size_t i = 0; i < n; i++)
                data[i] = (uint8_t)(round < 2 ? 0xff : rand());
            EXPECT_EQ(checksum_fold(checksum_add(0, data, n)) % 0xffff, plainly(data, n) % 0xffff);
        }
}

TEST(a_sum_can_be_taken_in_parts)
{
    uint8_t data[200];

    for (unsigned i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 251);
    for (size_t cut = 0; cut < sizeof(data); cut += 2)
        EXPECT_EQ(checksum_fold(checksum_add(checksum_add(0, data, cut), data + cut, 200 - cut)),
                  plainly(data, 200));
}
