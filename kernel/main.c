/* How Bulkhead comes up, from the hand-over of the loader to the first program. */
#include "arch/x86/acpi.h"
#include "lib/x86/asm.h"
#include "arch/x86/fpu.h"
#include "arch/x86/ioapic.h"
#include "arch/x86/kernel_map.h"
#include "arch/x86/lapic.h"
#include "arch/x86/panic.h"
#include "arch/x86/pci.h"
#include "arch/x86/tsc.h"
#include "arch/x86/uart.h"
#include "arch/x86/virt.h"
#include "kernel/budget.h"
#include "kernel/host.h"
#include "kernel/log.h"
#include "kernel/manager.h"
#include "kernel/memory.h"
#include "kernel/reaper.h"
#include "kernel/sched.h"
#include "kernel/start_cpus.h"
#include "kernel/traps.h"
#include "lib/string.h"

uint64_t kernel_image_phys;
static struct boot_info boot;
extern uint8_t kernel_boot_stack[], boot_emergency_stacks[];

/* Before anything can fail, panics and locks must work: they ask the stack for its CPU. */
static void adopt_boot_stack(void)
{
    *(struct stack_header *)kernel_boot_stack =
        (struct stack_header){ &kernel_cpus[0].arch, NULL, STACK_CANARY };
}

/* From here on a fault of ours is told instead of resetting the machine. */
static void take_cpu(void)
{
    void *stacks[3];

    for (unsigned i = 0; i < 3; i++)
        stacks[i] = boot_emergency_stacks + i * STACK_BYTES;
    cpu_detect();
    fpu_detect();
    traps_init();
    cpu_init(&kernel_cpus[0].arch, stacks);
}

static void refuse_unfit_machine(void)
{
    const char *missing;

    if (boot.problem[0])
        log_line("%s", boot.problem);
    if (!boot.memory_count)
        refuse("%s", boot.problem[0] ? boot.problem : "the loader gave no memory map");
    missing = virt_missing();
    if (missing)
        refuse("%s", missing);
}

static void find_devices(void)
{
    enum err err = acpi_init(boot.rsdp);

    if (err)
        refuse("no usable ACPI tables (%s): Bulkhead needs the firmware's RSDP, MADT and FADT",
               err_name(err));
    if (!acpi_info.cpu_count)
        refuse("the firmware's MADT lists no CPU: update the firmware");
}

static enum err take_frames(unsigned order, hpa_t *out)
{
    return frames_take(&root_budget, order, FRAME_KERNEL, out);
}

void kernel_main(struct boot_info *info)
{
    struct page_source *early;

    adopt_boot_stack();
    boot = *info;
    host_boot_kind = boot.kind;
    kernel_image_phys = boot.kernel_phys;
    uart_early_init();
    log_line("Bulkhead %s, %s build", BULKHEAD_VERSION, IS_DEBUG ? "debug" : "release");
    take_cpu();
    refuse_unfit_machine();
    early = memory_early_source(&boot);
    kernel_map_init(&boot, early);
    memory_init(&boot);
    find_devices();
    lapic_init();
    tsc_calibrate();
    log_line("%lu MiB of memory, TSC %lu kHz, local APIC timer %lu kHz", memory_total_bytes() >> 20,
             host_clock.tsc_hz / 1000, lapic_timer_hz / 1000);
    log_line("bus mastering was on in %u PCI functions and is off now", pci_stop_bus_masters());
    ioapic_init();
    if (virt_init(take_frames))
        panic("no memory for the permission maps of guests");
    start_cpus(&boot);
    reaper_init();
    manager_start(&boot);
    sched_idle();
}
