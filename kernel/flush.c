/* One request number for the whole machine: a CPU has answered when its own number has caught up.
 * Several requesters may overlap; each waits for its own number. */
#include "kernel/flush.h"
#include "lib/x86/asm.h"
#include "arch/x86/lapic.h"
#include "lib/x86/regs.h"
#include "kernel/kernel_cpu.h"

static uint32_t request;

static void flush_here(void)
{
    uint64_t cr4 = read_cr4();

    write_cr4(cr4 & ~CR4_PGE); /* global entries too */
    write_cr4(cr4);
    if (!(cr4 & CR4_PGE))
        write_cr3(read_cr3());
}

void flush_answer(void)
{
    struct kernel_cpu *k = kernel_cpu();
    uint32_t wanted = __atomic_load_n(&request, __ATOMIC_ACQUIRE);

    if (k->flush_done == wanted)
        return;
    flush_here();
    __atomic_store_n(&k->flush_done, wanted, __ATOMIC_RELEASE);
}

void flush_all_cpus(void)
{
    struct kernel_cpu *me = kernel_cpu();
    uint32_t mine = __atomic_add_fetch(&request, 1, __ATOMIC_ACQ_REL);

    flush_answer();
    for (unsigned i = 0; i < kernel_cpu_count; i++)
        if (&kernel_cpus[i] != me)
            lapic_send(kernel_cpus[i].arch.apic_id, VECTOR_FLUSH);
    for (unsigned i = 0; i < kernel_cpu_count; i++)
        while (&kernel_cpus[i] != me &&
               (int32_t)(__atomic_load_n(&kernel_cpus[i].flush_done, __ATOMIC_ACQUIRE) - mine) <
                   0) {
            flush_answer();
            cpu_relax();
        }
}
