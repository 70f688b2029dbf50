/* Starts all its CPUs, then sends interrupts in every form: to each by its id, to all others, by
 * logical destination. mode=xapic does so through the MMIO page. Exit code: what failed. */
#include "tests/guest/smp.h"

#define VECTOR_ONE   0x60
#define VECTOR_ALL   0x61
#define VECTOR_GROUP 0x62
#define TO_OTHERS    0xc0000u
#define LOGICAL      0x800u
#define PATIENCE     2000000000ull

static uint32_t ones, alls, groups, names[64];
static bool wants_xapic;

INTERRUPT(on_one)
{
    __atomic_add_fetch(&ones, 1, __ATOMIC_SEQ_CST);
    apic_write(APIC_EOI, 0);
}

INTERRUPT(on_all)
{
    __atomic_add_fetch(&alls, 1, __ATOMIC_SEQ_CST);
    apic_write(APIC_EOI, 0);
}

INTERRUPT(on_group)
{
    __atomic_add_fetch(&groups, 1, __ATOMIC_SEQ_CST);
    apic_write(APIC_EOI, 0);
}

static void to_xapic(void)
{
    uint64_t base = 0;

    read_msr(MSR_APIC_BASE, &base);
    write_msr(MSR_APIC_BASE, base & ~0xc00ull);
    write_msr(MSR_APIC_BASE, (base & ~0xc00ull) | 0x800);
    apic_enable();
}

static void other(unsigned int cpu)
{
    if (wants_xapic)
        to_xapic();
    if (!apic_is_x2())
        apic_write(APIC_LDR, 1u << (24 + cpu % 8)); /* flat: eight groups */
    interrupts_on();
    __atomic_add_fetch(&names[cpu], 1, __ATOMIC_SEQ_CST);
    for (;;)
        __asm__ volatile("hlt");
}

static bool comes_to(const uint32_t *count, uint32_t wanted)
{
    uint64_t begin = rdtsc();

    while (__atomic_load_n(count, __ATOMIC_SEQ_CST) < wanted && rdtsc() - begin < PATIENCE)
        __asm__ volatile("pause");
    return *count == wanted;
}

static unsigned int count_of_cpus(void)
{
    uint32_t r[4];

    cpuid(0xb, 1, r);
    return r[1] & 0xffff;
}

int payload_main(void)
{
    char mode[8] = "";
    unsigned int count = count_of_cpus(), up, failed = 0, members = 0;

    wants_xapic = argument_text("mode", mode, sizeof(mode)) && mode[0] == 'x';
    set_gate(VECTOR_ONE, on_one);
    set_gate(VECTOR_ALL, on_all);
    set_gate(VECTOR_GROUP, on_group);
    apic_enable();
    up = smp_start(count, other);
    print("SMP up %u\n", (uint64_t)up);
    for (unsigned int i = 1; i < count; i++)
        failed += !comes_to(&names[i], 1);
    if (wants_xapic)
        to_xapic();
    print("SMP mode %s id %u\n", apic_is_x2() ? "x2apic" : "xapic",
          (uint64_t)apic_read(APIC_ID) >> (apic_is_x2() ? 0 : 24));
    for (unsigned int i = 1; i < count; i++)
        apic_send(i, VECTOR_ONE);
    failed += !comes_to(&ones, count - 1);
    print("SMP ipis %u of %u\n", (uint64_t)ones, (uint64_t)count - 1);
    apic_send(0, TO_OTHERS | VECTOR_ALL);
    failed += !comes_to(&alls, count - 1);
    print("SMP broadcast %u of %u\n", (uint64_t)alls, (uint64_t)count - 1);
    /* The first two members of a group: x2APIC clusters of 16, flat groups of eight in xAPIC. */
    if (apic_is_x2()) {
        apic_send(0x6, LOGICAL | VECTOR_GROUP);
        members = 2;
    } else {
        apic_send(0x6, LOGICAL | VECTOR_GROUP);
        for (unsigned int i = 1; i < count; i++)
            members += i % 8 == 1 || i % 8 == 2;
    }
    failed += count > 2 && !comes_to(&groups, members);
    print("SMP logical %u of %u\n", (uint64_t)groups, (uint64_t)members);
    return (int)(failed || up != count);
}
