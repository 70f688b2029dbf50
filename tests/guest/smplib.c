#include "tests/guest/smp.h"

#include <stddef.h>

#define TRAMPOLINE     0x8000u
#define SMP_CPUS_MAX   64u
#define ICR_INIT       0x4500u
#define ICR_STARTUP    0x4600u
#define MSR_OS_ID      0x40000000u
#define MSR_HYPERCALL  0x40000001u
#define PATIENCE_TICKS 4000000000ull

extern const uint8_t trampoline_begin[], trampoline_end[];

static uint8_t hypercall_page[4096] __attribute__((aligned(4096)));
static void (*ap_entry)(unsigned int cpu);
static uint32_t up_count;

void *memcpy(void *to, const void *from, size_t bytes);
void smp_entered(unsigned int cpu);

void set_gate(unsigned int vector, void (*handler)(void))
{
    uint64_t at = (uint64_t)handler;

    idt[vector] =
        (struct gate){ (uint16_t)at, 8, 0, 0x8e, (uint16_t)(at >> 16), (uint32_t)(at >> 32), 0 };
}

bool apic_is_x2(void)
{
    uint64_t base = 0;

    read_msr(MSR_APIC_BASE, &base);
    return base & 1 << 10;
}

uint32_t apic_read(unsigned int reg)
{
    uint64_t value = 0;

    if (!apic_is_x2())
        return *(volatile uint32_t *)(APIC_PAGE + reg);
    read_msr(0x800 + reg / 16, &value);
    return (uint32_t)value;
}

void apic_write(unsigned int reg, uint64_t value)
{
    if (apic_is_x2())
        write_msr(0x800 + reg / 16, value);
    else
        *(volatile uint32_t *)(APIC_PAGE + reg) = (uint32_t)value;
}

void apic_enable(void)
{
    apic_write(APIC_SVR, 0x1ff);
}

void apic_send(uint32_t destination, uint32_t command)
{
    if (apic_is_x2()) {
        write_msr(0x800 + APIC_ICR / 16, (uint64_t)destination << 32 | command);
        return;
    }
    *(volatile uint32_t *)(APIC_PAGE + APIC_ICR + 16) = destination << 24;
    *(volatile uint32_t *)(APIC_PAGE + APIC_ICR) = command;
}

void smp_entered(unsigned int cpu)
{
    apic_enable();
    __atomic_add_fetch(&up_count, 1, __ATOMIC_SEQ_CST);
    ap_entry(cpu);
}

unsigned int smp_start(unsigned int count, void (*entry)(unsigned int cpu))
{
    uint64_t begin = rdtsc();

    ap_entry = entry;
    up_count = 1;
    apic_enable();
    memcpy((void *)(uint64_t)TRAMPOLINE, trampoline_begin,
           (size_t)(trampoline_end - trampoline_begin));
    for (unsigned int i = 1; i < count && i < SMP_CPUS_MAX; i++) {
        apic_send(i, ICR_INIT);
        apic_send(i, ICR_STARTUP | TRAMPOLINE >> 12);
    }
    while (__atomic_load_n(&up_count, __ATOMIC_SEQ_CST) < count && rdtsc() - begin < PATIENCE_TICKS)
        __asm__ volatile("pause");
    return up_count;
}

bool hypercall_enable(void)
{
    return write_msr(MSR_OS_ID, 0x8100000000000001ull) &&
           write_msr(MSR_HYPERCALL, (uint64_t)hypercall_page | 1);
}

uint64_t hypercall(uint64_t control, uint64_t input, uint64_t output)
{
    register uint64_t r8 __asm__("r8") = output;
    uint64_t result;

    __asm__ volatile("call *%[page]"
                     : "=a"(result), "+c"(control), "+d"(input), "+r"(r8)
                     : [page] "r"(hypercall_page)
                     : "memory", "cc", "r9", "r10", "r11");
    return result;
}
