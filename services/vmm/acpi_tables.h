/* The guest's ACPI tables: a hardware-reduced machine with a UART, power and reset registers.
 * Source: ACPI 6.4, chapters 5 "ACPI Software Programming Model" and 20 "AML Specification". */
#pragma once
#include "services/vmm/guest_memory.h"

/* Ports of the machine's power and reset registers. */
#define ACPI_PORT_SLEEP_CONTROL 0x600
#define ACPI_PORT_SLEEP_STATUS  0x601
#define ACPI_PORT_RESET         0x602
#define ACPI_RESET_VALUE        1
#define ACPI_SLEEP_ENABLE       0x20
#define ACPI_SLEEP_TYPE(v)      ((v) >> 2 & 7)
#define ACPI_S5_TYPE            5

#define ACPI_UART_GSI 4u /* the pin of the IOAPIC that the first UART of a PC has */

struct acpi_machine {
    unsigned vcpu_count;
    bool has_ioapic; /* without one the UART has no interrupt */
    bool has_vmbus;
};

/* Writes RSDP, XSDT, FADT, MADT and DSDT from LAYOUT_ACPI on; the RSDP comes first. */
enum err acpi_write_tables(const struct guest_memory *m, const struct acpi_machine *machine)
    MUST_CHECK;

/* A kernel that reboots by jumping to the firmware in real mode finds code that writes the reset
 * register. */
enum err acpi_write_reset_vector(const struct guest_memory *m) MUST_CHECK;
