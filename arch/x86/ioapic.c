#include "arch/x86/ioapic.h"
#include "arch/x86/acpi.h"
#include "arch/x86/ioapic_regs.h"
#include "lib/x86/asm.h"
#include "arch/x86/kernel_map.h"
#include "arch/x86/lapic.h"

#define IOAPIC_ENTRY(pin) (IOAPIC_REDIRECT + 2 * (pin))
#define ENTRY_LOW_ACTIVE  ((uint32_t)IOAPIC_REDIRECT_LOW_ACTIVE)
#define ENTRY_LEVEL       ((uint32_t)IOAPIC_REDIRECT_LEVEL)
#define ENTRY_MASKED      ((uint32_t)IOAPIC_REDIRECT_MASKED)

struct ioapic {
    volatile uint8_t *mmio;
    uint32_t gsi_base, pin_count;
};

static struct ioapic ioapics[ACPI_IOAPICS_MAX];

static uint32_t read(const struct ioapic *io, uint32_t reg)
{
    mmio_write32(io->mmio + IOAPIC_SELECT, reg);
    return mmio_read32(io->mmio + IOAPIC_WINDOW);
}

static void write(const struct ioapic *io, uint32_t reg, uint32_t v)
{
    mmio_write32(io->mmio + IOAPIC_SELECT, reg);
    mmio_write32(io->mmio + IOAPIC_WINDOW, v);
}

void ioapic_init(void)
{
    for (uint32_t i = 0; i < acpi_info.ioapic_count; i++) {
        struct ioapic *io = &ioapics[i];

        io->mmio = kernel_map_device((hpa_t){ acpi_info.ioapics[i].address }, 32);
        if (!io->mmio)
            continue;
        io->gsi_base = acpi_info.ioapics[i].gsi_base;
        io->pin_count = (read(io, IOAPIC_VERSION) >> 16 & 0xff) + 1;
        for (uint32_t pin = 0; pin < io->pin_count; pin++)
            write(io, IOAPIC_ENTRY(pin), ENTRY_MASKED);
    }
}

static const struct acpi_override *override_of_gsi(uint32_t gsi)
{
    for (uint32_t i = 0; i < acpi_info.override_count; i++)
        if (acpi_info.overrides[i].gsi == gsi)
            return &acpi_info.overrides[i];
    return NULL;
}

uint32_t ioapic_gsi_of_isa(unsigned isa)
{
    for (uint32_t i = 0; i < acpi_info.override_count; i++)
        if (acpi_info.overrides[i].isa == isa)
            return acpi_info.overrides[i].gsi;
    return isa;
}

static struct ioapic *find(uint32_t gsi)
{
    for (uint32_t i = 0; i < acpi_info.ioapic_count; i++)
        if (ioapics[i].mmio && gsi >= ioapics[i].gsi_base &&
            gsi - ioapics[i].gsi_base < ioapics[i].pin_count)
            return &ioapics[i];
    return NULL;
}

enum err ioapic_route(uint32_t gsi, unsigned vector, uint32_t apic_id)
{
    struct ioapic *io = find(gsi);
    const struct acpi_override *o = override_of_gsi(gsi);
    uint32_t low = vector | ENTRY_MASKED;

    if (!io)
        return ERR_NOT_FOUND;
    if (o)
        low |= (o->is_low ? ENTRY_LOW_ACTIVE : 0) | (o->is_level ? ENTRY_LEVEL : 0);
    write(io, IOAPIC_ENTRY(gsi - io->gsi_base) + 1, apic_id << 24);
    write(io, IOAPIC_ENTRY(gsi - io->gsi_base), low);
    return OK;
}

void ioapic_mask(uint32_t gsi, bool is_masked)
{
    struct ioapic *io = find(gsi);
    uint32_t reg;

    if (!io)
        return;
    reg = IOAPIC_ENTRY(gsi - io->gsi_base);
    write(io, reg, (read(io, reg) & ~ENTRY_MASKED) | (is_masked ? ENTRY_MASKED : 0));
}
