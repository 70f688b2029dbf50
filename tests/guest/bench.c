/* Measures what one exit costs: the TSC counts instructions when the machine runs under icount.
 * Prints 'BENCH name N' with N the cost of one exit in hundredths of an instruction, the loop
 * itself taken off. */
#include "tests/guest/payload.h"

#define ROUNDS 10000
#define MEASURE(name, instruction)                                                        \
    ({                                                                                    \
        uint64_t begin = rdtsc(), middle, past;                                           \
                                                                                          \
        for (int i = 0; i < ROUNDS; i++)                                                  \
            __asm__ volatile("mov $0x40000000, %%eax; xor %%ecx, %%ecx; mov $0x3fd, %%dx" \
                             :                                                            \
                             :                                                            \
                             : "rax", "rbx", "rcx", "rdx");                               \
        middle = rdtsc();                                                                 \
        for (int i = 0; i < ROUNDS; i++)                                                  \
            __asm__ volatile(                                                             \
                "mov $0x40000000, %%eax; xor %%ecx, %%ecx; mov $0x3fd, %%dx;" instruction \
                :                                                                         \
                :                                                                         \
                : "rax", "rbx", "rcx", "rdx");                                            \
        past = rdtsc();                                                                   \
        print("BENCH %s %u\n", name, (past - middle - (middle - begin)) * 100 / ROUNDS);  \
    })

int payload_main(void)
{
    MEASURE("rdtsc-loop", "nop");
    MEASURE("cpuid", "cpuid");
    MEASURE("port-read", "inb %%dx, %%al");
    MEASURE("msr-read", "mov $0x40000002, %%ecx; rdmsr");
    print("BENCH done\n");
    return 0;
}
