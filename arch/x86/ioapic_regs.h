/* The I/O APIC. Source: Intel 82093AA datasheet, "Register Description". */
#pragma once

#define IOAPIC_MMIO_BASE 0xfec00000ull
#define IOAPIC_SELECT 0x00
#define IOAPIC_WINDOW 0x10

#define IOAPIC_ID 0x00
#define IOAPIC_VERSION 0x01
#define IOAPIC_ARBITRATION 0x02
#define IOAPIC_REDIRECT 0x10 /* + 2 * pin: low word, then high */
#define  IOAPIC_REDIRECT_VECTOR 0xffull
#define  IOAPIC_REDIRECT_MODE 0x700ull
#define  IOAPIC_REDIRECT_LOGICAL (1ull << 11)
#define  IOAPIC_REDIRECT_PENDING (1ull << 12)
#define  IOAPIC_REDIRECT_LOW_ACTIVE (1ull << 13)
#define  IOAPIC_REDIRECT_REMOTE_IRR (1ull << 14)
#define  IOAPIC_REDIRECT_LEVEL (1ull << 15)
#define  IOAPIC_REDIRECT_MASKED (1ull << 16)
#define  IOAPIC_REDIRECT_WRITABLE 0xff0000000001afffull
#define  IOAPIC_REDIRECT_DESTINATION_SHIFT 56
