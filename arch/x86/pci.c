/* Configuration mechanism 1 reaches every function's first 256 bytes, which is all the sweep
 * needs. Source: PCI Local Bus 3.0, "Configuration Space". */
#include "arch/x86/pci.h"
#include "lib/x86/asm.h"

#define CONFIG_ADDRESS           0xcf8
#define CONFIG_DATA              0xcfc
#define PCI_ID                   0x00
#define PCI_COMMAND              0x04
#define PCI_COMMAND_MASTER       0x4u
#define PCI_HEADER               0x0c
#define PCI_HEADER_MULTIFUNCTION 0x800000u

static void select(unsigned bus, unsigned device, unsigned function, unsigned offset)
{
    out32(CONFIG_ADDRESS, 0x80000000u | bus << 16 | device << 11 | function << 8 | offset);
}

static uint32_t read(unsigned bus, unsigned device, unsigned function, unsigned offset)
{
    select(bus, device, function, offset);
    return in32(CONFIG_DATA);
}

static bool stop(unsigned bus, unsigned device, unsigned function)
{
    uint32_t command = read(bus, device, function, PCI_COMMAND);

    if (!(command & PCI_COMMAND_MASTER))
        return false;
    select(bus, device, function, PCI_COMMAND);
    out16(CONFIG_DATA, (uint16_t)(command & ~PCI_COMMAND_MASTER));
    return true;
}

unsigned pci_stop_bus_masters(void)
{
    unsigned stopped = 0;

    for (unsigned bus = 0; bus < 256; bus++)
        for (unsigned device = 0; device < 32; device++) {
            unsigned functions = 1;

            for (unsigned f = 0; f < functions; f++) {
                if ((uint16_t)read(bus, device, f, PCI_ID) == 0xffff)
                    continue;
                if (f == 0 && (read(bus, device, 0, PCI_HEADER) & PCI_HEADER_MULTIFUNCTION))
                    functions = 8;
                stopped += stop(bus, device, f);
            }
        }
    return stopped;
}
