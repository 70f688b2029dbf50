/* The UEFI loader: modules and kernel into memory, struct boot_info, out of the firmware.
 * Source: UEFI Specification 2.10, chapters 7 "Services - Boot Services" and 13 "Media Access". */
#pragma once
#include <efi.h>
#include <efilib.h>

#include "lib/abi/boot_info.h"

/* One line on the firmware's console. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Pages of a type; 0: none left. */
EFI_PHYSICAL_ADDRESS take_pages(EFI_MEMORY_TYPE type, UINTN bytes);

/* files.c: every file in \bulkhead\ of the volume that this image came from becomes a module. What
 * cannot be read is said and left out. */
void load_files(EFI_HANDLE image, struct boot_info *info);

/* load.c: the kernel at a multiple of 2 MiB; *@entry is its 64-bit entry (virtual). */
BOOLEAN load_kernel(struct boot_info *info, UINT64 *entry);
/* Hand-over tables for memory up to @end. Returns the root, or 0. */
UINT64 make_page_tables(const struct boot_info *info, UINT64 end);

/* memory.c: the memory map of the firmware becomes ours, and boot services end. After TRUE no
 * service may be called. */
UINT64 highest_address(void);
BOOLEAN leave_firmware(EFI_HANDLE image, struct boot_info *info);
