/* The few things that the kernel needs from the firmware's tables. Source: ACPI 6.4, section 5.2.
 * Every table is read within its own length; a broken one is reported and passed over. */
#pragma once
#include "lib/err.h"
#include "lib/types.h"

#define ACPI_CPUS_MAX      64u
#define ACPI_IOAPICS_MAX   8u
#define ACPI_OVERRIDES_MAX 16u

struct acpi_ioapic {
    uint32_t address, gsi_base;
};

struct acpi_override { /* ISA interrupt -> GSI */
    uint8_t isa;
    bool is_level, is_low;
    uint32_t gsi;
};

struct acpi_register { /* a generic address; bytes 0: absent */
    uint8_t space;     /* 0 memory, 1 ports */
    uint8_t bytes;
    uint64_t address;
};

struct acpi_info {
    uint32_t cpu_count, ioapic_count, override_count;
    uint32_t cpus[ACPI_CPUS_MAX]; /* APIC ids */
    struct acpi_ioapic ioapics[ACPI_IOAPICS_MAX];
    struct acpi_override overrides[ACPI_OVERRIDES_MAX];
    uint64_t lapic_address;
    uint16_t pm_timer_port; /* 0: none */
    uint16_t pm1a_control_port, pm1b_control_port;
    int s5_type; /* SLP_TYP of S5 from the DSDT, -1: unknown */
    struct acpi_register reset;
    uint8_t reset_value;
    uint32_t dsdt;
    bool has_dmar, has_interrupt_remapping;
};
extern struct acpi_info acpi_info;

/* @rsdp: physical, or 0 to search the BIOS area. ERR_NOT_FOUND: there is no RSDP; ERR_FORMAT: no
 * usable root table. */
enum err acpi_init(uint64_t rsdp) MUST_CHECK;
/* Resets the machine by the firmware's register, else by the chipset's, else by a triple fault. */
NORETURN void acpi_reset(void);
/* Powers the machine off; returns when it cannot. */
void acpi_power_off(void);
