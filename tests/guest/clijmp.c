/* hostile_003: never gives the CPU back by itself. */
#include "tests/guest/payload.h"

int payload_main(void)
{
    print("CLIJMP\n");
    __asm__ volatile("cli; 1: jmp 1b");
    return 1;
}
