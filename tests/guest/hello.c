/* The smallest guest: says hello, repeats its command line, ends with the exit code it was given.
 *
 * It runs in ring 0 of its own virtual machine: no operating system, one CPU in 64-bit mode, memory
 * mapped one to one (start.S). Its three ways to the outside are all port I/O, and each ends in the
 * vmm: a write to the UART at 0x3f8 prints, a read of 0x3fd asks whether the UART is ready, and a
 * write to 0xf4 ends the VM.
 *
 *     vm create hello kernel=hello.elf memory=16M cpus=1 cmdline="exit=42"
 *     vm start hello
 *     vm log hello
 */
#include "tests/guest/payload.h"

int payload_main(void)
{
    uint32_t r[4];
    char vendor[13] = "";

    cpuid(0x40000000, 0, r);
    for (int i = 0; i < 12; i++)
        vendor[i] = (char)(r[1 + i / 4] >> (8 * (i % 4)));
    print("Hello from ring 0 of a guest.\n");
    print("The hypervisor calls itself '%s'.\n", vendor);
    print("My command line is '%s'.\n", command_line());
    return (int)argument("exit", 0);
}
