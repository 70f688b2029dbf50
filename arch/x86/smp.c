#include "arch/x86/smp.h"
#include "arch/x86/kernel_map.h"
#include "arch/x86/lapic.h"
#include "lib/x86/regs.h"
#include "arch/x86/tsc.h"
#include "lib/string.h"

extern const uint8_t trampoline_start[], trampoline_end[], trampoline_data[];

struct trampoline_data {
    uint64_t cr3, stack, entry, efer;
};

static void wait_us(uint64_t us)
{
    uint64_t end = clock_ns() + us * NS_PER_US;

    while (clock_ns() < end)
        cpu_relax();
}

enum err smp_start_cpu(uint32_t apic_id, hpa_t page, uint64_t stack_top, void (*entry)(void))
{
    uint8_t *to = direct_map(page);
    struct stack_header *header = (struct stack_header *)(stack_top - STACK_BYTES);
    uint64_t deadline;
    enum err err = kernel_map_trampoline(page, true);

    if (err)
        return err;
    memcpy(to, trampoline_start, (size_t)(trampoline_end - trampoline_start));
    *(struct trampoline_data *)(to + (trampoline_data - trampoline_start)) =
        (struct trampoline_data){ kernel_root.v, stack_top, (uint64_t)entry,
                                  cpu_features.has_nx ? EFER_NXE : 0 };
    lapic_send_init(apic_id);
    wait_us(10000);
    lapic_send_startup(apic_id, (unsigned)(page.v >> PAGE_SHIFT));
    wait_us(200);
    if (!__atomic_load_n(&header->cpu->is_online, __ATOMIC_ACQUIRE))
        lapic_send_startup(apic_id, (unsigned)(page.v >> PAGE_SHIFT));
    deadline = clock_ns() + NS_PER_SECOND;
    while (!__atomic_load_n(&header->cpu->is_online, __ATOMIC_ACQUIRE) && clock_ns() < deadline)
        cpu_relax();
    err = kernel_map_trampoline(page, false);
    if (err)
        return err;
    return header->cpu->is_online ? OK : ERR_TIMED_OUT;
}
