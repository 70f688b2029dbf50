/* How Bulkhead comes up under UEFI: what can go wrong is said on the firmware's console, while
 * there still is one. */
#include "lib/x86/asm.h"
#include "lib/x86/regs.h"
#include "boot/efi/loader.h"
#include "lib/string.h"

#define CR4_LA57 (1ull << 12)

static struct boot_info *info;

EFI_PHYSICAL_ADDRESS take_pages(EFI_MEMORY_TYPE type, UINTN bytes)
{
    EFI_PHYSICAL_ADDRESS at = 0;

    if (EFI_ERROR(BS->AllocatePages(AllocateAnyPages, type, EFI_SIZE_TO_PAGES(bytes), &at)))
        return 0;
    return at;
}

static BOOLEAN is_same(const EFI_GUID *a, const EFI_GUID *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static UINT64 find_rsdp(void)
{
    EFI_GUID acpi2 = ACPI_20_TABLE_GUID, acpi1 = ACPI_TABLE_GUID;
    UINT64 found = 0;

    for (UINTN i = 0; i < ST->NumberOfTableEntries; i++) {
        EFI_CONFIGURATION_TABLE *t = &ST->ConfigurationTable[i];

        if (is_same(&t->VendorGuid, &acpi2))
            return (UINT64)t->VendorTable;
        if (is_same(&t->VendorGuid, &acpi1))
            found = (UINT64)t->VendorTable;
    }
    return found;
}

static void find_framebuffer(struct boot_framebuffer *f)
{
    EFI_GRAPHICS_OUTPUT_PROTOCOL *gop;
    EFI_GUID guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;

    if (EFI_ERROR(BS->LocateProtocol(&guid, NULL, (VOID **)&gop)) || !gop->Mode || !gop->Mode->Info)
        return;
    *f = (struct boot_framebuffer){
        .base = gop->Mode->FrameBufferBase,
        .bytes = gop->Mode->FrameBufferSize,
        .width = gop->Mode->Info->HorizontalResolution,
        .height = gop->Mode->Info->VerticalResolution,
        .pixels_per_line = gop->Mode->Info->PixelsPerScanLine,
        .format = gop->Mode->Info->PixelFormat,
    };
}

/* The same questions that the kernel asks, while the firmware can still show the answer. */
static BOOLEAN is_machine_fit(void)
{
    if (!(cpuid(0x80000001, 0).ecx & CPUID_EXT1_ECX_SVM)) {
        say("CPU: no SVM (AMD-V): use an AMD CPU, or switch SVM on in the firmware's setup");
        return FALSE;
    }
    if (rdmsr(MSR_VM_CR) & VM_CR_SVMDIS) {
        say("CPU: the firmware has switched SVM off: switch it on in its setup (SVM Mode)");
        return FALSE;
    }
    if (read_cr4() & CR4_LA57) {
        say("CPU: the firmware runs with 5-level paging: switch it off in its setup");
        return FALSE;
    }
    return TRUE;
}

static void enter_kernel(UINT64 root, UINT64 entry)
{
    interrupts_off();
    write_cr3(root);
    ((void (*)(struct boot_info *))entry)(info);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    UINT64 entry, root;

    InitializeLib(image, table);
    BS->SetWatchdogTimer(0, 0, 0, NULL);
    if (!is_machine_fit())
        return EFI_UNSUPPORTED;
    info = (struct boot_info *)take_pages(EfiLoaderData, sizeof(*info));
    if (!info) {
        say("memory: not even room for the boot information; Bulkhead needs 64 MiB");
        return EFI_OUT_OF_RESOURCES;
    }
    memset(info, 0, sizeof(*info));
    info->kind = 'u';
    info->rsdp = find_rsdp();
    find_framebuffer(&info->framebuffer);
    load_files(image, info);
    if (!load_kernel(info, &entry))
        return EFI_OUT_OF_RESOURCES;
    root = make_page_tables(info, highest_address());
    if (!root) {
        say("memory: no room for page tables; Bulkhead needs 64 MiB");
        return EFI_OUT_OF_RESOURCES;
    }
    if (!leave_firmware(image, info)) {
        say("firmware: boot services cannot be ended; update the firmware");
        return EFI_ABORTED;
    }
    enter_kernel(root, entry);
    return EFI_ABORTED; /* not reached */
}
