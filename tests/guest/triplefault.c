/* hostile_001: an empty IDT and an exception. With wait=1 a byte from outside is waited for first. */
#include "tests/guest/payload.h"

int payload_main(void)
{
    struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } empty = { 0, 0 };

    print("TRIPLEFAULT\n");
    while (argument("wait", 0) && get_char() < 0)
        ;
    __asm__ volatile("movq $0x1234567890abcdef, %%r15; lidt %0; ud2" : : "m"(empty) : "r15");
    return 1;
}
