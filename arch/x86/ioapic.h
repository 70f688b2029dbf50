/* The machine's IOAPICs. Source: Intel 82093AA data sheet, section 3. */
#pragma once
#include "lib/err.h"
#include "lib/types.h"

void ioapic_init(void); /* maps all and masks every pin */

/* The GSI that ISA interrupt @isa arrives at. */
uint32_t ioapic_gsi_of_isa(unsigned isa);

/* Routes @gsi to @vector on the CPU with @apic_id, masked. ERR_NOT_FOUND: no IOAPIC has it. */
enum err ioapic_route(uint32_t gsi, unsigned vector, uint32_t apic_id) MUST_CHECK;
void ioapic_mask(uint32_t gsi, bool is_masked);
