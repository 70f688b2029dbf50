#include "services/vmm/acpi_tables.h"
#include "lib/string.h"
#include "services/vmm/aml.h"
#include "services/vmm/layout.h"

#define TABLE_AREA_BYTES          4096u
#define HEADER_BYTES              36u
#define FADT_BYTES                276u
#define FADT_REVISION             6
#define FADT_FLAG_WBINVD          (1u << 0)
#define FADT_FLAG_NO_POWER_BUTTON (1u << 4)
#define FADT_FLAG_NO_SLEEP_BUTTON (1u << 5)
#define FADT_FLAG_RESET_REGISTER  (1u << 10)
#define FADT_FLAG_HW_REDUCED      (1u << 20)
#define BOOT_ARCH_NO_VGA          (1u << 2)
#define BOOT_ARCH_NO_CMOS_RTC     (1u << 5)
#define GAS_PORT                  1
#define RTC_CENTURY_REGISTER      0x32
#define LAPIC_ADDRESS             0xfee00000u
#define IOAPIC_ADDRESS            0xfec00000u
#define MADT_BYTES                44u /* before its entries */
#define MADT_LAPIC                0
#define MADT_LAPIC_BYTES          8u
#define MADT_IOAPIC               1
#define MADT_IOAPIC_BYTES         12u
#define RESOURCE_IO_PORT          0x47
#define RESOURCE_INTERRUPT        0x89
#define INTERRUPT_CONSUMER        0x01 /* and level-triggered, high, not shared */
#define RESOURCE_END              0x79

struct area {
    uint8_t bytes[TABLE_AREA_BYTES];
    uint32_t used;
};

static void put(uint8_t *p, uint64_t v, unsigned bytes)
{
    memcpy(p, &v, bytes);
}

static uint8_t checksum(const uint8_t *p, uint32_t n)
{
    uint8_t sum = 0;

    for (uint32_t i = 0; i < n; i++)
        sum = (uint8_t)(sum + p[i]);
    return (uint8_t)-sum;
}

/* Room for a table of @bytes; its header is filled in but for the checksum. */
static uint8_t *begin(struct area *a, const char *signature, uint8_t revision, uint32_t bytes)
{
    uint8_t *t = a->bytes + a->used;

    a->used += (uint32_t)round_up(bytes, 16);
    memcpy(t, signature, 4);
    put(t + 4, bytes, 4);
    t[8] = revision;
    memcpy(t + 10, "BULKHD", 6);
    memcpy(t + 16, "BULKHEAD", 8);
    put(t + 24, 1, 4);
    memcpy(t + 28, "BLKH", 4);
    put(t + 32, 1, 4);
    return t;
}

static uint64_t end(const struct area *a, uint8_t *t)
{
    uint32_t bytes;

    memcpy(&bytes, t + 4, 4);
    t[9] = checksum(t, bytes);
    return LAYOUT_ACPI + (uint64_t)(t - a->bytes);
}

static void put_port(uint8_t *p, uint16_t port)
{
    p[0] = GAS_PORT;
    p[1] = 8; /* bits */
    p[3] = 1; /* byte access */
    put(p + 4, port, 8);
}

static uint64_t write_fadt(struct area *a, uint64_t dsdt)
{
    uint8_t *t = begin(a, "FACP", FADT_REVISION, FADT_BYTES);

    put(t + 40, dsdt, 4);
    t[108] = RTC_CENTURY_REGISTER;
    put(t + 109, BOOT_ARCH_NO_VGA | BOOT_ARCH_NO_CMOS_RTC, 2);
    put(t + 112,
        FADT_FLAG_WBINVD | FADT_FLAG_NO_POWER_BUTTON | FADT_FLAG_NO_SLEEP_BUTTON |
            FADT_FLAG_RESET_REGISTER | FADT_FLAG_HW_REDUCED,
        4);
    put_port(t + 116, ACPI_PORT_RESET);
    t[128] = ACPI_RESET_VALUE;
    put(t + 140, dsdt, 8);
    put_port(t + 244, ACPI_PORT_SLEEP_CONTROL);
    put_port(t + 256, ACPI_PORT_SLEEP_STATUS);
    memcpy(t + 268, "Bulkhead", 8);
    return end(a, t);
}

/* The local APICs have the ids 0 to vcpu_count - 1, the IOAPIC the next one. */
static uint64_t write_madt(struct area *a, const struct acpi_machine *machine)
{
    uint32_t lapic_bytes = machine->vcpu_count * MADT_LAPIC_BYTES;
    uint8_t *t = begin(a, "APIC", 5,
                       MADT_BYTES + lapic_bytes + (machine->has_ioapic ? MADT_IOAPIC_BYTES : 0));
    uint8_t *e = t + MADT_BYTES;

    put(t + 36, LAPIC_ADDRESS, 4);
    for (unsigned i = 0; i < machine->vcpu_count; i++, e += MADT_LAPIC_BYTES) {
        e[0] = MADT_LAPIC;
        e[1] = MADT_LAPIC_BYTES;
        e[2] = (uint8_t)i;
        e[3] = (uint8_t)i;
        put(e + 4, 1, 4); /* enabled */
    }
    if (machine->has_ioapic) { /* its interrupts are numbered from 0 */
        e[0] = MADT_IOAPIC;
        e[1] = MADT_IOAPIC_BYTES;
        e[2] = (uint8_t)machine->vcpu_count;
        put(e + 4, IOAPIC_ADDRESS, 4);
    }
    return end(a, t);
}

/* Its interrupt is level-triggered, so that none is lost that the guest was too slow for. Without
 * an IOAPIC there must be none: Linux would wait for it and lose all output of its programs; with
 * none it polls. */
static void add_uart(struct aml *a, const struct acpi_machine *machine)
{
    static const uint8_t ports[] = { RESOURCE_IO_PORT, 1, 0xf8, 0x03, 0xf8, 0x03, 0, 8 };
    static const uint8_t irq[] = {
        RESOURCE_INTERRUPT, 6, 0, INTERRUPT_CONSUMER, 1, ACPI_UART_GSI, 0, 0, 0
    };
    static const uint8_t end_tag[] = { RESOURCE_END, 0 };
    uint32_t irq_bytes = machine->has_ioapic ? sizeof(irq) : 0;
    uint32_t id = aml_eisa_id("PNP0501");

    aml_device(a, "COM1");
    aml_name(a, "_HID");
    aml_integer(a, id);
    aml_name(a, "_UID");
    aml_integer(a, 1);
    aml_name(a, "_STA");
    aml_integer(a, 0xf);
    aml_name(a, "_CRS");
    aml_buffer(a, (uint8_t)(sizeof(ports) + irq_bytes + sizeof(end_tag)));
    aml_bytes(a, ports, sizeof(ports));
    aml_bytes(a, irq, irq_bytes);
    aml_bytes(a, end_tag, sizeof(end_tag));
    aml_end(a);
    aml_end(a);
}

/* Its presence is all that Linux looks for: its interrupt is the SynIC's. Its list of resources is
 * empty, but must be there. */
static void add_vmbus(struct aml *a)
{
    static const uint8_t end_tag[] = { RESOURCE_END, 0 };

    aml_device(a, "VMBS");
    aml_name(a, "_HID");
    aml_string(a, "VMBus");
    aml_name(a, "_UID");
    aml_integer(a, 0);
    aml_name(a, "_STA");
    aml_integer(a, 0xf);
    aml_name(a, "_CRS");
    aml_buffer(a, sizeof(end_tag));
    aml_bytes(a, end_tag, sizeof(end_tag));
    aml_end(a);
    aml_end(a);
}

static uint64_t write_dsdt(struct area *area, const struct acpi_machine *machine)
{
    uint8_t *t = begin(area, "DSDT", 2, HEADER_BYTES);
    struct aml a = { .bytes = t + HEADER_BYTES, .capacity = 1024 };

    aml_scope(&a, "\\_SB_");
    add_uart(&a, machine);
    if (machine->has_vmbus)
        add_vmbus(&a);
    aml_end(&a);
    aml_name(&a, "\\_S5_");
    aml_package(&a, 4);
    aml_integer(&a, ACPI_S5_TYPE);
    for (unsigned i = 0; i < 3; i++)
        aml_integer(&a, 0);
    aml_end(&a);
    put(t + 4, HEADER_BYTES + a.used, 4);
    area->used = (uint32_t)(t - area->bytes) + (uint32_t)round_up(HEADER_BYTES + a.used, 16);
    return end(area, t);
}

static uint64_t write_xsdt(struct area *a, const uint64_t *tables, unsigned count)
{
    uint8_t *t = begin(a, "XSDT", 1, HEADER_BYTES + 8 * count);

    memcpy(t + HEADER_BYTES, tables, 8ul * count);
    return end(a, t);
}

static void write_rsdp(uint8_t *p, uint64_t xsdt)
{
    memcpy(p, "RSD PTR ", 8);
    memcpy(p + 9, "BULKHD", 6);
    p[15] = 2;
    put(p + 20, 36, 4);
    put(p + 24, xsdt, 8);
    p[8] = checksum(p, 20);
    p[32] = checksum(p, 36);
}

enum err acpi_write_tables(const struct guest_memory *m, const struct acpi_machine *machine)
{
    struct area a = { .used = 48 }; /* the RSDP */
    uint64_t tables[2], xsdt;

    tables[0] = write_fadt(&a, write_dsdt(&a, machine));
    tables[1] = write_madt(&a, machine);
    xsdt = write_xsdt(&a, tables, array_count(tables));
    write_rsdp(a.bytes, xsdt);
    return guest_write(m, (gpa_t){ LAYOUT_ACPI }, a.bytes, a.used);
}

enum err acpi_write_reset_vector(const struct guest_memory *m)
{
    static const uint8_t code[] = {
        0xb0,
        ACPI_RESET_VALUE, /* mov al, value */
        0xba,
        ACPI_PORT_RESET & 0xff,
        ACPI_PORT_RESET >> 8, /* mov dx, port */
        0xee,
        0xf4,
        0xeb,
        0xfd, /* out dx, al; hlt; jmp to the hlt */
    };

    return guest_write(m, (gpa_t){ LAYOUT_RESET_VECTOR }, code, sizeof(code));
}
