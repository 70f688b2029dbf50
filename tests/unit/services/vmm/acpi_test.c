// SOURCES: services/vmm/acpi_tables.c services/vmm/aml.c services/vmm/guest_memory.c
#include "services/vmm/acpi_tables.h"
#include "services/vmm/aml.h"
#include "services/vmm/layout.h"
#include "tests/unit/services/vmm/images.h"
#include "tests/unit/test.h"

static uint8_t sum(const uint8_t *p, uint32_t n)
{
    uint8_t s = 0;

    while (n--)
        s = (uint8_t)(s + *p++);
    return s;
}

static uint64_t word(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;

    memcpy(&v, p, bytes);
    return v;
}

TEST(all_tables_are_reached_from_the_rsdp_with_good_sums)
{
    struct guest_memory m = image_memory();
    const uint8_t *rsdp = m.low + LAYOUT_ACPI, *xsdt, *t;

    EXPECT_EQ(acpi_write_tables(&m, &(struct acpi_machine){ 1, false, true }), OK);
    EXPECT(memcmp(rsdp, "RSD PTR ", 8) == 0);
    EXPECT_EQ(sum(rsdp, 20), 0);
    EXPECT_EQ(sum(rsdp, 36), 0);
    xsdt = m.low + word(rsdp + 24, 8);
    EXPECT(memcmp(xsdt, "XSDT", 4) == 0);
    EXPECT_EQ(sum(xsdt, (uint32_t)word(xsdt + 4, 4)), 0);
    t = m.low + word(xsdt + 36, 8);
    EXPECT(memcmp(t, "FACP", 4) == 0);
    EXPECT_EQ(sum(t, (uint32_t)word(t + 4, 4)), 0);
    EXPECT(word(t + 112, 4) & 1u << 20); /* hardware-reduced */
    t = m.low + word(t + 140, 8);
    EXPECT(memcmp(t, "DSDT", 4) == 0);
    EXPECT_EQ(sum(t, (uint32_t)word(t + 4, 4)), 0);
    t = m.low + word(xsdt + 44, 8);
    EXPECT(memcmp(t, "APIC", 4) == 0);
    EXPECT_EQ(sum(t, (uint32_t)word(t + 4, 4)), 0);
    EXPECT_EQ(word(t + 4, 4), 52);
}

TEST(every_cpu_is_in_the_madt)
{
    struct guest_memory m = image_memory();

    EXPECT_EQ(acpi_write_tables(&m, &(struct acpi_machine){ 64, true, true }), OK);
    const uint8_t *xsdt = m.low + word(m.low + LAYOUT_ACPI + 24, 8);
    const uint8_t *t = m.low + word(xsdt + 44, 8);
    EXPECT_EQ(sum(t, (uint32_t)word(t + 4, 4)), 0);
    EXPECT_EQ(word(t + 4, 4), 44 + 64 * 8 + 12);
    for (unsigned i = 0; i < 64; i++)
        EXPECT_EQ(word(t + 44 + 8 * i, 8), 1ull << 32 | (uint64_t)i << 24 | i << 16 | 8 << 8);
}

/* Whether @n bytes stand somewhere in the DSDT. */
static bool dsdt_has(const struct guest_memory *m, const void *bytes, uint32_t n)
{
    const uint8_t *xsdt = m->low + word(m->low + LAYOUT_ACPI + 24, 8);
    const uint8_t *dsdt = m->low + word(m->low + word(xsdt + 36, 8) + 140, 8);

    for (uint32_t i = 0; i + n <= word(dsdt + 4, 4); i++)
        if (memcmp(dsdt + i, bytes, n) == 0)
            return true;
    return false;
}

TEST(an_ioapic_stands_behind_the_cpus_and_gives_the_uart_an_interrupt)
{
    static const uint8_t ioapic[] = { 1, 12, 4, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0 };
    static const uint8_t irq[] = { 0x89, 6, 0, 1, 1, 4, 0, 0, 0, 0x79 };
    static const uint8_t without[] = { 0xf8, 3, 0xf8, 3, 0, 8, 0x79, 0 };
    struct guest_memory m = image_memory();

    EXPECT_EQ(acpi_write_tables(&m, &(struct acpi_machine){ 4, true, true }), OK);
    const uint8_t *xsdt = m.low + word(m.low + LAYOUT_ACPI + 24, 8);
    const uint8_t *madt = m.low + word(xsdt + 44, 8);
    EXPECT(memcmp(madt + 44 + 4 * 8, ioapic, sizeof(ioapic)) == 0);
    EXPECT(dsdt_has(&m, irq, sizeof(irq)) && !dsdt_has(&m, without, sizeof(without)));
    EXPECT_EQ(acpi_write_tables(&m, &(struct acpi_machine){ 4, false, true }), OK);
    madt = m.low + word(m.low + word(m.low + LAYOUT_ACPI + 24, 8) + 44, 8);
    EXPECT_EQ(word(madt + 4, 4), 44 + 4 * 8);
    EXPECT(!dsdt_has(&m, irq, sizeof(irq)) && dsdt_has(&m, without, sizeof(without)));
}

TEST(an_eisa_id_is_compressed)
{
    EXPECT_EQ(aml_eisa_id("PNP0501"), 0x0105d041);
}

TEST(too_much_aml_is_noticed)
{
    uint8_t bytes[4];
    struct aml a = { .bytes = bytes, .capacity = sizeof(bytes) };

    aml_string(&a, "hello");
    EXPECT(a.has_overflowed);
}
