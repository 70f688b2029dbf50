/* hostile_015: looks through all RAM for what an earlier VM left, then fills it with a pattern that
 * the next one would find. Prints 'CANARY hits N dirty M': words with the pattern, words not zero
 * (our own image and what the loader put there not counted). With stay=1 it then halts. */
#include "tests/guest/payload.h"

#define PATTERN 0xcafef00d5ca1ab1eull

int payload_main(void)
{
    const struct memory_range *range;
    uint32_t count = memory_ranges(&range);
    uint64_t hits = 0, dirty = 0, words = 0;
    /* Loaders put start info and tables below 1 MiB or right behind the image. */
    uint64_t from = ((uint64_t)payload_end + 0x200000) & ~0x1fffffull;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t begin = range[i].address, past = begin + range[i].bytes;

        if (range[i].type != 1 || past <= from || begin >= 1ull << 32)
            continue;
        begin = begin < from ? from : begin;
        past = past > 1ull << 32 ? 1ull << 32 : past;
        for (volatile uint64_t *at = (uint64_t *)begin; at < (uint64_t *)past; at++, words++) {
            uint64_t value = *at;

            hits += value == PATTERN;
            dirty += value != 0;
            *at = PATTERN;
        }
    }
    print("CANARY hits %u dirty %u words %u\n", hits, dirty, words);
    while (argument("stay", 0))
        __asm__ volatile("hlt");
    return hits ? 1 : 0;
}
