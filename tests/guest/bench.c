/* Measures what operations of a guest cost: the TSC counts instructions when the machine runs under
 * icount. Prints 'BENCH name N' with N the cost of one operation in hundredths of an instruction:
 * the median of ROUNDS single measurements, each less what an empty one costs. A median, since now
 * and then the host takes the CPU for work of its own. do=ipi measures what takes two CPUs: there
 * time counts the instructions of both. */
#include "tests/guest/measure.h"
#include "tests/guest/smp.h"

#define VECTOR_BENCH  0x50
#define VECTOR_TIMER  0x51
#define MSR_STIMER0   0x400000b0u
#define MSR_REFERENCE 0x40000020u
#define BENCH_PORT    0x10000u /* the connection that a VM with cmdline bench-port=1 has */
#define PORT_WOKEN    0xe0     /* where its vmm tells when it woke, by the guest's TSC */

static uint64_t empty;
static volatile uint64_t interrupt_tsc;
static volatile uint32_t interrupt_count, turn;
static uint8_t untouched[ROUNDS * 4096] __attribute__((aligned(4096)));

static void report(const char *name)
{
    uint64_t cost = median();

    print("BENCH %s %u\n", name, (cost > empty ? cost - empty : 0) * 100);
}

#define COST(instruction)                                                              \
    for (unsigned int i = 0; i < ROUNDS; i++) {                                        \
        uint64_t before = rdtsc();                                                     \
                                                                                       \
        __asm__ volatile(                                                              \
            "mov $0x40000000, %%eax; xor %%ecx, %%ecx; mov $0x3fd, %%dx; " instruction \
            :                                                                          \
            : [page] "r"(APIC_PAGE), [touch] "r"(&untouched[i * 4096])                 \
            : "rax", "rbx", "rcx", "rdx", "r8", "memory");                             \
        samples[i] = rdtsc() - before;                                                 \
    }

#define MEASURE(name, instruction) \
    {                              \
        COST(instruction);         \
        report(name);              \
    }

static void plain(void)
{
    COST("");
    empty = 0;
    empty = median();
    MEASURE("nop", "nop");
    MEASURE("cpuid", "cpuid");
    MEASURE("cpuid-prefix", ".byte 0x66; cpuid");
    MEASURE("cpuid-features", "mov $1, %%eax; cpuid");
    MEASURE("msr-read", "mov $0x40000002, %%ecx; rdmsr");
    MEASURE("msr-write", "mov $0x40000072, %%ecx; xor %%eax, %%eax; xor %%edx, %%edx; wrmsr");
    MEASURE("hypercall-invalid", "mov $0x7fff, %%ecx; vmmcall");
    MEASURE("port-read", "inb %%dx, %%al");
    MEASURE("first-touch", "movb $1, (%[touch])");
}

/* ---- the local APIC ---- */

INTERRUPT(on_self)
{
    interrupt_count++;
    __asm__ volatile("wrmsr" : : "c"(0x80b), "a"(0), "d"(0));
}

INTERRUPT(on_timer)
{
    interrupt_tsc = rdtsc();
    __asm__ volatile("wrmsr" : : "c"(0x80b), "a"(0), "d"(0));
}

/* @time * @tsc_hz / 10,000,000, by a product of 128 bits. */
static uint64_t tsc_of(uint64_t time, uint64_t tsc_hz)
{
    uint64_t low, high, quotient, rest;

    __asm__("mul %3" : "=a"(low), "=d"(high) : "a"(time), "r"(tsc_hz) : "cc");
    __asm__("div %4" : "=a"(quotient), "=d"(rest) : "a"(low), "d"(high), "r"(10000000ull) : "cc");
    return quotient;
}

static void timer_from_halt(void)
{
    uint64_t tsc_hz = 0, now = 0;

    read_msr(0x40000022, &tsc_hz);
    write_msr(MSR_STIMER0, 1 | VECTOR_TIMER << 4 | 1 << 12);
    for (unsigned int i = 0; i < ROUNDS; i++) {
        uint64_t due;

        interrupts_off();
        read_msr(MSR_REFERENCE, &now);
        due = now + 1000; /* 100 us */
        write_msr(MSR_STIMER0 + 1, due);
        write_msr(MSR_STIMER0, 1 | VECTOR_TIMER << 4 | 1 << 12);
        __asm__ volatile("sti; hlt");
        /* What passed since the moment it was due, on the guest's own clock. */
        samples[i] = interrupt_tsc - tsc_of(due, tsc_hz);
    }
    report("timer-from-halt");
}

static void local_apic(void)
{
    set_gate(VECTOR_BENCH, on_self);
    set_gate(VECTOR_TIMER, on_timer);
    apic_enable();
    MEASURE("x2apic-eoi", "mov $0x80b, %%ecx; xor %%eax, %%eax; xor %%edx, %%edx; wrmsr");
    interrupts_on();
    MEASURE("self-ipi", "mov $0x83f, %%ecx; mov $0x50, %%eax; xor %%edx, %%edx; wrmsr");
    timer_from_halt();
    interrupts_off();
}

/* x2APIC does not go back to xAPIC but through off. */
static void mmio(void)
{
    uint64_t base = 0;

    read_msr(MSR_APIC_BASE, &base);
    write_msr(MSR_APIC_BASE, base & ~0xc00ull);
    write_msr(MSR_APIC_BASE, (base & ~0xc00ull) | 0x800);
    apic_enable();
    MEASURE("mmio-apic-read", "movl 0x20(%[page]), %%eax");
    MEASURE("mmio-apic-eoi", "movl $0, 0xb0(%[page])");
    MEASURE("mmio-ioapic-read", "movl $0xfec00000, %%ebx; movl 0x10(%%rbx), %%eax");
    write_msr(MSR_APIC_BASE, base & ~0xc00ull);
    write_msr(MSR_APIC_BASE, (base & ~0xc00ull) | 0x800);
    write_msr(MSR_APIC_BASE, base);
}

/* ---- a program that waits for a hypercall ---- */

static uint32_t in32(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void signal_event(void)
{
    if (!argument("bench-port", 0) || !hypercall_enable())
        return;
    for (unsigned int i = 0; i < ROUNDS; i++) {
        uint64_t before = rdtsc(), woken;

        if (hypercall(0x1005d, BENCH_PORT, 0)) {
            print("BENCH-FAILED signal-event: no such connection\n");
            return;
        }
        woken = in32(PORT_WOKEN);
        woken |= (uint64_t)in32(PORT_WOKEN + 4) << 32;
        samples[i] = woken - before;
    }
    report("signal-event");
}

/* ---- two CPUs ---- */

static volatile bool is_halting;

INTERRUPT(on_ping)
{
    __asm__ volatile("wrmsr" : : "c"(0x80b), "a"(0), "d"(0));
    __asm__ volatile("wrmsr" : : "c"(0x830), "a"(VECTOR_TIMER), "d"(0));
}

INTERRUPT(on_pong)
{
    __asm__ volatile("wrmsr" : : "c"(0x80b), "a"(0), "d"(0));
    turn = 1;
}

static void second_cpu(unsigned int cpu)
{
    interrupts_on();
    for (;;)
        if (is_halting)
            __asm__ volatile("hlt");
        else
            __asm__ volatile("pause");
}

static void ping_pong(const char *name)
{
    for (unsigned int i = 0; i < ROUNDS; i++) {
        uint64_t before = rdtsc();

        turn = 0;
        __asm__ volatile("wrmsr" : : "c"(0x830), "a"(VECTOR_BENCH), "d"(1));
        while (!turn)
            __asm__ volatile("pause");
        samples[i] = rdtsc() - before;
        for (unsigned int k = 0; k < 5000; k++) /* the other CPU comes to rest */
            __asm__ volatile("pause");
    }
    report(name);
}

static void two_cpus(void)
{
    set_gate(VECTOR_BENCH, on_ping);
    set_gate(VECTOR_TIMER, on_pong);
    if (smp_start(2, second_cpu) != 2) {
        print("BENCH-FAILED ipi: the second CPU does not start\n");
        return;
    }
    interrupts_on();
    ping_pong("ipi-running");
    is_halting = true;
    apic_send(1, VECTOR_BENCH);
    ping_pong("ipi-halted");
}

int payload_main(void)
{
    char what[16] = "";

    argument_text("do", what, sizeof(what));
    if (what[0] == 'i') {
        two_cpus();
    } else {
        plain();
        local_apic();
        mmio();
        signal_event();
    }
    print("BENCH done\n");
    return 0;
}
