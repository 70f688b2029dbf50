#include "kernel/mmio.h"
#include "arch/x86/ioapic_regs.h"
#include "arch/x86/lapic_regs.h"
#include "arch/x86/paging.h"
#include "kernel/partition.h"
#include "kernel/vcpu.h"

static bool is_lapic(const struct vcpu *v, gpa_t gpa)
{
    return (gpa.v & ~PAGE_MASK) == LAPIC_MMIO_BASE && vlapic_is_x(&v->hv.lapic);
}

static bool is_ioapic(const struct vcpu *v, gpa_t gpa)
{
    return (gpa.v & ~PAGE_MASK) == IOAPIC_MMIO_BASE && v->partition->hv.ioapic.is_present;
}

/* Both have 32-bit registers, 16 bytes apart; other accesses are undefined there, and here read
 * the bytes that a register has and write nothing. */
static uint64_t bytes_of(uint32_t value, gpa_t gpa, unsigned width)
{
    unsigned at = gpa.v & 15;
    uint64_t bytes = at < 4 ? value >> 8 * at : 0;

    return bytes & (UINT64_MAX >> (64 - 8 * width));
}

uint64_t mmio_read(struct vcpu *v, gpa_t gpa, unsigned width)
{
    uint32_t offset = (uint32_t)(gpa.v & PAGE_MASK & ~15ull);

    if (is_lapic(v, gpa))
        return bytes_of(vlapic_read_mmio(v, offset), gpa, width);
    if (is_ioapic(v, gpa))
        return bytes_of(vioapic_read(v->partition, offset), gpa, width);
    return UINT64_MAX >> (64 - 8 * width);
}

void mmio_write(struct vcpu *v, gpa_t gpa, unsigned width, uint64_t value)
{
    uint32_t offset = (uint32_t)(gpa.v & PAGE_MASK);

    if (width != 4 || (offset & 15))
        return;
    if (is_lapic(v, gpa))
        vlapic_write_mmio(v, offset, (uint32_t)value);
    else if (is_ioapic(v, gpa))
        vioapic_write(v->partition, offset, (uint32_t)value);
}
