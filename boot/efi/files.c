#include "boot/efi/loader.h"
#include "lib/string.h"

#define INFO_BYTES 1024u

/* UTF-16 to our names; false when a letter is no ASCII or the name is too long. */
static BOOLEAN narrow(const CHAR16 *from, char *to, UINTN capacity)
{
    UINTN i;

    for (i = 0; from[i]; i++) {
        to[i < capacity ? i : 0] = (char)(from[i] < 0x7f ? from[i] : '?');
        if (i + 1 >= capacity || from[i] >= 0x7f) {
            to[i < capacity ? i : capacity - 1] = 0;
            return FALSE;
        }
    }
    to[i] = 0;
    return TRUE;
}

static BOOLEAN has_module(const struct boot_info *info, const char *name)
{
    for (UINT32 i = 0; i < info->module_count; i++)
        if (strcmp(info->modules[i].name, name) == 0)
            return TRUE;
    return FALSE;
}

static void read_file(EFI_FILE_HANDLE dir, EFI_FILE_INFO *file, struct boot_info *info)
{
    struct boot_module *m = &info->modules[info->module_count];
    EFI_FILE_HANDLE h;
    UINTN bytes = file->FileSize;
    EFI_STATUS status;

    if (!narrow(file->FileName, m->name, sizeof(m->name))) {
        say("file \\bulkhead\\%s...: left out, its name is too long or not ASCII; rename it",
            m->name);
        return;
    }
    if (info->module_count == BOOT_MODULES_MAX - 1 || has_module(info, m->name)) {
        say("file \\bulkhead\\%s: left out, there are too many or it is there twice", m->name);
        return;
    }
    m->base = take_pages(EfiLoaderData, bytes ? bytes : 1);
    if (!m->base) {
        say("file \\bulkhead\\%s: no memory for its %lu bytes; add memory or take files away",
            m->name, (unsigned long)bytes);
        return;
    }
    status = dir->Open(dir, &h, file->FileName, EFI_FILE_MODE_READ, 0);
    if (!EFI_ERROR(status)) {
        status = h->Read(h, &bytes, (VOID *)m->base);
        h->Close(h);
    }
    if (EFI_ERROR(status) || bytes != file->FileSize) {
        say("file \\bulkhead\\%s: cannot be read (error %lu); copy it onto the volume again",
            m->name, (unsigned long)(status & 0xff));
        return;
    }
    m->bytes = bytes;
    info->module_count++;
}

static EFI_FILE_HANDLE open_folder(EFI_HANDLE image)
{
    EFI_LOADED_IMAGE *self;
    EFI_SIMPLE_FILE_SYSTEM_PROTOCOL *fs;
    EFI_FILE_HANDLE root, dir;

    if (EFI_ERROR(BS->HandleProtocol(image, &gEfiLoadedImageProtocolGuid, (VOID **)&self)) ||
        EFI_ERROR(BS->HandleProtocol(self->DeviceHandle, &gEfiSimpleFileSystemProtocolGuid,
                                     (VOID **)&fs)) ||
        EFI_ERROR(fs->OpenVolume(fs, &root)))
        return NULL;
    if (EFI_ERROR(root->Open(root, &dir, (CHAR16 *)L"\\bulkhead", EFI_FILE_MODE_READ, 0)))
        return NULL;
    return dir;
}

void load_files(EFI_HANDLE image, struct boot_info *info)
{
    static UINT64 buffer[INFO_BYTES / 8];
    EFI_FILE_INFO *file = (EFI_FILE_INFO *)buffer;
    EFI_FILE_HANDLE dir = open_folder(image);

    if (!dir) {
        say("folder \\bulkhead: missing on the volume that was booted; make it and put "
            "bulkhead.conf and the guests' kernels there");
        return;
    }
    for (;;) {
        UINTN bytes = sizeof(buffer);
        EFI_STATUS status = dir->Read(dir, &bytes, file);

        if (EFI_ERROR(status)) {
            say("folder \\bulkhead: cannot be read to its end (error %lu); check the volume",
                (unsigned long)(status & 0xff));
            return;
        }
        if (!bytes)
            return;
        if (!(file->Attribute & EFI_FILE_DIRECTORY))
            read_file(dir, file, info);
    }
}
