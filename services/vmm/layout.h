/* Where the vmm puts things in the guest's first MiB. Everything else is the guest's.
 *
 *   0x00500  GDT of the 64-bit entry
 *   0x05000  PVH start info, module list; 0x06000 its memory map
 *   0x07000  boot_params of the Linux boot protocol
 *   0x08000  command line, 4 KiB
 *   0x09000  page tables of the 64-bit entry, 6 pages
 *   0x9fc00  end of low RAM
 *   0xe0000  ACPI tables
 *   0xffff0  where a PC's firmware is entered: a few bytes that reset the VM */
#pragma once

#define LAYOUT_GDT           0x500ul
#define LAYOUT_PVH_INFO      0x5000ul
#define LAYOUT_PVH_MODULES   0x5100ul
#define LAYOUT_PVH_MEMORY    0x6000ul
#define LAYOUT_BOOT_PARAMS   0x7000ul
#define LAYOUT_CMDLINE       0x8000ul
#define LAYOUT_CMDLINE_BYTES 0x1000ul
#define LAYOUT_PAGE_TABLES   0x9000ul
#define LAYOUT_LOW_RAM_END   0x9fc00ul
#define LAYOUT_ACPI          0xe0000ul
#define LAYOUT_ACPI_BYTES    0x20000ul
#define LAYOUT_RESET_VECTOR  0xffff0ul
#define LAYOUT_KERNEL_MIN    0x100000ul
