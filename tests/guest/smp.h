/* Interrupts, several CPUs, the local APIC in the mode it is in, and hypercalls, for payloads. */
#pragma once
#include "tests/guest/payload.h"

#define APIC_ID      0x20
#define APIC_TPR     0x80
#define APIC_EOI     0xb0
#define APIC_LDR     0xd0
#define APIC_SVR     0xf0
#define APIC_ICR     0x300
#define APIC_TIMER   0x320
#define APIC_INITIAL 0x380
#define APIC_CURRENT 0x390
#define APIC_DIVIDE  0x3e0
#define APIC_PAGE    0xfee00000ull

#define MSR_APIC_BASE 0x1b

/* Begins a function that handles an interrupt. */
#define INTERRUPT(name)                                                                      \
    void name(void);                                                                         \
    __attribute__((used)) static void name##_body(void);                                     \
    __asm__(".text\n.globl " #name "\n" #name ":\n\t"                                        \
            "push %rax; push %rcx; push %rdx; push %rsi; push %rdi; push %r8; push %r9\n\t"  \
            "push %r10; push %r11; cld; call " #name "_body\n\t"                             \
            "pop %r11; pop %r10; pop %r9; pop %r8; pop %rdi; pop %rsi; pop %rdx; pop %rcx\n" \
            "\tpop %rax; iretq");                                                            \
    static void name##_body(void)

struct gate { /* of the IDT, which start.S loads */
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_mid;
    uint32_t offset_high, reserved;
};
extern struct gate idt[256];

/* @handler: a function begun by INTERRUPT. */
void set_gate(unsigned int vector, void (*handler)(void));
static inline void interrupts_on(void)
{
    __asm__ volatile("sti" : : : "memory");
}
static inline void interrupts_off(void)
{
    __asm__ volatile("cli" : : : "memory");
}

bool apic_is_x2(void);
void apic_enable(void);
uint32_t apic_read(unsigned int reg);
void apic_write(unsigned int reg, uint64_t value);
/* @command: the low half of the ICR. */
void apic_send(uint32_t destination, uint32_t command);

/* Starts the CPUs with APIC ids 1 to @count - 1 by one INIT and one SIPI each; they run @entry with
 * their number. Returns how many CPUs, the first included, have come up within a while. */
unsigned int smp_start(unsigned int count, void (*entry)(unsigned int cpu));

/* The hypercall page, which this switches on; calls return the result value. */
bool hypercall_enable(void);
uint64_t hypercall(uint64_t control, uint64_t input, uint64_t output);
