/* hostile_003: never gives the CPU back by itself. With idt=0 no exception can be delivered. */
#include "tests/guest/payload.h"

int payload_main(void)
{
    struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } empty = { 0, 0 };

    print("CLIJMP\n");
    if (!argument("idt", 1))
        __asm__ volatile("lidt %0" : : "m"(empty));
    __asm__ volatile("cli; 1: jmp 1b");
    return 1;
}
