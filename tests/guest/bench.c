/* Measures what one exit costs: the TSC counts instructions when the machine runs under icount.
 * Prints 'BENCH name N' with N the cost of one exit in hundredths of an instruction: the median of
 * ROUNDS single measurements, each less what an empty one costs. A median, since now and then the
 * host takes the CPU for work of its own. */
#include "tests/guest/payload.h"

#define ROUNDS 1000

static uint64_t samples[ROUNDS];

static uint64_t median(void)
{
    for (unsigned int i = 1; i < ROUNDS; i++)
        for (unsigned int k = i; k && samples[k] < samples[k - 1]; k--) {
            uint64_t t = samples[k];

            samples[k] = samples[k - 1];
            samples[k - 1] = t;
        }
    return samples[ROUNDS / 2];
}

#define COST(instruction)                                                                  \
    ({                                                                                     \
        for (unsigned int i = 0; i < ROUNDS; i++) {                                        \
            uint64_t before = rdtsc();                                                     \
                                                                                           \
            __asm__ volatile(                                                              \
                "mov $0x40000000, %%eax; xor %%ecx, %%ecx; mov $0x3fd, %%dx; " instruction \
                :                                                                          \
                :                                                                          \
                : "rax", "rbx", "rcx", "rdx");                                             \
            samples[i] = rdtsc() - before;                                                 \
        }                                                                                  \
        median();                                                                          \
    })

#define MEASURE(name, instruction) print("BENCH %s %u\n", name, (COST(instruction) - empty) * 100)

int payload_main(void)
{
    uint64_t empty = COST("");

    MEASURE("nop", "nop");
    MEASURE("cpuid", "cpuid");
    MEASURE("cpuid-vendor", "xor %%eax, %%eax; cpuid");
    MEASURE("cpuid-features", "mov $1, %%eax; cpuid");
    MEASURE("port-read", "inb %%dx, %%al");
    MEASURE("msr-read", "mov $0x40000002, %%ecx; rdmsr");
    print("BENCH done\n");
    return 0;
}
