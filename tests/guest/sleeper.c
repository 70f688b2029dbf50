/* Sleeps: a timer every tenth of a second, and HLT between them. */
#include "tests/guest/smp.h"

#define VECTOR_TIMER 0x51
#define MSR_STIMER0  0x400000b0u
#define TENTH        1000000u /* in units of 100 ns */

INTERRUPT(on_timer)
{
    apic_write(APIC_EOI, 0);
}

int payload_main(void)
{
    set_gate(VECTOR_TIMER, on_timer);
    apic_enable();
    write_msr(MSR_STIMER0 + 1, TENTH);
    write_msr(MSR_STIMER0, 1 | 2 | VECTOR_TIMER << 4 | 1 << 12);
    print("SLEEPER\n");
    for (;;)
        __asm__ volatile("sti; hlt");
}
