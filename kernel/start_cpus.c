#include "kernel/start_cpus.h"
#include "arch/x86/acpi.h"
#include "arch/x86/lapic.h"
#include "arch/x86/panic.h"
#include "arch/x86/smp.h"
#include "arch/x86/virt.h"
#include "kernel/budget.h"
#include "kernel/log.h"
#include "kernel/machine_checks.h"
#include "kernel/memory.h"
#include "kernel/sched.h"

struct kernel_cpu kernel_cpus[HOST_CPUS_MAX];
unsigned kernel_cpu_count;

extern uint8_t kernel_boot_stack[];

static void *take(unsigned order)
{
    hpa_t page;

    if (frames_take(&root_budget, order, FRAME_KERNEL, &page))
        panic("no memory to start a CPU");
    return direct_map(page);
}

/* What each CPU does for itself, on its first stack; main.c has taken the boot CPU before. */
static void init_here(struct kernel_cpu *cpu)
{
    hpa_t pages = { (uint64_t)take(1) - DIRECT_BASE };

    lapic_init_cpu();
    if (virt_init_cpu(&cpu->arch, pages))
        panic("CPU %u cannot switch virtualisation on", cpu->arch.id);
    machine_checks_start_here();
}

static void prepare(struct kernel_cpu *cpu, unsigned id, uint32_t apic_id, uint64_t stack)
{
    cpu->arch.id = id;
    cpu->arch.apic_id = apic_id;
    sched_init_cpu(cpu, thread_adopt_idle(cpu, stack));
    cpu_set_stack(&cpu->arch, stack + STACK_BYTES);
}

static void start_other(void)
{
    struct kernel_cpu *cpu = kernel_cpu();
    void *stacks[3] = { take(1), take(1), take(1) };

    cpu_init(&cpu->arch, stacks);
    init_here(cpu);
    __atomic_store_n(&cpu->arch.is_online, true, __ATOMIC_RELEASE);
    sched_idle();
}

/* The highest usable page below 640 KiB. */
static bool find_start_page(const struct boot_info *info, hpa_t *out)
{
    out->v = 0;
    for (uint32_t i = 0; i < info->memory_count; i++) {
        const struct boot_memory *m = &info->memory[i];
        uint64_t end = round_down(min(m->base + m->bytes, KIB(640)), PAGE_BYTES);

        if (m->kind == BOOT_MEMORY_USABLE && end > m->base && end - m->base >= PAGE_BYTES &&
            end - PAGE_BYTES > out->v)
            out->v = end - PAGE_BYTES;
    }
    return out->v;
}

void start_cpus(const struct boot_info *info)
{
    uint32_t boot_id = lapic_id();
    hpa_t page = { 0 };

    prepare(&kernel_cpus[0], 0, boot_id, (uint64_t)kernel_boot_stack);
    init_here(&kernel_cpus[0]);
    kernel_cpus[0].arch.is_online = true;
    kernel_cpu_count = 1;
    if (acpi_info.cpu_count > 1 && !find_start_page(info, &page)) {
        log_line("no memory below 640 KiB: the other CPUs stay off");
        return;
    }
    for (uint32_t i = 0; i < acpi_info.cpu_count && kernel_cpu_count < HOST_CPUS_MAX; i++) {
        struct kernel_cpu *cpu = &kernel_cpus[kernel_cpu_count];
        uint64_t stack;

        if (acpi_info.cpus[i] == boot_id)
            continue;
        stack = (uint64_t)take(1);
        prepare(cpu, kernel_cpu_count, acpi_info.cpus[i], stack);
        cpu->arch.is_online = false;
        if (smp_start_cpu(acpi_info.cpus[i], page, stack + STACK_BYTES, start_other))
            log_line("CPU with APIC id %u does not start: left out", acpi_info.cpus[i]);
        else
            kernel_cpu_count++;
    }
    log_line("%u of %u CPUs run", kernel_cpu_count, acpi_info.cpu_count);
}
