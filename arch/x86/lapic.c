#include "arch/x86/lapic.h"
#include "arch/x86/acpi.h"
#include "lib/x86/asm.h"
#include "arch/x86/cpu.h"
#include "arch/x86/kernel_map.h"
#include "arch/x86/lapic_regs.h"
#include "arch/x86/panic.h"
#include "lib/x86/regs.h"
#include "arch/x86/tsc.h"
#include "lib/muldiv.h"

#define ICR_POLLS_MAX 1000000u

uint64_t lapic_timer_hz;

static volatile uint8_t *mmio;
static bool is_x2apic;
static uint64_t lapic_per_tsc_32; /* timer ticks per TSC tick, 32.32 */

static uint32_t read(uint32_t reg)
{
    return is_x2apic ? (uint32_t)rdmsr(MSR_X2APIC + reg / 16) : mmio_read32(mmio + reg);
}

static void write(uint32_t reg, uint32_t v)
{
    if (is_x2apic)
        wrmsr(MSR_X2APIC + reg / 16, v);
    else
        mmio_write32(mmio + reg, v);
}

void lapic_init(void)
{
    mmio = kernel_map_device(
        (hpa_t){ acpi_info.lapic_address ? acpi_info.lapic_address : LAPIC_MMIO_BASE }, PAGE_BYTES);
    if (!mmio)
        panic("no memory to map the local APIC");
    is_x2apic = rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC;
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE);
    write(LAPIC_SVR, LAPIC_SVR_ENABLE | VECTOR_SPURIOUS);
}

void lapic_init_cpu(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE;

    wrmsr(MSR_APIC_BASE, base);
    if (cpu_features.has_x2apic) {
        wrmsr(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
        is_x2apic = true;
    }
    write(LAPIC_TPR, 0);
    write(LAPIC_LVT_LINT0, LAPIC_LVT_MASKED);
    write(LAPIC_LVT_LINT1, LAPIC_ICR_NMI);
    write(LAPIC_LVT_ERROR, LAPIC_LVT_MASKED);
    write(LAPIC_TIMER_DIVIDE, LAPIC_DIVIDE_BY_1);
    write(LAPIC_LVT_TIMER,
          VECTOR_TIMER |
              (cpu_features.has_tsc_deadline ? LAPIC_LVT_TIMER_DEADLINE : LAPIC_LVT_TIMER_ONESHOT));
    write(LAPIC_SVR, LAPIC_SVR_ENABLE | VECTOR_SPURIOUS);
}

uint32_t lapic_id(void)
{
    return is_x2apic ? read(LAPIC_ID) : read(LAPIC_ID) >> 24;
}

void lapic_eoi(void)
{
    write(LAPIC_EOI, 0);
}

static void send(uint32_t apic_id, uint32_t low)
{
    if (is_x2apic) {
        __asm__ volatile("mfence" : : : "memory"); /* the WRMSR does not serialise */
        wrmsr(MSR_X2APIC + LAPIC_ICR / 16, (uint64_t)apic_id << 32 | low);
        return;
    }
    mmio_write32(mmio + LAPIC_ICR_HIGH, apic_id << 24);
    mmio_write32(mmio + LAPIC_ICR, low);
    for (unsigned i = 0; i < ICR_POLLS_MAX && (mmio_read32(mmio + LAPIC_ICR) & LAPIC_ICR_PENDING);
         i++)
        cpu_relax();
}

void lapic_send(uint32_t apic_id, unsigned vector)
{
    send(apic_id, LAPIC_ICR_FIXED | LAPIC_ICR_ASSERT | vector);
}

void lapic_send_init(uint32_t apic_id)
{
    send(apic_id, LAPIC_ICR_INIT | LAPIC_ICR_ASSERT);
}

void lapic_send_startup(uint32_t apic_id, unsigned page)
{
    send(apic_id, LAPIC_ICR_STARTUP | LAPIC_ICR_ASSERT | page);
}

void lapic_halt_others(void)
{
    if (mmio)
        send(0, LAPIC_ICR_NMI | LAPIC_ICR_ASSERT | LAPIC_ICR_TO_OTHERS);
}

void lapic_timer_start(uint32_t count)
{
    write(LAPIC_LVT_TIMER, LAPIC_LVT_MASKED | VECTOR_TIMER);
    write(LAPIC_TIMER_DIVIDE, LAPIC_DIVIDE_BY_1);
    write(LAPIC_TIMER_INITIAL, count);
}

uint32_t lapic_timer_count(void)
{
    return read(LAPIC_TIMER_CURRENT);
}

void lapic_set_timer_hz(uint64_t hz)
{
    lapic_timer_hz = hz;
    lapic_per_tsc_32 = multiply_divide(hz, 1ul << 32, host_clock.tsc_hz);
}

void lapic_timer_arm(uint64_t tsc)
{
    uint64_t now;

    if (cpu_features.has_tsc_deadline) {
        wrmsr(MSR_TSC_DEADLINE, tsc == UINT64_MAX ? 0 : max(tsc, 1ull));
        return;
    }
    if (tsc == UINT64_MAX) {
        write(LAPIC_TIMER_INITIAL, 0);
        return;
    }
    now = rdtsc();
    if (tsc <= now)
        write(LAPIC_TIMER_INITIAL, 1);
    else if (tsc - now >= UINT32_MAX)
        write(LAPIC_TIMER_INITIAL, UINT32_MAX / 2); /* fires early; the kernel arms it again */
    else
        write(LAPIC_TIMER_INITIAL, (uint32_t)min(multiply_shift32(tsc - now, lapic_per_tsc_32) + 1,
                                                 (uint64_t)UINT32_MAX));
}
