#include "boot/efi/loader.h"

#define MAP_BYTES  (64u * 1024u)
#define EXIT_TRIES 8u

static UINT8 *map; /* taken once, before the map is read: taking changes the map */
static UINTN map_bytes, map_key, descriptor_bytes;

static BOOLEAN read_map(void)
{
    UINT32 version;

    if (!map)
        map = (UINT8 *)take_pages(EfiLoaderData, MAP_BYTES);
    map_bytes = MAP_BYTES;
    return map && !EFI_ERROR(BS->GetMemoryMap(&map_bytes, (EFI_MEMORY_DESCRIPTOR *)map, &map_key,
                                              &descriptor_bytes, &version));
}

static const EFI_MEMORY_DESCRIPTOR *descriptor(UINTN at)
{
    return (const EFI_MEMORY_DESCRIPTOR *)(map + at);
}

static UINT32 kind_of(UINT32 type)
{
    switch (type) {
    case EfiConventionalMemory:
    case EfiBootServicesCode:
    case EfiBootServicesData:
    case EfiLoaderCode: /* modules and kernel are carved out by their own addresses */
    case EfiLoaderData: return BOOT_MEMORY_USABLE;
    case EfiACPIReclaimMemory:
    case EfiACPIMemoryNVS: return BOOT_MEMORY_ACPI;
    default: return BOOT_MEMORY_RESERVED;
    }
}

UINT64 highest_address(void)
{
    UINT64 end = 0;

    if (!read_map())
        return 0;
    for (UINTN at = 0; at < map_bytes; at += descriptor_bytes) {
        const EFI_MEMORY_DESCRIPTOR *d = descriptor(at);

        if (kind_of(d->Type) != BOOT_MEMORY_RESERVED)
            end = max(end, d->PhysicalStart + d->NumberOfPages * PAGE_BYTES);
    }
    return end;
}

/* Neighbours of one kind become one entry. */
static void add(struct boot_info *info, UINT64 base, UINT64 bytes, UINT32 kind)
{
    struct boot_memory *last = &info->memory[info->memory_count - 1];

    if (info->memory_count && last->kind == kind && last->base + last->bytes == base)
        last->bytes += bytes;
    else if (info->memory_count < BOOT_MEMORY_MAX)
        info->memory[info->memory_count++] = (struct boot_memory){ base, bytes, kind, 0 };
}

BOOLEAN leave_firmware(EFI_HANDLE image, struct boot_info *info)
{
    BOOLEAN has_left = FALSE;

    for (UINTN i = 0; i < EXIT_TRIES && !has_left; i++)
        has_left = read_map() && !EFI_ERROR(BS->ExitBootServices(image, map_key));
    if (!has_left)
        return FALSE;
    for (UINTN at = 0; at < map_bytes; at += descriptor_bytes) {
        const EFI_MEMORY_DESCRIPTOR *d = descriptor(at);

        add(info, d->PhysicalStart, d->NumberOfPages * PAGE_BYTES, kind_of(d->Type));
    }
    return TRUE;
}
