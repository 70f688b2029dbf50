/* Counts for ever, and prints 'COUNT n TSC t' for each byte that comes in: how much CPU time it got
 * by when (the TSC goes on while others run).
 * It looks for a byte every step= rounds (default 1,000,000), so that looking costs little. With
 * exits=1 each round leaves the guest once. */
#include "tests/guest/payload.h"

int payload_main(void)
{
    uint64_t step = argument("step", 1000000), exits = argument("exits", 0), count = 0;
    uint32_t r[4];

    print("COUNTER\n");
    for (;;) {
        for (uint64_t i = 0; i < step; i++)
            if (exits)
                cpuid(0x40000000, 0, r);
            else
                __asm__ volatile("");
        count += step;
        if (get_char() >= 0)
            print("COUNT %u TSC %u\n", count, rdtsc());
    }
}
