#include "arch/x86/acpi.h"
#include "lib/x86/asm.h"
#include "arch/x86/kernel_map.h"
#include "lib/string.h"

struct acpi_info acpi_info;

struct rsdp {
    char signature[8];
    uint8_t checksum;
    char oem[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
    uint8_t rest[4];
} PACKED;

struct table {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem[6], oem_table[8];
    uint32_t oem_revision, creator, creator_revision;
} PACKED;

#define FADT_DSDT          40
#define FADT_PM1A_CONTROL  64
#define FADT_PM1B_CONTROL  68
#define FADT_PM_TIMER      76
#define FADT_RESET_REG     116
#define FADT_RESET_VALUE   128
#define FADT_X_DSDT        140
#define MADT_LAPIC_ADDRESS 36
#define MADT_ENTRIES       44
#define DMAR_FLAGS         37

static uint32_t read32(const void *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static uint64_t read64(const void *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static bool sum_is_zero(const uint8_t *p, uint64_t n)
{
    uint8_t sum = 0;

    for (uint64_t i = 0; i < n; i++)
        sum = (uint8_t)(sum + p[i]);
    return sum == 0;
}

static const struct table *map_whole(uint64_t address)
{
    const struct table *t = kernel_map_table((hpa_t){ address }, sizeof(*t));
    uint32_t length = t ? t->length : 0;

    if (length < sizeof(*t) || length > MIB(4))
        return NULL;
    t = kernel_map_table((hpa_t){ address }, length);
    return t && sum_is_zero((const uint8_t *)t, length) ? t : NULL;
}

static void add_cpu(uint32_t apic_id, uint32_t flags)
{
    if ((flags & 1) && acpi_info.cpu_count < ACPI_CPUS_MAX)
        acpi_info.cpus[acpi_info.cpu_count++] = apic_id;
}

static void parse_madt_entry(const uint8_t *e, uint8_t length)
{
    struct acpi_info *a = &acpi_info;

    if (e[0] == 0 && length >= 8)
        add_cpu(e[3], read32(e + 4));
    else if (e[0] == 9 && length >= 16)
        add_cpu(read32(e + 4), read32(e + 8));
    else if (e[0] == 1 && length >= 12 && a->ioapic_count < ACPI_IOAPICS_MAX)
        a->ioapics[a->ioapic_count++] = (struct acpi_ioapic){ read32(e + 4), read32(e + 8) };
    else if (e[0] == 2 && length >= 10 && a->override_count < ACPI_OVERRIDES_MAX)
        a->overrides[a->override_count++] = (struct acpi_override){
            .isa = e[3],
            .gsi = read32(e + 4),
            .is_low = (e[8] & 3) == 3,
            .is_level = (e[8] >> 2 & 3) == 3,
        };
    else if (e[0] == 5 && length >= 12)
        a->lapic_address = read64(e + 4);
}

static void parse_madt(const uint8_t *t, uint32_t length)
{
    if (length < MADT_ENTRIES)
        return;
    acpi_info.lapic_address = read32(t + MADT_LAPIC_ADDRESS);
    for (uint32_t at = MADT_ENTRIES; at + 2 <= length;) {
        uint8_t n = t[at + 1];

        if (n < 2 || n > length - at)
            return;
        parse_madt_entry(t + at, n);
        at += n;
    }
}

/* Finds Name (_S5, Package {type, ...}) in the byte code; firmware writes it plainly. */
static int find_s5(const uint8_t *aml, uint32_t length)
{
    for (uint32_t i = 1; i + 9 < length; i++) {
        const uint8_t *p = aml + i + 4;

        if (memcmp(aml + i, "_S5_", 4) != 0 || p[0] != 0x12)
            continue;
        p += 2 + (p[1] >> 6); /* package length, 1 to 4 bytes */
        p += 1;               /* element count */
        if (p + 1 >= aml + length)
            return -1;
        return p[0] == 0x0a ? p[1] : p[0] <= 1 ? p[0] : -1;
    }
    return -1;
}

static void parse_fadt(const uint8_t *t, uint32_t length)
{
    struct acpi_info *a = &acpi_info;
    const struct table *dsdt;

    if (length < FADT_PM_TIMER + 4)
        return;
    a->pm_timer_port = (uint16_t)read32(t + FADT_PM_TIMER);
    a->pm1a_control_port = (uint16_t)read32(t + FADT_PM1A_CONTROL);
    a->pm1b_control_port = (uint16_t)read32(t + FADT_PM1B_CONTROL);
    uint64_t dsdt_address = read32(t + FADT_DSDT);

    if (length >= FADT_X_DSDT + 8) {
        a->reset.space = t[FADT_RESET_REG];
        a->reset.bytes = t[FADT_RESET_REG + 1] / 8;
        a->reset.address = read64(t + FADT_RESET_REG + 4);
        a->reset_value = t[FADT_RESET_VALUE];
        if (read64(t + FADT_X_DSDT))
            dsdt_address = read64(t + FADT_X_DSDT);
    }
    dsdt = dsdt_address ? map_whole(dsdt_address) : NULL;
    a->s5_type = dsdt ? find_s5((const uint8_t *)dsdt, dsdt->length) : -1;
}

static void parse_table(uint64_t address)
{
    const struct table *t = map_whole(address);

    if (!t)
        return;
    if (memcmp(t->signature, "APIC", 4) == 0)
        parse_madt((const uint8_t *)t, t->length);
    else if (memcmp(t->signature, "FACP", 4) == 0)
        parse_fadt((const uint8_t *)t, t->length);
    else if (memcmp(t->signature, "DMAR", 4) == 0 && t->length > DMAR_FLAGS) {
        acpi_info.has_dmar = true;
        acpi_info.has_interrupt_remapping = ((const uint8_t *)t)[DMAR_FLAGS] & 1;
    }
}

static uint64_t search_bios_area(void)
{
    const uint8_t *area = kernel_map_table((hpa_t){ 0xe0000 }, 0x20000);

    for (uint32_t at = 0; area && at < 0x20000; at += 16)
        if (memcmp(area + at, "RSD PTR ", 8) == 0 && sum_is_zero(area + at, 20))
            return 0xe0000 + at;
    return 0;
}

enum err acpi_init(uint64_t rsdp_address)
{
    acpi_info.s5_type = -1;
    if (!rsdp_address)
        rsdp_address = search_bios_area();
    if (!rsdp_address)
        return ERR_NOT_FOUND;
    const struct rsdp *r = kernel_map_table((hpa_t){ rsdp_address }, sizeof(*r));

    if (!r || memcmp(r->signature, "RSD PTR ", 8) != 0)
        return ERR_NOT_FOUND;
    bool is_wide = r->revision >= 2 && r->xsdt;
    const struct table *root = map_whole(is_wide ? r->xsdt : r->rsdt);

    if (!root)
        return ERR_FORMAT;
    uint32_t step = is_wide ? 8 : 4;

    for (uint32_t at = sizeof(*root); at + step <= root->length; at += step) {
        const uint8_t *p = (const uint8_t *)root + at;

        parse_table(is_wide ? read64(p) : read32(p));
    }
    return OK;
}

#define RESET_CONTROL 0xcf9 /* of the chipset */
#define RESET_FULL    0x0e

void acpi_reset(void)
{
    const struct acpi_register *r = &acpi_info.reset;
    struct {
        uint16_t limit;
        uint64_t base;
    } PACKED none = { 0, 0 };

    if (r->bytes == 1 && r->space == 1)
        out8((uint16_t)r->address, acpi_info.reset_value);
    for (unsigned i = 0; i < 1000; i++) /* it takes its time */
        in8(0x80);
    out8(RESET_CONTROL, RESET_FULL);
    for (unsigned i = 0; i < 1000; i++)
        in8(0x80);
    for (;;)
        __asm__ volatile("lidt %0; int3" : : "m"(none));
}

void acpi_power_off(void)
{
    const struct acpi_info *a = &acpi_info;
    uint16_t value = (uint16_t)((unsigned)a->s5_type << 10 | 1u << 13);

    if (a->s5_type < 0 || !a->pm1a_control_port)
        return;
    out16(a->pm1a_control_port, value);
    if (a->pm1b_control_port)
        out16(a->pm1b_control_port, value);
    for (unsigned i = 0; i < 1000000; i++) /* the chipset takes its time */
        in8(0x80);
}
