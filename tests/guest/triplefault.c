/* hostile_001: an empty IDT and an exception. What the record of the crash must show is known: each
 * general register holds 0xc0de0000 and its number, CR2 an address of its own, the last exit before
 * is a CPUID, and behind the ud2 stands a text. Prints 'TRIPLEFAULT cpuid X ud2 Y cr3 Z', and with
 * wait=1 then waits for a byte from outside. */
#include "tests/guest/payload.h"

/* Labels in the assembly below. */
extern const uint8_t last_exit[], fatal[];

int payload_main(void)
{
    static const struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } empty = { 0, 0 };
    uint64_t cr3;

    __asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
    print("TRIPLEFAULT cpuid %x ud2 %x cr3 %x\n", (uint64_t)last_exit, (uint64_t)fatal, cr3);
    while (argument("wait", 0) && get_char() < 0)
        ;
    __asm__ volatile("lidt %0\n\t"
                     "movq $0x123456789abcd000, %%rax\n\t"
                     "movq %%rax, %%cr2\n"
                     ".globl last_exit, fatal\n"
                     "last_exit: cpuid\n\t"
                     ".set number, 0\n\t"
                     ".irp register, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, "
                     "r12, r13, r14, r15\n\t"
                     "movabsq $0xc0de0000 + number, %%\\register\n\t"
                     ".set number, number + 1\n\t"
                     ".endr\n"
                     "fatal: ud2\n\t"
                     ".ascii \"these bytes follow the ud2 ...\""
                     :
                     : "m"(empty)
                     : "memory");
    __builtin_unreachable();
}
